"""Evaluate a split: every image once, one integer confusion matrix.

The counts are integers and each image is predicted apart from its batch, so the result
is the same for every batch size and number of processes; see `predict.whole` for what
one image goes through.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from segjax import parallel
from segjax.core.errors import SegjaxError
from segjax.data.pipeline import examples
from segjax.data.source import Source
from segjax.metrics import scores
from segjax.predict.whole import PredictFn, Prediction


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
        summary = dict(scores.summary(self.counts, self.convention))
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
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Predict each image of `source` exactly once and count.

    Each process takes every n-th image and works alone; the counts meet at the end.

    Args:
      progress: called with (images done by this process, images it has in all).

    Raises:
      SegjaxError: an image was missed or seen twice, which would be a bug.
    """
    mine = predictions(predict, variables, source, host_ops, threads=threads)
    total = len(range(jax.process_index(), len(source), jax.process_count()))
    rows = []
    for prediction in mine:
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


def predictions(
    predict: PredictFn,
    variables: Any,
    source: Source,
    host_ops: Sequence[Any],
    *,
    threads: int = 4,
) -> Iterator[Prediction]:
    """This process's share of the split, predicted."""
    start, step = jax.process_index(), jax.process_count()
    stream = examples(source, host_ops, start=start, step=step, threads=threads)
    return predict(variables, stream)
