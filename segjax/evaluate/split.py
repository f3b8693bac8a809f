"""Evaluate a split: every image once, one integer confusion matrix.

The counts are integers and each image is predicted apart from its batch, so the result
is the same for every batch size and number of processes; see `predict.whole` for what
one image goes through.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from segjax import parallel
from segjax.core.errors import SegjaxError, UserError
from segjax.data.pipeline import examples
from segjax.data.source import Source
from segjax.metrics import scores
from segjax.predict.whole import PredictFn


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The counts of a split; rows are truth, columns are prediction.

    Attributes:
      split: name of the split.
      step: train step of the weights.
      convention: how mean scores treat absent classes, a key of `scores.CONVENTIONS`.
      per_image: `(N, K, K)` int32, row `i` for example `i` of the source.
      losses: `(N,)` float32 loss of each image; nan where none was asked for.
    """

    split: str
    step: int
    convention: str
    per_image: Int[np.ndarray, "N K K"]
    losses: Float[np.ndarray, "N"]

    @property
    def counts(self) -> Int[np.ndarray, "K K"]:
        """The whole split's counts, int64."""
        return self.per_image.sum(0, dtype=np.int64)

    def summary(self) -> dict[str, float]:
        """`miou`, `pixel_accuracy` and their kin over the whole split.

        `loss`, where there is one, is the mean over images of each image's loss.
        """
        summary = dict(scores.summary(self.per_image, self.convention))
        if np.isfinite(self.losses).any():
            summary["loss"] = float(self.losses.mean(dtype=np.float64))
        return summary

    def image_miou(self) -> np.ndarray:
        """`(N,)` float64 mean IoU of each image, over the classes it has or got."""
        rows = [scores.summary(c, "union")["miou"] for c in self.per_image]
        return np.asarray(rows, np.float64)


def run(
    predict: PredictFn,
    variables: Any,
    source: Source,
    host_ops: Sequence[Any],
    *,
    split: str,
    step: int,
    num_classes: int,
    convention: str = "union",
    threads: int = 4,
    by_video: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Predict each image of `source` exactly once and count.

    Each process takes every n-th image and works alone; the counts meet at the end.

    Args:
      by_video: whether a process takes every n-th whole video instead, for a `predict`
        that carries a memory from frame to frame; the source tells its `videos`.
      progress: called with (images done by this process, images it has in all).

    Raises:
      SegjaxError: an image was missed or seen twice, which would be a bug.
    """
    mine = share(source, by_video)
    stream = examples(source, host_ops, indices=mine, threads=threads)
    total, rows = len(mine), []
    for prediction in predict(variables, stream):
        loss = np.float32(prediction.loss).view(np.int32)
        rows.append(np.append(prediction.counts.ravel(), (loss, prediction.index)))
        if progress:
            progress(len(rows), total)
    shape = (0, num_classes**2 + 2)
    rows = np.asarray(rows, np.int32) if rows else np.zeros(shape, np.int32)
    rows = parallel.gather_rows(rows)
    seen = np.sort(rows[:, -1])
    if not np.array_equal(seen, np.arange(len(source))):
        raise SegjaxError(
            f"evaluation of {split}: saw {len(seen)} images of {len(source)}, "
            f"{len(np.unique(seen))} of them different. This is a bug in segjax."
        )
    ordered = rows[np.argsort(rows[:, -1])]
    per_image = ordered[:, :-2].reshape(-1, num_classes, num_classes)
    losses = ordered[:, -2].copy().view(np.float32)
    return Evaluation(split, step, convention, per_image, losses)


def share(source: Source, by_video: bool) -> Sequence[int]:
    """Indices of the examples that this process predicts, in order."""
    first, count = jax.process_index(), jax.process_count()
    if not by_video:
        return range(first, len(source), count)
    return [
        i for indices in list(videos(source).values())[first::count] for i in indices
    ]


def videos(source: Source) -> dict[str, list[int]]:
    """Name of each video -> indices of its frames, in the order of time.

    Raises:
      UserError: the source is none of videos.
    """
    if not getattr(source, "videos", ()):
        raise UserError(
            f"{source!r}: its examples are no frames of videos, so there is nothing to "
            "stream. Evaluate it without --stream."
        )
    found: dict[str, list[int]] = {}
    for i, video in enumerate(source.videos):
        found.setdefault(video, []).append(i)
    return found
