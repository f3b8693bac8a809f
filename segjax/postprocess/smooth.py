"""Smoothing: of probabilities by a Gaussian, of classes by median and mode."""

import dataclasses

import numpy as np
from scipy import ndimage

from segjax.core.errors import UserError, raise_problems
from segjax.postprocess.step import Ids, Image, OfIds, OfShares, Shares


@dataclasses.dataclass(frozen=True)
class Gaussian(OfShares):
    """Every class's probability, averaged about each pixel by a Gaussian.

    Class ids are never averaged: the mean of two classes would be a third.

    Attributes:
      sigma: standard deviation, in pixels; the border is mirrored.
    """

    sigma: float | int

    def __post_init__(self):
        if not 0 < self.sigma < float("inf"):
            raise UserError(f"sigma={self.sigma}: must be above 0, and finite.")

    def __str__(self) -> str:
        return f"gaussian({self.sigma:g})"

    def shares(self, shares: Shares, image: Image | None) -> Shares:
        """They still add up to 1."""
        del image
        sigma = (self.sigma, self.sigma, 0)
        return ndimage.gaussian_filter(shares, sigma, mode="reflect")


@dataclasses.dataclass(frozen=True)
class _Window(OfIds):
    """What looks at a square about each pixel; the border is mirrored.

    Attributes:
      size: side of the square, odd, in pixels.
    """

    size: int

    def __post_init__(self):
        problems = []
        if self.size < 3 or self.size % 2 == 0:
            problems = [f"size={self.size}: must be odd, and 3 or more."]
        raise_problems(problems)

    def __str__(self) -> str:
        return f"{type(self).__name__.lower()}({self.size})"


@dataclasses.dataclass(frozen=True)
class Median(_Window):
    """The median of the two classes about each pixel: salt and pepper go."""

    def problems(self, num_classes: int) -> list[str]:
        """More than two classes have no order, so no median."""
        if num_classes == 2:
            return []
        return [
            f"is for two classes, and there are {num_classes}: the median of their ids "
            f"means nothing. Use mode({self.size})."
        ]

    def ids(self, ids: Ids, image: Image | None, num_classes: int) -> Ids:
        """The class of more than half of the square."""
        del image, num_classes
        return ndimage.median_filter(ids, self.size, mode="reflect")


@dataclasses.dataclass(frozen=True)
class Mode(_Window):
    """The class that is most frequent about each pixel.

    On a tie the pixel keeps its class if that is among the most frequent, else it
    takes the lowest of them.
    """

    def ids(self, ids: Ids, image: Image | None, num_classes: int) -> Ids:
        """The most frequent class of the square."""
        del image
        best, most = ids.copy(), _votes(ids, ids, self.size)
        for k in range(num_classes):
            votes = _count(ids == k, self.size)
            wins = votes > most
            best[wins], most[wins] = k, votes[wins]
        return best


def _votes(ids, classes, size):
    """How often each pixel's own class stands about it."""
    votes = np.zeros(ids.shape, np.int32)
    for k in np.unique(classes):
        votes += np.where(classes == k, _count(ids == k, size), 0)
    return votes


def _count(of, size):
    """How many pixels of a square about each are set, in integers."""
    line = np.ones(size, np.int32)
    lines = ndimage.convolve1d(of.astype(np.int32), line, axis=0, mode="reflect")
    return ndimage.convolve1d(lines, line, axis=1, mode="reflect")
