"""Growing and resizing of grids, in forms that are quick on every backend.

Alignment, everywhere in segjax: pixel centres lie at `i + 0.5` (half-pixel centres,
corners not aligned), as in `jax.image.resize` and OpenCV.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


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


def upsample_nearest(
    x: Float[Array, "B h w C"], factor: int
) -> Float[Array, "B H W C"]:
    """Every pixel repeated `factor` times each way."""
    return x.repeat(factor, 1).repeat(factor, 2)


def resize(
    x: Float[Array, "B h w C"], size: tuple[int, int]
) -> Float[Array, "B H W C"]:
    """Bilinear resize to `size = (H, W)`, edges repeated, no antialiasing.

    Computed in `x`'s dtype; equals `torch.nn.functional.interpolate` in the mode
    `bilinear` with `align_corners=False`.
    """
    if x.shape[1:3] == tuple(size):
        return x
    rows, columns = (
        jnp.asarray(interpolation_matrix(source, target), x.dtype)
        for source, target in zip(x.shape[1:3], size, strict=True)
    )
    return resize_bilinear(x, rows, columns)


def __getattr__(name: str):
    if name == "UpConv2x2":  # until its importers have followed it
        from segjax.nn.upconv import UpConv2x2

        return UpConv2x2
    raise AttributeError(name)
