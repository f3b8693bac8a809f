"""Evaluate a split: every image once, one integer confusion matrix.

The counts are integers and each image is predicted apart from its batch, so the result
is the same for every batch size and number of processes; see `predict.whole` for what
one image goes through.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from segjax import parallel
from segjax.core.errors import SegjaxError, UserError
from segjax.data.pipeline import examples
from segjax.data.source import Source
from segjax.evaluate.measuring import Measuring, unpack
from segjax.metrics import scores
from segjax.metrics.measure import Found, Measure, Result
from segjax.predict.whole import PredictFn


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The counts of a split; rows are truth, columns are prediction.

    Attributes:
      split: name of the split.
      step: train step of the weights.
      convention: how mean scores treat absent classes, a key of `scores.CONVENTIONS`.
      protocol: how each image was shown to the network; see `predict.protocol`.
      postprocess: what was done to its prediction; see `postprocess`.
      per_image: `(N, K, K)` int32, row `i` for example `i` of the source.
      losses: `(N,)` float32 loss of each image; nan where none was asked for.
      measures: what was measured besides, by name.
      found: what these found in each image, by the names of their layouts.
    """

    split: str
    step: int
    convention: str
    protocol: str
    per_image: Int[np.ndarray, "N K K"]
    losses: Float[np.ndarray, "N"]
    measures: Mapping[str, Measure] = dataclasses.field(default_factory=dict)
    found: Found = dataclasses.field(default_factory=dict)
    postprocess: str = ""

    @property
    def way(self) -> str:
        """Protocol and post-processing in a few words, to stand beside a score."""
        return ", then ".join(filter(None, (self.protocol, self.postprocess)))

    @property
    def counts(self) -> Int[np.ndarray, "K K"]:
        """The whole split's counts, int64."""
        return self.per_image.sum(0, dtype=np.int64)

    def summary(self) -> dict[str, float]:
        """`miou`, `pixel_accuracy` and their kin over the whole split.

        `loss`, where there is one, is the mean over images of each image's loss; the
        numbers of measures come last.
        """
        summary = dict(scores.summary(self.per_image, self.convention))
        if np.isfinite(self.losses).any():
            summary["loss"] = float(self.losses.mean(dtype=np.float64))
        for result in self.results.values():
            summary |= result.summary
        return summary

    @functools.cached_property
    def results(self) -> dict[str, Result]:
        """What each measure says of the split."""
        return {
            name: measure.result(self.found, self.per_image)
            for name, measure in self.measures.items()
        }

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
    protocol: str = "whole()",
    postprocess: str = "",
    threads: int = 4,
    by_video: bool = False,
    measures: Mapping[str, Measure] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Predict each image of `source` exactly once and count.

    Each process takes every n-th image and works alone; the counts meet at the end.

    Args:
      protocol: the name of that by which `predict` goes over an image.
      postprocess: the steps that `predict` takes behind the network.
      by_video: whether a process takes every n-th whole video instead, for a `predict`
        that carries a memory from frame to frame; the source tells its `videos`.
      measures: what is measured besides the counts, by name; what those on the device
        count must be among what `predict` sums.
      progress: called with (images done by this process, images it has in all).

    Raises:
      SegjaxError: an image was missed or seen twice, which would be a bug.
    """
    measuring = Measuring(measures or {}, num_classes, source)
    mine = share(source, by_video or measuring.by_video)
    stream = examples(source, host_ops, indices=mine, threads=threads)
    total, rows = len(mine), []
    for prediction in predict(variables, measuring.watch(stream)):
        loss = np.float32(prediction.loss).view(np.int32)
        more = measuring.row(prediction)
        own = (prediction.counts.ravel(), more, (loss, prediction.index))
        rows.append(np.concatenate(own, dtype=np.int32))
        if progress:
            progress(len(rows), total)
    width = num_classes**2 + measuring.width + 2
    rows = parallel.gather_rows(np.asarray(rows, np.int32).reshape(-1, width))
    seen = np.sort(rows[:, -1])
    if not np.array_equal(seen, np.arange(len(source))):
        raise SegjaxError(
            f"evaluation of {split}: saw {len(seen)} images of {len(source)}, "
            f"{len(np.unique(seen))} of them different. This is a bug in segjax."
        )
    ordered = rows[np.argsort(rows[:, -1])]
    pairs = num_classes**2
    per_image = ordered[:, :pairs].reshape(-1, num_classes, num_classes)
    losses = ordered[:, -2].copy().view(np.float32)
    found = unpack(ordered[:, pairs:-2], measuring.layout)
    return Evaluation(
        split=split,
        step=step,
        convention=convention,
        protocol=protocol,
        per_image=per_image,
        losses=losses,
        measures=measures or {},
        found=found,
        postprocess=postprocess,
    )


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
