"""Transposed convolutions, computed as plain convolutions on the small grid.

A transposed convolution of stride `s` is `s * s` small convolutions, one for each place
in a block of `s x s` output pixels. Computed so, no zeros are put between the input
pixels, which `lhs_dilation` does and which is slow on every backend, in the gradient
above all.

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

from segjax.nn.conv import convolve
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
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = grow(x, kernel, self.stride)
        return y if bias is None else y + bias


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
        B, h, w, C = x.shape
        kernel = self.param(
            "kernel",
            # fan-in of an output pixel is C: one input pixel feeds it
            nn.initializers.variance_scaling(
                1.0, "fan_in", "truncated_normal", 2, 3, (0, 1)
            ),
            (2, 2, C, self.features),
        )
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = jnp.einsum("bhwc,ijcf->bhiwjf", x, kernel) + bias
        return y.reshape(B, 2 * h, 2 * w, self.features)


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
    """Transposed convolution to exactly `stride` times the size."""
    taps = _phases(kernel, stride)
    n = taps.shape[0]
    taps = taps[::-1, :, ::-1].transpose(0, 2, 4, 1, 3, 5)
    y = convolve(x, taps.reshape(n, n, x.shape[-1], -1), padding=n - 1)
    return _crop(depth_to_space(y, stride), x.shape[1:3], kernel.shape[0], stride)


def grow_depthwise(
    x: Float[Array, "B h w C"], kernel: Float[Array, "kh kw C 1"], stride: int
) -> Float[Array, "B H W C"]:
    """`grow` of every channel by itself, by multiply-adds that fuse into one pass."""
    B, h, w, C = x.shape
    taps = _phases(kernel, stride)[..., 0]
    n = taps.shape[0]
    rows, columns = h + n - 1, w + n - 1
    padded = jnp.pad(x, ((0, 0), (n - 1, n - 1), (n - 1, n - 1), (0, 0)))
    y = 0
    for i in range(n):
        for j in range(n):
            top, left = n - 1 - i, n - 1 - j
            part = padded[:, top : top + rows, left : left + columns]
            y = y + part[:, :, None, :, None] * taps[i, :, j][:, None]
    y = y.reshape(B, rows * stride, columns * stride, C)
    return _crop(y, (h, w), kernel.shape[0], stride)


def bilinear_kernel(stride: int) -> Float[np.ndarray, "k k"]:
    """Weights with which a transposed convolution interpolates bilinearly."""
    side = 2 * stride - stride % 2
    line = 1 - np.abs(np.arange(side) - (side - 1) / 2) / stride
    return np.outer(line, line).astype(np.float32)


def _phases(
    kernel: Float[Array, "kh kw C F"], stride: int
) -> Float[Array, "n s m s C F"]:
    """Tap `(i, j)` of the small convolution at place `(r, q)` is `[i, r, j, q]`."""
    kh, kw, C, F = kernel.shape
    n, m = -(-kh // stride), -(-kw // stride)
    pads = ((0, n * stride - kh), (0, m * stride - kw), (0, 0), (0, 0))
    return jnp.pad(kernel, pads).reshape(n, stride, m, stride, C, F)


def _crop(
    y: Float[Array, "B Y X F"], size: tuple[int, int], side: int, stride: int
) -> Float[Array, "B H W F"]:
    """Take off the border that PyTorch's `padding` takes off."""
    first = max(0, -(-(side - stride) // 2))
    H, W = size[0] * stride, size[1] * stride
    return y[:, first : first + H, first : first + W]
