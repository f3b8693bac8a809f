"""Transposed convolutions, computed on the small grid.

Every input pixel adds blocks of `stride x stride` to the output. Computed so, no zeros
are put between the input pixels, which `lhs_dilation` does and which is slow on every
backend, in the gradient above all.

Layout of every `kernel`: `(kh, kw, C, F)`, such that the `weight` of a PyTorch
`ConvTranspose2d`, which is `(C, F, kh, kw)`, gives the same result when transposed by
`(2, 3, 0, 1)`; no flip. The output has exactly `stride` times the input's size; in
PyTorch's terms `padding = max(0, ceil((kernel - stride) / 2))` and `output_padding =
stride - kernel + 2 * padding`, both 1 for a kernel of 3 and a stride of 2.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from segjax.nn.conv import add_bias, convolve
from segjax.nn.resample import depth_to_space


class UpConv(nn.Module):
    """Transposed convolution; the output is `stride` times as large each way.

    Attributes:
      features: output channels.
      kernel: side of the kernel.
      stride: factor by which the grid grows.
      use_bias: whether a bias is added.
      dtype: dtype of the computation; parameters stay float32.
    """

    features: int
    kernel: int = 3
    stride: int = 2
    use_bias: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B h w C"]) -> Float[Array, "B H W F"]:
        # an output pixel is fed by kernel**2 / stride**2 input pixels
        init = nn.initializers.variance_scaling(
            float(self.stride**2), "fan_in", "truncated_normal"
        )
        shape = (self.kernel, self.kernel, x.shape[-1], self.features)
        kernel = self.param("kernel", init, shape)
        bias = None
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x, kernel = nn.dtypes.promote_dtype(x, kernel, dtype=self.dtype)
        y = grow(x, kernel, self.stride)
        return y if bias is None else add_bias(y, bias)


class UpConv2x2(nn.Module):
    """Transposed convolution 2x2, stride 2: every pixel becomes a 2x2 block.

    Windows do not overlap, so it is one matrix product and a reshape.

    Attributes:
      features: output channels.
      dtype: dtype of the computation; parameters stay float32.
    """

    features: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B h w C"]) -> Float[Array, "B 2*h 2*w F"]:
        kernel = self.param(
            "kernel",
            # fan-in of an output pixel is C: one input pixel feeds it
            nn.initializers.variance_scaling(
                1.0, "fan_in", "truncated_normal", 2, 3, (0, 1)
            ),
            (2, 2, x.shape[-1], self.features),
        )
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x, kernel = nn.dtypes.promote_dtype(x, kernel, dtype=self.dtype)
        return add_bias(grow(x, kernel, 2), bias)


class UpConvBilinear(nn.Module):
    """Transposed convolution that begins as bilinear interpolation; no bias.

    The kernel has side `2 * stride`, less one for an odd stride. Zeros lie beyond the
    border, so there, and there alone, the result differs from `resample.resize`.

    Attributes:
      stride: factor by which the grid grows.
      depthwise: every channel grows by itself, with a kernel `(kh, kw, C, 1)`; else the
        kernel is `(kh, kw, C, C)` and begins diagonal.
      dtype: dtype of the computation; parameters stay float32.

    Source: Long, Shelhamer & Darrell, Fully Convolutional Networks for Semantic
      Segmentation, 2015, arXiv 1411.4038, section 3.3.
    """

    stride: int = 2
    depthwise: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B h w C"]) -> Float[Array, "B H W C"]:
        C = x.shape[-1]

        def init(key: Array) -> Array:
            mixing = jnp.ones((C, 1)) if self.depthwise else jnp.eye(C)
            return bilinear_kernel(self.stride)[:, :, None, None] * mixing

        x, kernel = nn.dtypes.promote_dtype(
            x, self.param("kernel", init), dtype=self.dtype
        )
        if self.depthwise:
            return grow_depthwise(x, kernel, self.stride)
        return grow(x, kernel, self.stride)


def grow(
    x: Float[Array, "B h w C"], kernel: Float[Array, "kh kw C F"], stride: int
) -> Float[Array, "B H W F"]:
    """Transposed convolution to exactly `stride` times the size.

    One convolution on the small grid gives the whole block of `stride x stride` pixels
    that each place grows into; the blocks are unfolded once.
    """
    size, side = x.shape[1:3], kernel.shape[0]
    taps = _blocks(kernel, stride)[::-1, :, ::-1].transpose(0, 2, 4, 1, 3, 5)
    n, _, C = taps.shape[:3]
    y = convolve(x, taps.reshape(n, n, C, -1), padding=n - 1)
    return _crop(depth_to_space(y, stride), size, side, stride)


def grow_depthwise(
    x: Float[Array, "B h w C"], kernel: Float[Array, "kh kw C 1"], stride: int
) -> Float[Array, "B H W C"]:
    """`grow` of every channel by itself, by multiply-adds that fuse into one pass."""
    B, h, w, C = x.shape
    taps = _blocks(kernel, stride)[..., 0]
    y = sum(
        view[:, :, None, :, None] * taps[i, :, j, :][:, None]
        for (i, j), view in _views(x, len(taps)).items()
    )
    y = y.reshape(B, y.shape[1] * stride, -1, C)
    return _crop(y, (h, w), kernel.shape[0], stride)


def bilinear_kernel(stride: int) -> Float[np.ndarray, "k k"]:
    """Weights with which a transposed convolution interpolates bilinearly."""
    side = 2 * stride - stride % 2
    line = 1 - np.abs(np.arange(side) - (side - 1) / 2) / stride
    return np.outer(line, line).astype(np.float32)


def _blocks(
    kernel: Float[Array, "kh kw C F"], stride: int
) -> Float[Array, "n s n s C F"]:
    """The kernel, filled up with zeros, cut into blocks of `stride x stride`."""
    side, _, C, F = kernel.shape
    n = -(-side // stride)
    beyond = (0, n * stride - side)
    kernel = jnp.pad(kernel, (beyond, beyond, (0, 0), (0, 0)))
    return kernel.reshape(n, stride, n, stride, C, F)


def _views(
    x: Float[Array, "B h w C"], n: int
) -> dict[tuple[int, int], Float[Array, "B R Q C"]]:
    """The image among zeros, shifted by `(i, j)` down and right, for all below `n`."""
    h, w = x.shape[1] + n - 1, x.shape[2] + n - 1
    x = jnp.pad(x, ((0, 0), (n - 1, n - 1), (n - 1, n - 1), (0, 0)))
    return {
        (i, j): x[:, n - 1 - i : n - 1 - i + h, n - 1 - j : n - 1 - j + w]
        for i, j in np.ndindex(n, n)
    }


def _crop(
    y: Float[Array, "B Y X F"], size: tuple[int, int], side: int, stride: int
) -> Float[Array, "B H W F"]:
    """Take off the border that PyTorch's `padding` takes off."""
    first = max(0, -(-(side - stride) // 2))
    H, W = size[0] * stride, size[1] * stride
    return y[:, first : first + H, first : first + W]
