"""The looks of test-time augmentation: other sizes, mirrored, and their mean."""

import jax
import jax.numpy as jnp
import numpy as np

from segjax.core.shapes import Array, Float


def log_shares(logits: Float[Array, "B H W C"], task: str) -> Float[Array, "B H W K"]:
    """Logarithms of the probabilities of all classes; of both where `binary`."""
    if task == "binary":
        return jnp.concatenate(
            [jax.nn.log_sigmoid(-logits), jax.nn.log_sigmoid(logits)], axis=-1
        )
    return jax.nn.log_softmax(logits, axis=-1)


def as_logits(
    total: Float[Array, "B H W K"], looks: int, task: str
) -> Float[Array, "B H W C"]:
    """Logits of the mean probabilities of some looks: log-probabilities, or log-odds.

    Args:
      total: logarithm of the sum of the looks' probabilities.
      looks: their number.
      task: of `binary` there is one channel.
    """
    if task == "binary":
        return total[..., 1:] - total[..., :1]
    return total - np.float32(np.log(looks))
