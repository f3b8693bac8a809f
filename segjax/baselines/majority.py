"""The commonest class of the training split, everywhere."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from segjax.baselines.examples import Examples, Image, Progress, each
from segjax.baselines.sample import unlabelled
from segjax.core.errors import UserError


@dataclasses.dataclass(frozen=True)
class Majority:
    """The score that a method gets for knowing nothing of the image.

    Its pixel accuracy is the share of the commonest class: an accuracy near that says
    nothing for a network.
    """

    def fit(
        self, source: Examples, *, seed: int = 0, progress: Progress = None
    ) -> "Everywhere":
        """Count the labelled pixels of each class.

        Raises:
          UserError: no pixel is labelled.
        """
        del seed
        counts = count(source, progress)
        return Everywhere(int(counts.argmax()), shares(counts, source))


@dataclasses.dataclass(frozen=True)
class Everywhere:
    """One class for all pixels."""

    id: int
    facts: dict[str, Any]

    def __call__(self, image: Image) -> UInt8[np.ndarray, "H W"]:
        """The class, at the size of the image."""
        return np.full(image.shape[:2], self.id, np.uint8)


def count(source: Examples, progress: Progress = None) -> Int64[np.ndarray, "K"]:
    """Labelled pixels of each class.

    Raises:
      UserError: there is none.
    """
    K = source.info.num_classes
    total = np.zeros(K, np.int64)
    for _, label in each(source, progress):
        total += np.bincount(label.ravel(), minlength=256)[:K]
    if not total.any():
        raise UserError(unlabelled(source))
    return total


def shares(counts: Int64[np.ndarray, "K"], source: Examples) -> dict[str, Any]:
    """The commonest class and its share, for the record."""
    k = int(counts.argmax())
    share = round(float(counts[k] / counts.sum()), 4)
    return {"class": source.info.class_names[k], "share": share}
