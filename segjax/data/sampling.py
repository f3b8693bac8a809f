"""Which example comes next, where some are to come more often than others.

Drawing is with replacement: the example at place `p` of the order is a function of
(seed, p) and of the classes in each example, so a run is resumed at any place, and
neither workers nor hosts move it.
"""

import concurrent.futures
import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE, LABEL
from segjax.core.tables import Table
from segjax.data import remembered
from segjax.data.source import PairedFiles, Source


@dataclasses.dataclass(frozen=True)
class RepeatFactor:
    """Examples with a rare class come `sqrt(threshold / f)` times as often.

    `f` is the share of examples that hold the class; the rarest class of an example
    decides, and classes above the threshold change nothing.

    Attributes:
      threshold: share of examples below which a class is rare, in (0, 1].

    Source: Gupta, Dollar & Girshick, LVIS, 2019, arXiv 1908.03195, section 4.4.
    Differs: drawn with replacement, not repeated in an epoch of another length.
    """

    threshold: float | int = 0.1

    def __post_init__(self):
        if not 0 < self.threshold <= 1:
            raise UserError(f"threshold={self.threshold}: must be in (0, 1].")

    def weights(self, present: Bool[np.ndarray, "N K"]) -> Float[np.ndarray, "N"]:
        """How often each example comes, beside the others."""
        share = np.maximum(present.mean(0), 1 / len(present))
        factor = np.maximum(1, np.sqrt(self.threshold / share))
        return np.where(present, factor, 1.0).max(1, initial=1.0)


@dataclasses.dataclass(frozen=True)
class ClassUniform:
    """Every class is drawn alike, then one of the examples that hold it.

    Attributes:
      share: of the draws; the rest are uniform over all examples.

    Source: Zhu et al., Improving Semantic Segmentation via Video Propagation and Label
      Relaxation, 2019, arXiv 1812.01593, section 4.1 (half of the epoch is uniform).
    """

    share: float | int = 0.5

    def __post_init__(self):
        if not 0 <= self.share <= 1:
            raise UserError(f"share={self.share}: must be in [0, 1].")

    def weights(self, present: Bool[np.ndarray, "N K"]) -> Float[np.ndarray, "N"]:
        """How often each example comes, beside the others."""
        seen = present[:, present.any(0)]
        uniform = np.full(len(present), 1 / len(present))
        if not seen.size:
            return uniform
        by_class = (seen / seen.sum(0)).mean(1)
        return self.share * by_class + (1 - self.share) * uniform


SAMPLERS = Table(
    "sampler", {"class_uniform": ClassUniform, "repeat_factor": RepeatFactor}
)


@dataclasses.dataclass(frozen=True)
class Draw:
    """The index of an example for a number of a generator.

    Attributes:
      bounds: `(N,)` cumulated weights; the last one is 1.
    """

    bounds: Float[np.ndarray, "N"]

    @classmethod
    def of(cls, weights: Float[np.ndarray, "N"]) -> "Draw":
        """In proportion to `weights`."""
        bounds = np.cumsum(weights / weights.sum())
        bounds[-1] = 1.0
        return cls(bounds)

    def random_map(self, index: Any, rng: np.random.Generator) -> int:
        """Another index in the place of the order's own."""
        del index
        return int(np.searchsorted(self.bounds, rng.random(), side="right"))


def presence(
    source: Source, cache: remembered.Cache = None, threads: int = 4
) -> Bool[np.ndarray, "N K"]:
    """Which classes each example holds, in one pass over the labels.

    Args:
      source: the split.
      cache: where to remember the result, under the source's fingerprint.
      threads: labels read at once.

    Raises:
      UserError: a label cannot be read.
    """
    if cache is not None:
        name = f"presence-{source.fingerprint()[:32]}.json"
        if (known := remembered.read(cache, name)) is not None:
            return np.array(known["present"], bool)

    def look(i: int) -> np.ndarray:
        paired = isinstance(source, PairedFiles)
        label = source.label(i) if paired else source[i][LABEL]
        counts = np.bincount(label.ravel(), minlength=256)[:IGNORE]
        return counts[: source.info.num_classes] > 0

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        found = np.stack(list(pool.map(look, range(len(source)))))
    if cache is not None:
        remembered.write(cache, name, {"present": found.astype(int).tolist()})
    return found
