"""What every loss needs before it looks at a pixel: ignored ones out, float32 in."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Integer

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE

Task = Literal["multiclass", "binary"]
"""`multiclass`: `K` logits, softmax. `binary`: 1 logit of the foreground, sigmoid."""


class Pixels(NamedTuple):
    """A batch in which ignored pixels can neither speak nor listen.

    Attributes:
      logits: float32; exactly 0, with a gradient of exactly 0, at ignored pixels,
        whatever stood there (NaN and infinity included).
      labels: class ids; 0 at ignored pixels, so that a look-up stays in range.
      valid: False at ignored pixels.
    """

    logits: Float[Array, "B H W K"]
    labels: Int[Array, "B H W"]
    valid: Bool[Array, "B H W"]


def prepare(
    logits: Float[Array, "B H W K"], labels: Integer[Array, "B H W"], task: Task
) -> Pixels:
    """Take ignored pixels out of `logits` and `labels`; `labels` is ids or `IGNORE`.

    The mask goes on the *logits*, not on the loss: a mask on the loss alone leaves a
    gradient of `0 * inf = NaN` behind an ignored pixel with a non-finite logit.

    Raises:
      UserError: the number of logits does not fit the task.
    """
    _check_logits(logits.shape[-1], task)
    valid = labels != IGNORE
    return Pixels(
        logits=jnp.where(valid[..., None], logits.astype(jnp.float32), 0.0),
        labels=jnp.where(valid, labels.astype(jnp.int32), 0),
        valid=valid,
    )


def probabilities(
    logits: Float[Array, "B H W K"], task: Task
) -> Float[Array, "B H W K"]:
    """Softmax over `K` logits, or the sigmoid of one; in 0..1."""
    return jax.nn.sigmoid(logits) if task == "binary" else jax.nn.softmax(logits)


def targets(
    labels: Integer[Array, "B H W"], num_logits: int, task: Task
) -> Float[Array, "B H W K"]:
    """The probabilities of a perfect prediction, of the same shape as the logits.

    One-hot over `K = num_logits` classes, or 1 where the label is the foreground.
    """
    if task == "binary":
        return (labels == 1).astype(jnp.float32)[..., None]
    return jax.nn.one_hot(labels, num_logits, dtype=jnp.float32)


def masked_mean(
    values: Float[Array, "..."],
    weights: Float[Array, "..."],
    total: Float[Array, ""] | None = None,
) -> Float[Array, ""]:
    """`sum(weights * values) / total`; 0, with gradient 0, where `total` is 0.

    The sums run over the whole (global) batch, so that a device with few valid pixels
    does not weigh as much as one with many. `total` is `sum(weights)` by default.
    """
    if total is None:
        total = jnp.sum(weights)
    return jnp.sum(weights * values) / jnp.where(total > 0, total, 1.0)


def _check_logits(found: int, task: Task) -> None:
    if (task == "binary") != (found == 1):
        allowed = "1 logit" if task == "binary" else "2 logits or more"
        raise UserError(
            f"loss: the model gives {found} logits a pixel; task {task!r} wants "
            f"{allowed}. Change the task or the model's number of outputs."
        )
