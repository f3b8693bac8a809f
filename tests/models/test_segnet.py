"""SegNet's exact integers, its way back through the poolings, VGG's names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.models.segnet import SegNet
from segjax.nn.pooling import max_pool_indices, unpool
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true, shapes

SLIM = dict(widths=(4, 6), convolutions=(2, 1))


def test_the_docstring_table_is_true():
    variables = assert_table_is_true(SegNet(num_outputs=11), 360, 480, 3)
    assert count_parameters(variables["batch_stats"]) == 15_872


@pytest.mark.parametrize(
    ("classes", "norm", "count"),
    [
        (19, "batch", 29_453_971),
        (11, "batch", 29_449_355),
        (19, "none", 29_438_099),
        (11, "none", 29_433_483),
    ],
)
def test_m6_has_the_exact_integers(classes, norm, count):
    variables, _ = shapes(SegNet(num_outputs=classes, norm=norm), 32, 32, 3)
    assert count_parameters(variables["params"]) == count
    if norm == "none":
        assert count_parameters(variables["params"]["encoder"]) == 14_714_688


@pytest.mark.parametrize("size", [(4, 6), (5, 7), (1, 1), (45, 60)])
def test_each_maximum_returns_to_its_own_pixel(size):
    x = jax.random.uniform(jax.random.key(0), (2, *size, 3), minval=0.1)
    values, indices = max_pool_indices(x)
    back = np.asarray(unpool(values, indices, size))
    kept = back != 0
    assert back.shape == x.shape
    np.testing.assert_array_equal(back[kept], np.asarray(x)[kept])
    assert kept.sum() == values.size
    np.testing.assert_array_equal(max_pool_indices(jnp.asarray(back))[0], values)


def test_of_ties_the_first_in_reading_order_is_the_maximum():
    windows = [[5, 5, 5, 5], [1, 5, 5, 0], [0, 1, 5, 5], [-2, -1, -3, -1]]
    x = jnp.array(windows, jnp.float32).reshape(4, 2, 2, 1)
    values, indices = max_pool_indices(x)
    assert indices.ravel().tolist() == [0, 1, 2, 1]
    assert values.ravel().tolist() == [5, 5, 5, -1]


def test_the_gradient_reaches_the_maximum_alone():
    x = jax.random.randint(jax.random.key(0), (1, 5, 6, 2), 0, 3).astype(float)

    def total(x):
        values, indices = max_pool_indices(x)
        return (unpool(values, indices, x.shape[1:3]) * weights).sum()

    weights = jax.random.normal(jax.random.key(1), x.shape)
    gradient = np.asarray(jax.grad(total)(x))
    values, indices = max_pool_indices(x)
    chosen = np.asarray(unpool(jnp.ones_like(values), indices, x.shape[1:3])) == 1
    np.testing.assert_array_equal(gradient, np.where(chosen, weights, 0))


def test_odd_sizes_come_back_and_the_decoder_sees_the_indices():
    model = SegNet(num_outputs=2, norm="none", **SLIM)
    x = jax.random.normal(jax.random.key(0), (1, 7, 9, 3))
    variables = model.init(jax.random.key(1), x)
    logits, state = model.apply(
        variables, x, capture_intermediates=True, mutable="intermediates"
    )
    assert logits.shape == (1, 7, 9, 2)
    trail = state["intermediates"]["encoder"]["__call__"][0][1]
    assert [size for _, size in trail] == [(7, 9), (4, 5)]
    assert [indices.shape for indices, _ in trail] == [(1, 4, 5, 4), (1, 2, 3, 6)]
    assert {indices.dtype for indices, _ in trail} == {jnp.dtype("uint8")}


@pytest.mark.parametrize(("which", "arrays"), [(0, 26), (1, 13)])
def test_vgg16_has_a_name_for_every_layer_of_the_encoder(which, arrays):
    names = SegNet(num_outputs=2).foreign[which]
    variables, _ = shapes(SegNet(num_outputs=2), 32, 32, 3)
    found = {names.module(f"features.{i}") for i in range(44)} - {None}
    layers = {
        f"encoder/{stage}/{conv}/{layer}"
        for stage, convs in variables["params"]["encoder"].items()
        for conv, made in convs.items()
        for layer in made
    }
    assert found <= layers
    assert len(found) == arrays


def test_an_encoder_that_is_no_vgg_has_no_foreign_names():
    assert SegNet(num_outputs=2, **SLIM).foreign == ()


def test_lists_that_do_not_fit_are_refused():
    with pytest.raises(UserError) as caught:
        SegNet(num_outputs=0, widths=(4, 0), convolutions=(1,))
    assert len(caught.value.problems) == 3
