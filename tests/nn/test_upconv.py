"""Transposed convolutions against lax's, in value and gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.nn.resample import resize
from segjax.nn.upconv import UpConv, UpConv2x2, UpConvBilinear, grow, grow_depthwise


def noise(*shape: int, seed: int = 0) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


def by_scattering(x, kernel, stride):
    """The definition: every input pixel adds a weighted kernel to the output."""
    B, h, w = x.shape[:3]
    side, F = kernel.shape[0], kernel.shape[3]
    crop = max(0, -(-(side - stride) // 2))
    out = np.zeros((B, h * stride + side + crop, w * stride + side + crop, F))
    for i in range(h):
        for j in range(w):
            block = np.einsum("bc,ijcf->bijf", x[:, i, j], kernel)
            top, left = i * stride, j * stride
            out[:, top : top + side, left : left + side] += block
    return out[:, crop : crop + h * stride, crop : crop + w * stride]


def by_dilation(x, kernel, stride):
    """The usual form: zeros between the input pixels, then a flipped convolution."""
    side = kernel.shape[0]
    crop = max(0, -(-(side - stride) // 2))
    before = side - 1 - crop
    after = side - 1 - crop + stride - side + 2 * crop
    return jax.lax.conv_general_dilated(
        x,
        kernel[::-1, ::-1],
        (1, 1),
        [(before, after)] * 2,
        lhs_dilation=(stride, stride),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


@pytest.mark.parametrize("side, stride", [(3, 2), (2, 2), (4, 2), (5, 3)])
def test_value_and_gradient_are_those_of_the_usual_form(side, stride):
    x, kernel = noise(2, 4, 5, 3), noise(side, side, 3, 4, seed=1)
    expected = by_scattering(np.asarray(x), np.asarray(kernel), stride)
    np.testing.assert_allclose(grow(x, kernel, stride), expected, atol=1e-4)
    weights = noise(*expected.shape, seed=2)

    def gradients(form):
        def total(x, kernel):
            return (form(x, kernel, stride) * weights).sum()

        return jax.jit(jax.grad(total, (0, 1)))(x, kernel)

    for got, usual in zip(gradients(grow), gradients(by_dilation), strict=True):
        np.testing.assert_allclose(got, usual, atol=1e-4)


@pytest.mark.parametrize("side, stride", [(4, 2), (3, 4)])
def test_depthwise_is_a_diagonal_kernel(side, stride):
    x, kernel = noise(2, 4, 5, 3), noise(side, side, 3, 1, seed=1)
    full = kernel * jnp.eye(3)
    np.testing.assert_allclose(
        grow_depthwise(x, kernel, stride), grow(x, full, stride), atol=1e-5
    )


@pytest.mark.parametrize("depthwise", [True, False])
@pytest.mark.parametrize("stride", [2, 3])
def test_bilinear_begins_as_interpolation(stride, depthwise):
    x = noise(2, 4, 5, 3)
    got, _ = UpConvBilinear(stride, depthwise).init_with_output(jax.random.key(0), x)
    expected = resize(x, (4 * stride, 5 * stride))
    inside = slice(stride, -stride)
    np.testing.assert_allclose(
        got[:, inside, inside], expected[:, inside, inside], atol=1e-5
    )
    assert jnp.abs(got - expected).max() > 0.01  # zeros beyond the border


@pytest.mark.parametrize("layer", [UpConv(6), UpConv2x2(6)])
def test_a_layer_keeps_the_variance(layer):
    x = noise(4, 8, 8, 64)
    y, variables = layer.init_with_output(jax.random.key(1), x)
    assert y.shape == (4, 16, 16, 6)
    assert 0.5 < jnp.var(y) < 1.5
    biased = {"params": {**variables["params"], "bias": jnp.arange(6.0)}}
    np.testing.assert_allclose(layer.apply(biased, x), y + jnp.arange(6.0), atol=1e-5)


def test_the_same_as_the_2x2_layer():
    x = noise(2, 3, 5, 4)
    params = UpConv2x2(6).init(jax.random.key(1), x)
    np.testing.assert_allclose(
        UpConv(6, 2).apply(params, x), UpConv2x2(6).apply(params, x), atol=1e-5
    )


def test_bfloat16_stays():
    x = noise(1, 3, 5, 4).astype(jnp.bfloat16)
    for layer in (
        UpConv(6, dtype=jnp.bfloat16),
        UpConv2x2(6, jnp.bfloat16),
        UpConvBilinear(2, dtype=jnp.bfloat16),
    ):
        y, variables = layer.init_with_output(jax.random.key(1), x)
        assert y.dtype == jnp.bfloat16
        assert variables["params"]["kernel"].dtype == jnp.float32
