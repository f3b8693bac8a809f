"""Pooling in forms whose gradients are elementwise, so quick and deterministic."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8


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


def max_pool_3x3(x: Float[Array, "B H W C"]) -> Float[Array, "B h w C"]:
    """Maximum over 3x3 windows with stride 2 and a border of 1: `h = ceil(H / 2)`."""
    H, W = x.shape[1:3]
    low = jnp.finfo(x.dtype).min
    x = jnp.pad(
        x, ((0, 0), (1, 1 + H % 2), (1, 1 + W % 2), (0, 0)), constant_values=low
    )
    h, w = -(-H // 2), -(-W // 2)
    for axis, n in ((1, h), (2, w)):
        views = [jnp.take(x, 2 * np.arange(n) + i, axis=axis) for i in range(3)]
        x = jnp.maximum(jnp.maximum(views[0], views[1]), views[2])
    return x


def max_pool_indices(
    x: Float[Array, "B H W C"],
) -> tuple[Float[Array, "B h w C"], UInt8[Array, "B h w C"]]:
    """2x2 maximum and where it was: 0 1 / 2 3 within its window, the first of ties.

    An odd side is padded with the lowest number, so `h = ceil(H / 2)`.
    """
    B, H, W, C = x.shape
    pads = ((0, 0), (0, H % 2), (0, W % 2), (0, 0))
    x = jnp.pad(x, pads, constant_values=-jnp.inf)
    x = x.reshape(B, -(-H // 2), 2, -(-W // 2), 2, C)
    a, b, c, d = (x[:, :, i, :, j] for i in range(2) for j in range(2))
    right, low_right = b > a, d > c
    top, low = jnp.where(right, b, a), jnp.where(low_right, d, c)
    down = low > top
    index = jnp.where(down, 2 + low_right, right)
    return jnp.where(down, low, top), index.astype(jnp.uint8)


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
    B, h, w, C = x.shape
    H, W = size
    place = jnp.arange(4, dtype=jnp.uint8).reshape(1, 1, 2, 1, 2, 1)
    here = indices[:, :, None, :, None] == place
    x = jnp.where(here, x[:, :, None, :, None], 0)
    return x.reshape(B, 2 * h, 2 * w, C)[:, :H, :W]


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
