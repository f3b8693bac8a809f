"""UNet++: integers, the wiring of its nodes, its heads, and pruning."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.models.unet_plus_plus import UNetPlusPlus
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true, shapes


def test_the_docstring_table_is_true():
    assert_table_is_true(UNetPlusPlus(num_outputs=1), 512, 512, 3)


def test_the_integer_of_the_authors_model():
    model = UNetPlusPlus(num_outputs=1, supervision="none", norm="none")
    variables, _ = shapes(model, 32, 32, 1)
    assert count_parameters(variables["params"]) == 9_041_601


def test_each_node_reads_all_nodes_before_it_on_its_level():
    variables, _ = shapes(UNetPlusPlus(num_outputs=1, width=4), 32, 32, 3)
    for i in range(4):
        for j in range(1, 5 - i):
            kernel = variables["params"][f"x{i}_{j}"]["conv1"]["conv"]["kernel"]
            assert kernel.shape[2] == (j + 1) * 4 * 2**i
            grow = variables["params"][f"x{i}_{j}_grow"]["kernel"]
            assert grow.shape[2] == 2 * 4 * 2**i


@pytest.fixture(scope="module")
def small() -> tuple[dict, jax.Array]:
    """Variables of two halvings with all heads, and an image."""
    model = UNetPlusPlus(num_outputs=2, width=2, depth=2, norm="none")
    x = jax.random.normal(jax.random.key(0), (1, 8, 8, 3))
    key = jax.random.key(1, impl="unsafe_rbg")
    return jax.jit(model.init)(key, x), x


def run(small: tuple[dict, jax.Array], train: bool = False, **options):
    model = UNetPlusPlus(num_outputs=2, width=2, norm="none", **options)
    variables, x = small
    return model.apply(variables, x, train, mutable=["aux"])


def test_the_average_is_that_of_the_heads(small):
    average, changed = run(small, train=True, depth=2, supervision="average")
    heads = changed["aux"]
    assert set(heads) == {"depth1", "depth2"}
    np.testing.assert_allclose(average, (heads["depth1"] + heads["depth2"]) / 2)
    silent, changed = run(small, depth=2, supervision="average")
    assert "aux" not in changed
    np.testing.assert_allclose(silent, average, atol=1e-6)


def test_the_last_head_answers_and_the_others_are_trained(small):
    last, changed = run(small, train=True, depth=2)
    assert set(changed["aux"]) == {"depth1"}
    _, changed = run(small, train=True, depth=2, supervision="average")
    np.testing.assert_array_equal(last, changed["aux"]["depth2"])


def test_a_network_of_less_depth_is_this_one_pruned(small):
    _, changed = run(small, train=True, depth=2)
    pruned, _ = run(small, depth=1)
    np.testing.assert_allclose(pruned, changed["aux"]["depth1"], atol=1e-6)


def test_without_supervision_there_is_one_head():
    variables, _ = shapes(UNetPlusPlus(num_outputs=1, supervision="none"), 32, 32, 3)
    heads = [name for name in variables["params"] if name.startswith("head")]
    assert heads == ["head4"]


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        UNetPlusPlus(num_outputs=0, width=0, depth=0)
    assert len(caught.value.problems) == 3


def test_a_size_that_does_not_fit_names_the_nearest():
    x = jax.ShapeDtypeStruct((1, 100, 48, 3), jnp.float32)
    with pytest.raises(UserError, match=r"divide by 16.*96x48"):
        jax.eval_shape(UNetPlusPlus(num_outputs=2).init, jax.random.key(0), x)
