"""Halving, doubling and resizing of grids, in forms that are quick on every backend.

Alignment, everywhere in segjax: pixel centres lie at `i + 0.5` (half-pixel centres,
corners not aligned), as in `jax.image.resize` and OpenCV.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def max_pool_2x2(x: Float[Array, "B H W C"]) -> Float[Array, "B H/2 W/2 C"]:
    """Maximum over 2x2 windows; `H` and `W` must be even.

    Written as the maximum of four strided views: its gradient is elementwise, where
    that of `reduce_window` is a select-and-scatter, slow on CPU and not available
    under deterministic GPU flags. A tie shares the gradient.
    """
    B, H, W, C = x.shape
    windows = x.reshape(B, H // 2, 2, W // 2, 2, C)
    rows = jnp.maximum(windows[:, :, 0], windows[:, :, 1])
    return jnp.maximum(rows[:, :, :, 0], rows[:, :, :, 1])


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


def space_to_depth(x: Float[Array, "B H W C"], block: int) -> Float[Array, "B h w D"]:
    """Fold `block x block` pixels into channels: `D = block * block * C`."""
    B, H, W, C = x.shape
    x = x.reshape(B, H // block, block, W // block, block, C)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(B, H // block, W // block, -1)


def depth_to_space(x: Float[Array, "B h w D"], block: int) -> Float[Array, "B H W C"]:
    """The inverse of `space_to_depth`."""
    B, h, w, D = x.shape
    x = x.reshape(B, h, w, block, block, D // block**2)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(B, h * block, w * block, -1)


def interpolation_matrix(
    source: int, target: int, source_padded: int = 0, target_padded: int = 0
) -> Float[np.ndarray, "target_padded source_padded"]:
    """`A` such that `A @ column` resizes a column bilinearly, edges repeated.

    With paddings, rows beyond `target` and columns beyond `source` are zero, so one
    compiled resize of a padded shape serves images of any size that fits in it.
    """
    position = (np.arange(target) + 0.5) * source / target - 0.5
    position = np.clip(position, 0, source - 1)
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, source - 1)
    matrix = np.zeros((target_padded or target, source_padded or source), np.float32)
    rows = np.arange(target)
    np.add.at(matrix, (rows, low), 1 - (position - low))
    np.add.at(matrix, (rows, high), position - low)
    return matrix


def resize_bilinear(
    x: Float[Array, "B h w C"],
    rows: Float[Array, "*B H h"],
    columns: Float[Array, "*B W w"],
) -> Float[Array, "B H W C"]:
    """Resize by interpolation matrices, one pair for all images or one an image."""
    of_row, of_column = ("Hh", "Ww") if rows.ndim == 2 else ("bHh", "bWw")
    exact = jax.lax.Precision.HIGHEST
    x = jnp.einsum(f"{of_row},bhwc->bHwc", rows, x, precision=exact)
    return jnp.einsum(f"{of_column},bHwc->bHWc", columns, x, precision=exact)
