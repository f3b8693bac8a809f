"""Resampling layers against jax's and flax's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.nn import resample
from segjax.nn.resample import (
    depth_to_space,
    interpolation_matrix,
    resize,
    resize_bilinear,
    space_to_depth,
    upsample_nearest,
)


def noise(*shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(0), shape)


def test_depth_to_space_undoes_space_to_depth():
    x = noise(2, 8, 12, 3)
    folded = space_to_depth(x, 4)
    assert folded.shape == (2, 2, 3, 48)
    np.testing.assert_array_equal(folded[0, 0, 0], x[0, :4, :4].ravel())
    np.testing.assert_array_equal(depth_to_space(folded, 4), x)


@pytest.mark.parametrize("source, target", [(5, 10), (7, 9), (6, 13), (4, 4)])
def test_growing_equals_jax_image_resize(source, target):
    x = noise(1, source, source, 2)
    matrix = jnp.asarray(interpolation_matrix(source, target))
    ours = resize_bilinear(x, matrix, matrix)
    theirs = jax.image.resize(x, (1, target, target, 2), "bilinear", antialias=False)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_padding_of_the_matrix_changes_nothing_inside():
    x = noise(1, 6, 6, 2)
    padded = jnp.pad(x, ((0, 0), (0, 2), (0, 2), (0, 0)), constant_values=9.0)
    plain = jnp.asarray(interpolation_matrix(6, 11))
    wide = interpolation_matrix(6, 11, source_padded=8, target_padded=16)
    wide = jnp.asarray(wide)[None]
    ours = resize_bilinear(padded, wide, wide)
    np.testing.assert_allclose(
        ours[:, :11, :11], resize_bilinear(x, plain, plain), atol=1e-5
    )
    assert not np.any(ours[:, 11:])


SIZES = [
    ((3, 4), (6, 12)),
    ((2, 5), (16, 5)),
    ((5, 1), (9, 4)),
    ((6, 9), (3, 3)),
]


@pytest.mark.parametrize("cpu", [True, False], ids=["cpu", "others"])
@pytest.mark.parametrize("source, target", SIZES)
def test_resize_and_its_gradient_are_the_matrices(source, target, cpu, monkeypatch):
    monkeypatch.setattr(resample, "on_cpu", lambda: cpu)
    x, weights = noise(2, *source, 3), noise(2, *target, 3)

    @jax.jit
    def run(x, weights):
        y, back = jax.vjp(lambda x: resize(x, target), x)
        return y, *back(weights)

    got, back = run(x, weights)
    rows, columns = map(interpolation_matrix, source, target)
    expected = np.einsum("Hh,bhwc,Ww->bHWc", rows, x, columns)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    gradient = np.einsum("Hh,bHWc,Ww->bhwc", rows, weights, columns)
    np.testing.assert_allclose(back, gradient, atol=1e-5)


@pytest.mark.parametrize("source, target", SIZES[1:])
def test_resize_keeps_bfloat16_and_rounds_once(source, target):
    x = noise(2, *source, 3).astype(jnp.bfloat16)
    got, back = jax.vjp(jax.jit(lambda x: resize(x, target)), x)
    assert got.dtype == back(got)[0].dtype == jnp.bfloat16
    exact = resize(x.astype(jnp.float32), target)
    np.testing.assert_array_equal(got, exact.astype(jnp.bfloat16))


def test_resize_of_an_equal_size_and_of_a_plane_changes_nothing():
    x = noise(1, 4, 6, 2)
    assert resize(x, (4, 6)) is x
    np.testing.assert_allclose(resize(x * 0 + 3, (8, 18)), 3.0, rtol=1e-6)


def test_nearest_repeats():
    x = noise(1, 2, 3, 2)
    np.testing.assert_array_equal(
        upsample_nearest(x, 2), np.repeat(x.repeat(2, 1), 2, 2)
    )
