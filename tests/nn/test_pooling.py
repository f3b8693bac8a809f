"""Pooling against window-by-window definitions, in value and gradient."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.nn.pooling import (
    adaptive_average_pool,
    max_pool_2x2,
    max_pool_3x3,
    max_pool_indices,
    unpool,
)

DTYPES = [jnp.float32, jnp.bfloat16]


def numbers(*shape: int, dtype=jnp.float32, seed: int = 0) -> jax.Array:
    """Few different values, so that there are ties; all sums are exact."""
    return jnp.asarray(np.random.default_rng(seed).integers(-3, 3, shape), dtype)


def window_by_window(x, weights, side: int, stride: int, border: int):
    """Maxima, their places, and the gradient of `(maxima * weights).sum()`."""
    x, weights = np.asarray(x, np.float32), np.asarray(weights, np.float32)
    B, H, W, C = x.shape
    _, h, w, _ = weights.shape
    maxima = np.zeros((B, h, w, C), np.float32)
    places = np.zeros((B, h, w, C), np.uint8)
    gradient = np.zeros_like(x)
    for b, i, j, c in np.ndindex(B, h, w, C):
        best = -np.inf
        for di, dj in np.ndindex(side, side):
            y, z = i * stride - border + di, j * stride - border + dj
            if 0 <= y < H and 0 <= z < W and x[b, y, z, c] > best:
                best, place, at = x[b, y, z, c], di * side + dj, (b, y, z, c)
        maxima[b, i, j, c], places[b, i, j, c] = best, place
        gradient[at] += weights[b, i, j, c]
    return maxima, places, gradient


def value_and_gradient(pool, x, weights):
    return pool(x), jax.grad(lambda x: (pool(x) * weights).sum())(x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_max_pool_2x2_and_its_gradient(dtype):
    x, weights = numbers(2, 6, 8, 3, dtype=dtype), numbers(2, 3, 4, 3, dtype=dtype)
    got = value_and_gradient(max_pool_2x2, x, weights)
    assert got[0].dtype == got[1].dtype == dtype
    maxima, _, gradient = window_by_window(x, weights, 2, 2, 0)
    np.testing.assert_array_equal(got[0], maxima)
    np.testing.assert_array_equal(got[1], gradient)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("H, W", [(6, 8), (7, 5), (1, 2)])
def test_max_pool_3x3_and_its_gradient(H, W, dtype):
    x = numbers(2, H, W, 3, dtype=dtype)
    weights = numbers(2, -(-H // 2), -(-W // 2), 3, dtype=dtype, seed=1)
    got = value_and_gradient(max_pool_3x3, x, weights)
    assert got[0].dtype == got[1].dtype == dtype
    maxima, _, gradient = window_by_window(x, weights, 3, 2, 1)
    np.testing.assert_array_equal(got[0], maxima)
    np.testing.assert_array_equal(got[1], gradient)


def test_without_ties_the_gradients_are_those_of_reduce_window():
    x = jax.random.normal(jax.random.key(0), (2, 8, 6, 3))
    weights = jax.random.normal(jax.random.key(1), (2, 4, 3, 3))
    for ours, side, border in ((max_pool_2x2, 2, 0), (max_pool_3x3, 3, 1)):

        def usual(x, side=side, border=border):
            return nn.max_pool(x, (side, side), (2, 2), ((border, border),) * 2)

        for got, expected in zip(
            value_and_gradient(ours, x, weights),
            value_and_gradient(usual, x, weights),
            strict=True,
        ):
            np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("H, W", [(6, 8), (7, 5)])
def test_indices_name_the_first_maximum_and_take_the_gradient(H, W, dtype):
    x = numbers(2, H, W, 3, dtype=dtype)
    weights = numbers(2, -(-H // 2), -(-W // 2), 3, dtype=dtype, seed=1)
    maxima, places, gradient = window_by_window(x, weights, 2, 2, 0)
    values, indices = max_pool_indices(x)
    assert values.dtype == dtype and indices.dtype == jnp.uint8
    np.testing.assert_array_equal(values, maxima)
    np.testing.assert_array_equal(indices, places)
    _, got = value_and_gradient(lambda x: max_pool_indices(x)[0], x, weights)
    np.testing.assert_array_equal(got, gradient)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("H, W", [(6, 8), (7, 5)])
def test_unpool_puts_values_back_and_its_gradient_gathers(H, W, dtype):
    x = numbers(2, H, W, 3, dtype=dtype)
    _, indices = max_pool_indices(x)
    values = numbers(*indices.shape, dtype=dtype, seed=1)
    weights = numbers(2, H, W, 3, dtype=dtype, seed=2)
    expected, gathered = np.zeros(x.shape), np.zeros(indices.shape)
    for b, i, j, c in np.ndindex(indices.shape):
        row, column = divmod(int(indices[b, i, j, c]), 2)
        at = b, 2 * i + row, 2 * j + column, c
        expected[at] = values[b, i, j, c]
        gathered[b, i, j, c] = weights[at]
    got = unpool(values, indices, (H, W))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, expected)
    gradient = jax.grad(lambda v: (unpool(v, indices, (H, W)) * weights).sum())(values)
    np.testing.assert_array_equal(gradient, gathered)


def test_pool_and_unpool_train_under_jit_and_remat():
    x = numbers(1, 6, 6, 2)

    @jax.jit
    @jax.grad
    @jax.checkpoint
    def gradient(x):
        values, indices = max_pool_indices(x)
        return (unpool(values**2, indices, (6, 6)) * x).sum()

    kept = np.asarray(unpool(*max_pool_indices(x), (6, 6)))
    np.testing.assert_array_equal(gradient(x), 3 * kept**2)


def test_a_not_a_number_is_not_hidden():
    x = numbers(1, 4, 4, 1).at[0, 1, 1, 0].set(jnp.nan)
    assert jnp.isnan(max_pool_2x2(x)[0, 0, 0, 0])
    assert jnp.isnan(max_pool_3x3(x)).all()
    assert jnp.isnan(max_pool_indices(x)[0][0, 0, 0, 0])


@pytest.mark.parametrize("bins", [1, 2, 3, 6])
@pytest.mark.parametrize("H, W", [(6, 12), (7, 11), (4, 5)])
def test_adaptive_average_pool_means_over_the_regions_of_pytorch(H, W, bins):
    x = np.random.default_rng(0).normal(size=(2, H, W, 3)).astype(np.float32)
    expected = np.zeros((2, bins, bins, 3), np.float32)
    for i, j in np.ndindex(bins, bins):
        rows = slice(i * H // bins, -(-(i + 1) * H // bins))
        columns = slice(j * W // bins, -(-(j + 1) * W // bins))
        expected[:, i, j] = x[:, rows, columns].mean((1, 2))
    got = adaptive_average_pool(jnp.asarray(x), bins)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    low = adaptive_average_pool(jnp.asarray(x, jnp.bfloat16), bins)
    assert low.dtype == jnp.bfloat16
    np.testing.assert_allclose(low.astype(jnp.float32), expected, atol=0.03)
