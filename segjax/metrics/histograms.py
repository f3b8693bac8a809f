"""Histograms of probabilities, counted on the device, exactly.

`bins` says how the unit interval is cut. Integers of images, batches and devices add up
exactly. The probabilities are float32: one at an edge may fall to either side of it on
another kind of device.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, Integer

from segjax.core.keys import IGNORE
from segjax.metrics import bins as cuts

BYTES = 2**28
"""Memory for the 0/1 matrices of one product, about."""

_LOW = 16  # a place is split in two digits, `high * _LOW + low`


def by_class(
    logits: Float[Array, "B H W C"],
    labels: Integer[Array, "B H W"],
    ids: Integer[Array, "B H W"],
    *,
    num_classes: int,
    bins: int,
) -> Int32[Array, "B K bins 2"]:
    """Valid pixels of each image by the probability of each class.

    Args:
      logits: `C` is `K`, or 1 for two classes: the logit of class 1.
      labels: true ids; `IGNORE` counts nowhere.
      ids: the decided ids; not asked for.
      num_classes: `K`.
      bins: of the unit interval.

    Returns:
      Counts; the last axis is (the pixel is not of the class, it is).
    """
    labels = labels.reshape(labels.shape[0], 1, -1).astype(jnp.int32)
    classes = jnp.arange(num_classes, dtype=jnp.int32)[:, None]
    found = _bin(log_odds(logits), bins)
    places = jnp.where(labels == IGNORE, -1, 2 * found + (labels == classes))
    return count(places, 2 * bins).reshape(*found.shape[:2], bins, 2)


def of_decisions(
    logits: Float[Array, "B H W C"],
    labels: Integer[Array, "B H W"],
    ids: Integer[Array, "B H W"],
    *,
    bins: int,
) -> Int32[Array, "B bins 2"]:
    """Valid pixels of each image by the probability of the class that was decided.

    Returns:
      Counts; the last axis is (the decision is wrong, it is right).
    """
    labels, ids = (
        x.reshape(x.shape[0], 1, -1).astype(jnp.int32) for x in (labels, ids)
    )
    chosen = jnp.take_along_axis(log_odds(logits), ids, axis=1)
    places = 2 * _bin(chosen, bins) + (labels == ids)
    places = jnp.where(labels == IGNORE, -1, places)
    return count(places, 2 * bins).reshape(len(labels), bins, 2)


def log_odds(logits: Float[Array, "B H W C"]) -> Float[Array, "B K N"]:
    """`log(p / (1 - p))` of each class at each of `N = H W` pixels, float32.

    Exact also where a probability in float32 would be 1.
    """
    flat = logits.reshape(logits.shape[0], -1, logits.shape[-1]).astype(jnp.float32)
    flat = jnp.moveaxis(flat, -1, 1)
    if flat.shape[1] == 1:
        return jnp.concatenate([-flat, flat], axis=1)
    top = jnp.argmax(flat, axis=1, keepdims=True)
    flat = flat - jnp.take_along_axis(flat, top, axis=1)
    powers = jnp.exp(flat)
    is_top = top == jnp.arange(flat.shape[1], dtype=top.dtype)[:, None]
    others = jnp.sum(jnp.where(is_top, 0, powers), axis=1, keepdims=True)
    # 1 + others - power cancels where the power is that of the top, 1.
    return flat - jnp.log(jnp.where(is_top, others, 1 + others - powers))


def count(places: Int32[Array, "B G N"], size: int) -> Int32[Array, "B G size"]:
    """How often each of `0..size-1` occurs in each row; negative ones count nowhere.

    On a CPU it is a scatter-add, elsewhere a product of 0/1 matrices in pieces, as a
    scatter-add into few places waits for itself on a GPU. The integers are the same.
    """
    own = functools.partial(_scattered, size=size)
    other = functools.partial(_product, size=size)
    return jax.lax.platform_dependent(places, cpu=own, default=other)


def _scattered(places: Array, size: int) -> Array:
    def rows(image):
        start = size * jnp.arange(len(image), dtype=jnp.int32)[:, None]
        flat = jnp.where(image < 0, size * len(image), start + image)
        empty = jnp.zeros(size * len(image), jnp.int32)
        return empty.at[flat.ravel()].add(1, mode="drop").reshape(-1, size)

    return jax.vmap(rows)(places)


def _product(places: Array, size: int) -> Array:
    images, groups, pixels = places.shape
    highs = -(-size // _LOW)
    piece = max(1024, BYTES // (images * groups * (highs + _LOW)))
    piece = min(piece, pixels)
    rest = -pixels % piece
    places = jnp.pad(places, ((0, 0), (0, 0), (0, rest)), constant_values=-1)
    pieces = jnp.moveaxis(places.reshape(images, groups, -1, piece), 2, 0)

    def add(total, part):
        high = part[:, :, None] // _LOW == jnp.arange(highs, dtype=jnp.int32)[:, None]
        low = part[:, :, None] % _LOW == jnp.arange(_LOW, dtype=jnp.int32)[:, None]
        found = jnp.einsum(
            "bghn,bgln->bghl",
            high.astype(jnp.int8),
            low.astype(jnp.int8),
            preferred_element_type=jnp.int32,
        )
        return total + found, None

    zeros = jnp.zeros((images, groups, highs, _LOW), jnp.int32)
    total, _ = jax.lax.scan(add, zeros, pieces)
    return total.reshape(images, groups, highs * _LOW)[..., :size]


def _bin(z: Array, bins: int) -> Array:
    """The bin of each log-odds."""
    outer, inner = cuts.outer(bins), cuts.inner(bins)
    far = jnp.log(jnp.abs(z) / cuts.BEGIN) / math.log(cuts.factor(bins))
    far = jnp.clip(far, 0, outer - 1).astype(jnp.int32)
    near = (jax.nn.sigmoid(z) * cuts.GROUPS - 1) * inner
    near = jnp.clip(near.astype(jnp.int32), 0, (cuts.GROUPS - 2) * inner - 1)
    tail = jnp.where(z < 0, outer - 1 - far, bins - outer + far)
    found = jnp.where(jnp.abs(z) < cuts.BEGIN, outer + near, tail)
    return jnp.clip(found, 0, bins - 1)
