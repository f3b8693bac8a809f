"""Growing and resizing of grids, in forms that are quick on every backend.

Alignment, everywhere in segjax: pixel centres lie at `i + 0.5` (half-pixel centres,
corners not aligned), as in `jax.image.resize` and OpenCV.
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from segjax.core.shapes import Array, Float, Int
from segjax.nn.backend import on_cpu


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


@dataclasses.dataclass(frozen=True)
class Taps:
    """Between which two pixels of a line each pixel of its resized line lies.

    Attributes:
      low: the lower one.
      high: the upper one; the lower one again at the end of the line.
      share: of the upper one, from 0 to 1.
    """

    low: Int[np.ndarray, "N"]
    high: Int[np.ndarray, "N"]
    share: Float[np.ndarray, "N"]

    def matrix(
        self, begin: int, end: int, first: int, height: int, width: int
    ) -> Float[np.ndarray, "height width"]:
        """`A @ column` is what pixels `begin .. end` are of a column from `first` on.

        Rows beyond `end - begin` are zero.
        """
        matrix = np.zeros((height, width), np.float32)
        rows, share = np.arange(end - begin), self.share[begin:end]
        np.add.at(matrix, (rows, self.low[begin:end] - first), 1 - share)
        np.add.at(matrix, (rows, self.high[begin:end] - first), share)
        return matrix


def interpolation_taps(source: int, target: int) -> Taps:
    """The two pixels of a line of `source` for each of the `target` resized ones."""
    position = (np.arange(target) + 0.5) * source / target - 0.5
    position = np.clip(position, 0, source - 1)
    low = np.floor(position).astype(int)
    return Taps(low, np.minimum(low + 1, source - 1), position - low)


def interpolation_matrix(
    source: int, target: int, source_padded: int = 0, target_padded: int = 0
) -> Float[np.ndarray, "target_padded source_padded"]:
    """`A` such that `A @ column` resizes a column bilinearly, edges repeated.

    With paddings, rows beyond `target` and columns beyond `source` are zero, so one
    compiled resize of a padded shape serves images of any size that fits in it.
    """
    taps = interpolation_taps(source, target)
    return taps.matrix(0, target, 0, target_padded or target, source_padded or source)


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

    Computed in float32 and returned in `x`'s dtype; equals
    `torch.nn.functional.interpolate` in the mode `bilinear` with `align_corners=False`.
    Whole factors are weighted sums of neighbours, which fuse; others are products with
    a matrix.
    """
    dtype = x.dtype
    for axis, target in ((1, size[0]), (2, size[1])):
        source = x.shape[axis]
        if source == target:
            continue
        x = x.astype(jnp.float32)
        if target % source == 0:
            x = _grow_line(x, axis, target // source)
        elif source % target == 0:
            x = _shrink_line(x, axis, source // target)
        else:
            matrix = jnp.asarray(interpolation_matrix(source, target))
            equation = "Nn,bnwc->bNwc" if axis == 1 else "Nn,bhnc->bhNc"
            x = jnp.einsum(equation, matrix, x, precision=jax.lax.Precision.HIGHEST)
    return x.astype(dtype)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _grow_line(
    x: Float[Array, "B ..."], axis: int, factor: int
) -> Float[Array, "B ..."]:
    """`factor` times the pixels along `axis`, each between two neighbours.

    With the edge repeated once at either end, `n` pixels have `n + 1` gaps between
    them, `factor` outputs lie in each, and half a gap at either end is cut off.
    """
    n = x.shape[axis]
    ends = [(0, 0)] * x.ndim
    ends[axis] = (1, 1)
    x = jnp.expand_dims(jnp.pad(x, ends, mode="edge"), axis + 1)
    low = jax.lax.slice_in_dim(x, 0, n + 1, axis=axis)
    high = jax.lax.slice_in_dim(x, 1, n + 2, axis=axis)
    share = _shares(factor).reshape(-1, *(1,) * (x.ndim - axis - 2))
    x = low * (1 - share) + high * share
    x = x.reshape(*x.shape[:axis], -1, *x.shape[axis + 2 :])
    cut = (factor + 1) // 2
    return jax.lax.slice_in_dim(x, cut, cut + n * factor, axis=axis)


def _shares(factor: int) -> Float[np.ndarray, "factor"]:
    """How far each output in a gap is from the lower of its neighbours."""
    first = 0.5 if factor % 2 == 0 else 0.0
    return ((np.arange(factor) + first) / factor).astype(np.float32)


def _grow_line_backward(axis, factor, _, g):
    """Each gap gives its outputs' gradients, weighted, to its two neighbours."""
    n, cut = g.shape[axis] // factor, (factor + 1) // 2
    around = [(0, 0)] * g.ndim
    around[axis] = (cut, factor - cut)
    g = jnp.pad(g, around)
    g = g.reshape(*g.shape[:axis], n + 1, factor, *g.shape[axis + 1 :])
    shares = _shares(factor)
    weights = np.stack([1 - shares, shares])
    if on_cpu():
        exact = jax.lax.Precision.HIGHEST
        low, high = (
            jnp.tensordot(g, w, ((axis + 1,), (0,)), precision=exact) for w in weights
        )
    else:
        weights = weights.reshape(2, -1, *(1,) * (g.ndim - axis - 2))
        low, high = ((g * w).sum(axis + 1) for w in weights)
    # gap i lies between pixels i - 1 and i; the edges are their own neighbours
    at = partial(jax.lax.slice_in_dim, axis=axis)
    x = at(high, 0, n) + at(low, 1, n + 1)
    ends = [(0, 0)] * x.ndim
    first, last = list(ends), list(ends)
    first[axis], last[axis] = (0, n - 1), (n - 1, 0)
    x = x + jnp.pad(at(low, 0, 1), first) + jnp.pad(at(high, n, n + 1), last)
    return (x,)


_grow_line.defvjp(
    lambda x, axis, f: (_grow_line(x, axis, f), None), _grow_line_backward
)


def _shrink_line(
    x: Float[Array, "B ..."], axis: int, factor: int
) -> Float[Array, "B ..."]:
    """A `factor`-th of the pixels along `axis`: the middle one, or the middle two."""
    n = x.shape[axis]
    x = x.reshape(*x.shape[:axis], n // factor, factor, *x.shape[axis + 1 :])
    middle = jax.lax.slice_in_dim(x, (factor - 1) // 2, factor // 2 + 1, axis=axis + 1)
    return middle.mean(axis + 1)
