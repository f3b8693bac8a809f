"""Logits to class ids."""

import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8


def decide(
    logits: Float[Array, "*B H W K"], task: str, threshold: float = 0.5
) -> UInt8[Array, "*B H W"]:
    """The class of every pixel.

    Args:
      logits: `K` classes, or one channel for `binary`.
      task: `multiclass` (largest logit, the lowest id on a tie) or `binary`.
      threshold: a pixel is foreground, id 1, where its probability is above it.
    """
    if task == "binary":
        cut = jnp.log(threshold) - jnp.log1p(-threshold)
        return (logits[..., 0] > cut).astype(jnp.uint8)
    return jnp.argmax(logits, axis=-1).astype(jnp.uint8)


def last_frame(logits: Float[Array, "B *T H W K"]) -> Float[Array, "B H W K"]:
    """The logits of an image as they are, and of a clip those of its last frame."""
    return logits[:, -1] if logits.ndim == 5 else logits
