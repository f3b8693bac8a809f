"""Exponential moving average of the weights, for evaluation."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int


def update(average: Any, new: Any, decay: float, step: Int[Array, ""] | int) -> Any:
    """`d average + (1 - d) new`, leaf by leaf, with `d = at(decay, step)`.

    The average of a number that does not change, as of a frozen one, is that number,
    without rounding.

    Args:
      average, new: trees of float arrays of one structure.
      decay: in `[0, 1)`.
      step: steps taken before this one.
    """
    moved = optax.incremental_update(new, average, 1 - at(decay, step))
    return jax.tree.map(lambda a, n, m: jnp.where(a == n, a, m), average, new, moved)


def at(decay: float, step: Int[Array, ""] | int) -> Float[Array, ""]:
    """`min(decay, (1 + step) / (10 + step))`: early averages forget the start."""
    step = jnp.asarray(step, jnp.float32)
    return jnp.minimum(decay, (1 + step) / (10 + step))
