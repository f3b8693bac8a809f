"""ICNet: its table, its three resolutions, its guided heads."""

import functools

import jax
import jax.numpy as jnp
import pytest

from segjax.core.errors import UserError
from segjax.models.icnet import ICNet
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true, shapes

SLIM = dict(num_outputs=3, width=4, blocks=(1, 2, 1, 1), features=8)


def test_the_docstring_table_is_true():
    params = assert_table_is_true(ICNet(num_outputs=19), 1024, 2048, 3)["params"]
    guided = count_parameters([params["aux0"], params["aux1"]])
    assert count_parameters(params) - guided == 6_699_987


def test_with_a_full_resnet():
    params = shapes(ICNet(num_outputs=19, width=64), 64, 64, 3)[0]["params"]
    assert count_parameters(params) == 24_804_537


def test_the_guided_heads_stand_at_stride_16_and_8():
    model = ICNet(**SLIM)
    x = jnp.zeros((2, 64, 96, 3))
    variables = jax.eval_shape(model.init, jax.random.key(0), x)
    run = functools.partial(model.apply, train=True, mutable=["aux", "batch_stats"])
    _, changed = jax.eval_shape(run, variables, x)
    assert {k: v.shape for k, v in changed["aux"].items()} == {
        "stride16": (2, 64, 96, 3),
        "stride8": (2, 64, 96, 3),
    }


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        ICNet(num_outputs=0, width=0, blocks=(1, 1, 1, 1))
    assert len(caught.value.problems) == 3
