"""Logits to class ids, and to the integers from which scores are made."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax.numpy as jnp

from segjax.core.shapes import Array, Float, UInt8
from segjax.metrics import confusion
from segjax.predict.looks import log_shares

COUNTS = "counts"
"""Key of the confusion counts among what a judge gives."""

Measure = Callable[[Array, Array, Array], Array]
"""`(logits (B, H, W, K), labels (B, H, W), ids (B, H, W)) -> integers (B, ...)`.

Of each image; what is measured of its pieces adds up to what is measured of the whole.
"""


class Verdict(NamedTuple):
    """What is said of the logits of images, or of pieces of them.

    Attributes:
      ids: `(B, H, W)` uint8 class ids.
      sums: integers `(B, ...)` by name.
      probabilities: `(B, H, W, K)` float32 of all classes; None if not asked for.
    """

    ids: Array
    sums: dict[str, Array]
    probabilities: Array | None = None


Judge = Callable[[Array, Array], Verdict]
"""`(logits, labels) -> verdict`."""


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


def make_judge(
    task: str,
    num_classes: int,
    threshold: float = 0.5,
    measures: Mapping[str, Measure] | None = None,
    probabilities: bool = False,
) -> Judge:
    """What is said of logits at full size, of images or of pieces of them.

    Args:
      task: see `decide`.
      num_classes: `K` of the `counts`, which are always among the integers.
      threshold: see `decide`.
      measures: further integers, by name.
      probabilities: whether to give them, too.
    """
    every = dict(measures or {})

    def judge(
        logits: Float[Array, "B H W C"], labels: UInt8[Array, "B H W"]
    ) -> Verdict:
        ids = decide(logits, task, threshold)
        sums = {name: measure(logits, labels, ids) for name, measure in every.items()}
        sums = {COUNTS: confusion.count(labels, ids, num_classes), **sums}
        shares = jnp.exp(log_shares(logits, task)) if probabilities else None
        return Verdict(ids, sums, shares)

    return judge


def last_frame(logits: Float[Array, "B *T H W K"]) -> Float[Array, "B H W K"]:
    """The logits of an image as they are, and of a clip those of its last frame."""
    return logits[:, -1] if logits.ndim == 5 else logits


def answered(
    logits: Float[Array, "B *T H W K"], label: UInt8[Array, "B *S H W"]
) -> tuple[Float[Array, "N H W K"], UInt8[Array, "N H W"]]:
    """Logits and labels of the frames that have both, each frame as an image.

    All frames where the model answers all of them and all have a label (which may be
    `IGNORE` throughout); otherwise the last one. `N` is `B`, or `B T`.
    """
    if logits.ndim == 5 and label.ndim == 4:
        return tuple(x.reshape(-1, *x.shape[2:]) for x in (logits, label))
    return last_frame(logits), label[:, -1] if label.ndim == 4 else label
