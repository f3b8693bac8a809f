"""Resampling layers against jax's and flax's own."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.nn.pooling import max_pool_2x2
from segjax.nn.resample import (
    UpConv2x2,
    depth_to_space,
    interpolation_matrix,
    resize_bilinear,
    space_to_depth,
)


def noise(*shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(0), shape)


def test_max_pool_and_its_gradient_equal_flax():
    x = noise(2, 6, 8, 3)

    def flax_pool(x):
        return nn.max_pool(x, window_shape=(2, 2), strides=(2, 2))

    np.testing.assert_array_equal(max_pool_2x2(x), flax_pool(x))
    weights = noise(2, 3, 4, 3)
    ours = jax.grad(lambda x: (max_pool_2x2(x) * weights).sum())(x)
    theirs = jax.grad(lambda x: (flax_pool(x) * weights).sum())(x)
    np.testing.assert_array_equal(ours, theirs)


def test_up_convolution_equals_flax_conv_transpose():
    x = noise(2, 3, 5, 4)
    layer = UpConv2x2(6)
    params = layer.init(jax.random.key(1), x)["params"]
    params["bias"] = noise(6)
    theirs = nn.ConvTranspose(6, (2, 2), strides=(2, 2), transpose_kernel=False)
    expected = theirs.apply(
        {"params": {"kernel": params["kernel"][::-1, ::-1], "bias": params["bias"]}}, x
    )
    got = layer.apply({"params": params}, x)
    np.testing.assert_allclose(got, expected, atol=1e-5)


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
