"""FC-DenseNet's integers and odd sizes, and its two ways to evaluate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.models.fc_densenet import FCDenseNet, Grow
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true, shapes

SLIM = dict(growth=3, layers=(1, 1, 1), first=4)


def test_the_docstring_table_is_true():
    variables = assert_table_is_true(FCDenseNet(num_outputs=11), 224, 224, 3)
    assert count_parameters(variables["batch_stats"]) == 103_072


@pytest.mark.parametrize(
    ("variant", "count", "statistics"),
    [(56, 1_376_795, 21_168), (67, 3_463_243, 39_680)],
)
def test_the_smaller_variants_have_the_exact_integers(variant, count, statistics):
    variables, _ = shapes(FCDenseNet(num_outputs=11, variant=variant), 32, 32, 3)
    assert count_parameters(variables["params"]) == count
    assert count_parameters(variables["batch_stats"]) == statistics


def test_a_size_that_does_not_divide_comes_back():
    _, outputs = shapes(FCDenseNet(num_outputs=11, variant=56), 90, 63, 3)
    assert outputs["bottom"]["__call__"][0].shape[1:3] == (2, 1)
    assert outputs["__call__"][0].shape == (1, 90, 63, 11)
    with pytest.raises(UserError, match=r"31x40; both sides must be 32 or more.*32x40"):
        shapes(FCDenseNet(num_outputs=11, variant=56), 31, 40, 3)


@pytest.mark.parametrize("size", [(6, 8), (7, 9)])
def test_growing_scatters_each_pixel_and_keeps_the_first(size):
    x = jax.random.normal(jax.random.key(0), (1, 3, 4, 2))
    kernel = np.asarray(jax.random.normal(jax.random.key(1), (3, 3, 2, 5)))
    variables = {"params": {"conv": {"kernel": kernel, "bias": jnp.zeros(5)}}}
    found = Grow(5, jnp.float32).apply(variables, x, size)
    wanted = np.zeros((7, 9, 5))
    for i, j in np.ndindex(3, 4):
        wanted[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += np.asarray(x)[0, i, j] @ kernel
    np.testing.assert_allclose(found[0], wanted[: size[0], : size[1]], atol=1e-5)


def test_evaluating_with_batch_statistics_is_the_training_pass_without_dropout():
    averages, batch = (
        FCDenseNet(2, dropout=0.0, evaluation=e, **SLIM)
        for e in ("running_averages", "batch_statistics")
    )
    x = 2 + jax.random.normal(jax.random.key(0), (2, 6, 5, 3))

    @jax.jit
    def run(key, x):
        variables = averages.init(key, x)
        trained, _ = averages.apply(variables, x, True, mutable="batch_stats")
        found, changed = batch.apply(variables, x, mutable="batch_stats")
        alone = batch.apply(variables, x[:1])
        return trained, found, alone, variables["batch_stats"], changed["batch_stats"]

    trained, found, alone, before, after = run(jax.random.key(1), x)
    np.testing.assert_allclose(found, trained, rtol=1e-4, atol=1e-4)
    jax.tree.map(np.testing.assert_array_equal, after, before)
    # the image beside it counts, as it does not with running averages
    assert not np.allclose(found[:1], alone, rtol=1e-2)


def test_both_evaluations_have_the_same_variables():
    first, second = (
        shapes(FCDenseNet(2, evaluation=e, **SLIM), 4, 4, 3)[0]
        for e in ("running_averages", "batch_statistics")
    )
    assert jax.tree.map(jnp.shape, first) == jax.tree.map(jnp.shape, second)


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        FCDenseNet(
            2, growth=0, layers=(1, 2), norm="group", evaluation="batch_statistics"
        )
    assert len(caught.value.problems) == 3
