"""Pooling in forms whose gradients are elementwise, so quick and deterministic.

Of equal maxima the first in reading order takes the whole gradient, as in PyTorch.
Where the maximum was is kept for the gradient, a byte a window; that of `reduce_window`
is a select-and-scatter, slow on CPU and not available under deterministic GPU flags.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8


def max_pool_2x2(x: Float[Array, "B H W C"]) -> Float[Array, "B H/2 W/2 C"]:
    """Maximum over 2x2 windows; `H` and `W` must be even."""
    return _pool(x)[0]


def max_pool_3x3(x: Float[Array, "B H W C"]) -> Float[Array, "B h w C"]:
    """Maximum over 3x3 windows with stride 2 and a border of 1: `h = ceil(H / 2)`."""
    return _pool_line(_pool_line(x, 2), 1)


def max_pool_indices(
    x: Float[Array, "B H W C"],
) -> tuple[Float[Array, "B h w C"], UInt8[Array, "B h w C"]]:
    """2x2 maximum and where it was: 0 1 / 2 3 within its window, the first of ties.

    An odd side is padded with the lowest number, so `h = ceil(H / 2)`.
    """
    H, W = x.shape[1:3]
    pads = ((0, 0), (0, H % 2), (0, W % 2), (0, 0))
    return _pool(jnp.pad(x, pads, constant_values=-jnp.inf))


def unpool(
    x: Float[Array, "B h w C"], indices: UInt8[Array, "B h w C"], size: tuple[int, int]
) -> Float[Array, "B H W C"]:
    """Put each value at its index in a 2x2 window of zeros; the inverse of the pool.

    Elementwise, without a scatter: the same on every backend.

    Args:
      x: values.
      indices: of `max_pool_indices`.
      size: `(H, W)`, the size before pooling.
    """
    return _unpool(x, indices)[:, : size[0], : size[1]]


def adaptive_average_pool(
    x: Float[Array, "B H W C"], bins: int
) -> Float[Array, "B b b C"]:
    """Mean over `bins x bins` regions that cover the image, as PyTorch divides it.

    Region `i` is rows `floor(i H / b)` up to `ceil((i + 1) H / b)`: regions overlap
    where `b` does not divide `H`. Two matrix products with constants.
    """

    def matrix(n: int) -> np.ndarray:
        low = np.arange(bins) * n // bins
        high = -(-(np.arange(bins) + 1) * n // bins)
        inside = (np.arange(n) >= low[:, None]) & (np.arange(n) < high[:, None])
        return (inside / inside.sum(1, keepdims=True)).astype(np.float32)

    rows, columns = (jnp.asarray(matrix(n), x.dtype) for n in x.shape[1:3])
    return jnp.einsum("iH,bHWc,jW->bijc", rows, x, columns)


def _windows(x: Float[Array, "B H W C"]) -> list[Float[Array, "B H/2 W/2 C"]]:
    """The four pixels of every 2x2 window."""
    B, H, W, C = x.shape
    x = x.reshape(B, H // 2, 2, W // 2, 2, C)
    return [x[:, :, i, :, j] for i in range(2) for j in range(2)]


@jax.custom_vjp
def _pool(
    x: Float[Array, "B H W C"],
) -> tuple[Float[Array, "B H/2 W/2 C"], UInt8[Array, "B H/2 W/2 C"]]:
    """2x2 maximum and its index."""
    a, b, c, d = _windows(x)
    top, low = jnp.maximum(a, b), jnp.maximum(c, d)
    index = jnp.where(low > top, 2 + (d > c), b > a)
    return jnp.maximum(top, low), index.astype(jnp.uint8)


@jax.custom_vjp
def _unpool(
    x: Float[Array, "B h w C"], index: UInt8[Array, "B h w C"]
) -> Float[Array, "B 2*h 2*w C"]:
    """`x` at its index in a 2x2 window of zeros."""
    B, h, w, C = x.shape
    place = jnp.arange(4, dtype=jnp.uint8).reshape(1, 1, 2, 1, 2, 1)
    here = index[:, :, None, :, None] == place
    x = jnp.where(here, x[:, :, None, :, None], 0)
    return x.reshape(B, 2 * h, 2 * w, C)


def _at(
    x: Float[Array, "B H W C"], index: UInt8[Array, "B H/2 W/2 C"]
) -> Float[Array, "B H/2 W/2 C"]:
    """Of every 2x2 window the pixel that `index` names."""
    a, b, c, d = _windows(x)
    top, low = jnp.where(index == 0, a, b), jnp.where(index == 2, c, d)
    return jnp.where(index < 2, top, low)


def _pool_forward(x):
    y, index = _pool(x)
    return (y, index), index


def _unpool_forward(x, index):
    return _unpool(x, index), index


def _unpool_backward(index, g):
    return _at(g, index), np.zeros(index.shape, jax.dtypes.float0)


_pool.defvjp(_pool_forward, lambda index, g: (_unpool(g[0], index),))
_unpool.defvjp(_unpool_forward, _unpool_backward)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _pool_line(x: Float[Array, "B H W C"], axis: int) -> Float[Array, "B h w C"]:
    """Maximum over 3 with stride 2 and a border of 1, along one axis."""
    return _pool_line_forward(x, axis)[0]


def _pool_line_forward(x, axis):
    n, pads = x.shape[axis], [(0, 0)] * 4
    pads[axis] = (1, n % 2)
    x = jnp.pad(x, pads, constant_values=-jnp.inf)
    a, b, c = (
        jax.lax.slice_in_dim(x, i, i + n - (n + 1) % 2, 2, axis) for i in range(3)
    )
    first = jnp.maximum(a, b)
    index = jnp.where(c > first, jnp.uint8(2), (b > a).astype(jnp.uint8))
    return jnp.maximum(first, c), (index, n)


def _pool_line_backward(axis, kept, g):
    index, n = kept
    # pixel 2i is the middle of window i; pixel 2i + 1 the end of i, the start of i + 1
    pads = [(0, 0)] * 4
    pads[axis] = (0, 1)
    start = jnp.pad(jnp.where(index == 0, g, 0), pads)
    start = jax.lax.slice_in_dim(start, 1, None, axis=axis)
    middle, end = jnp.where(index == 1, g, 0), jnp.where(index == 2, g, 0)
    x = jnp.stack([middle, end + start], axis + 1)
    x = x.reshape(*g.shape[:axis], -1, *g.shape[axis + 1 :])
    return (jax.lax.slice_in_dim(x, 0, n, axis=axis),)


_pool_line.defvjp(_pool_line_forward, _pool_line_backward)
