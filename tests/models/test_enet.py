"""ENet's table, its plan of bottlenecks, its activation and its dropout."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.models.enet import CONTEXT, ENet, PReLU, drop_channels
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true, shapes


def test_the_docstring_table_is_true():
    variables = assert_table_is_true(ENet(num_outputs=20), 512, 512, 3)
    assert count_parameters(variables["batch_stats"]) == 8_352
    assert count_parameters(variables) == 372_728


def test_the_plan_is_that_of_the_papers_table():
    kinds = [next(iter(step.items()), "regular") for step in CONTEXT]
    wide = ("asymmetric", 5)
    assert kinds == [
        *("regular", ("rate", 2), wide, ("rate", 4)),
        *("regular", ("rate", 8), wide, ("rate", 16)),
    ]
    params = shapes(ENet(num_outputs=2), 16, 16, 5)[0]["params"]
    pairs = {name for name, made in params.items() if "conv2_row" in made}
    assert pairs == {f"bottleneck{i}" for i in ("2_3", "2_7", "3_2", "3_6")}
    kernels = params["bottleneck2_3"]
    assert kernels["conv2_row"]["kernel"].shape == (1, 5, 32, 32)
    assert kernels["conv2"]["conv"]["kernel"].shape == (5, 1, 32, 32)
    # the decoder has as many channels as the indices, whatever the image has
    assert params["head"]["kernel"].shape[2] == 13 + 5


def test_prelu_has_a_slope_a_channel_and_is_the_identity_above_zero():
    x = jnp.array([[[[-2.0, -2.0], [3.0, 3.0]]]])
    variables = {"params": {"slope": jnp.array([0.5, -1.0])}}
    found = PReLU().apply(variables, x)
    np.testing.assert_array_equal(found, [[[[-1, 2], [3, 3]]]])
    start = PReLU().init(jax.random.key(0), x)["params"]["slope"]
    np.testing.assert_array_equal(start, 0.25)


def test_dropout_takes_whole_channels():
    class Dropped(nn.Module):
        @nn.compact
        def __call__(self, x):
            return drop_channels(x, 0.5, train=True)

    x = jnp.ones((4, 3, 5, 16))
    rngs = {"dropout": jax.random.key(0)}
    y = np.asarray(Dropped().apply({}, x, rngs=rngs))
    assert set(np.unique(y)) == {0, 2}
    assert (y == y[:, :1, :1]).all()
    assert not (y == y[:1]).all()


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        ENet(num_outputs=0, width=3, dropouts=(0.0, 1.0))
    assert len(caught.value.problems) == 3
