"""Smoothing: of probabilities by a Gaussian, of classes by median and mode."""

import dataclasses

import numpy as np
import scipy

from segjax.core.errors import UserError, raise_problems
from segjax.core.shapes import Integer
from segjax.postprocess.step import Ids, Image, OfIds, OfShares, Shares

LANES = (np.uint8, np.uint16, np.uint32)
"""Integers that votes are counted in."""


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

    def shares(self, shares: Shares, image: Image | None) -> Shares:
        """They still add up to 1."""
        del image
        sigma = (self.sigma, self.sigma, 0)
        return scipy.ndimage.gaussian_filter(shares, sigma, mode="reflect")


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
        return scipy.ndimage.median_filter(ids, self.size, mode="reflect")


@dataclasses.dataclass(frozen=True)
class Mode(_Window):
    """The class that is most frequent about each pixel.

    On a tie the pixel keeps its class if that is among the most frequent, else it
    takes the lowest of them.
    """

    def ids(self, ids: Ids, image: Image | None, num_classes: int) -> Ids:
        """The most frequent class of the square."""
        del image
        votes = _votes(ids, self.size, num_classes)
        own = np.take_along_axis(votes, ids[..., None].astype(np.intp), axis=-1)[..., 0]
        keeps = own == votes.max(-1)
        return np.where(keeps, ids, votes.argmax(-1).astype(np.uint8))


def _votes(ids: Ids, size: int, num_classes: int) -> Integer[np.ndarray, "H W lanes"]:
    """How often each class stands in the square about each pixel.

    Several classes are counted at once, in lanes of one 64-bit integer that are wide
    enough for the square; what overflows in running sums is gone from differences.
    """
    lane = next(t for t in LANES if size**2 <= np.iinfo(t).max)
    across = 8 // np.dtype(lane).itemsize
    groups = -(-num_classes // across)
    one_hot = np.eye(num_classes, groups * across, dtype=lane).view(np.uint64)
    padded = np.pad(ids, size // 2, mode="symmetric")
    votes = np.empty((*ids.shape, groups * across), lane)
    for group in range(groups):
        sums = _box(_box(one_hot[padded, group], size, axis=0), size, axis=1)
        own = slice(group * across, (group + 1) * across)
        votes[..., own] = sums[..., None].view(lane)
    return votes


def _box(values: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Sums of `size` neighbours along an axis, where there are so many."""
    sums = np.cumsum(values, axis, dtype=values.dtype)
    first = np.take(sums, [size - 1], axis)
    rows = np.moveaxis(sums, axis, 0)
    rest = np.moveaxis(rows[size:] - rows[:-size], 0, axis)
    return np.concatenate([first, rest], axis)
