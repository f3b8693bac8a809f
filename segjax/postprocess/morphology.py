"""Morphology of one class at a time: dilation, erosion, opening, closing.

What a class takes, it takes from whatever class is there. What it gives up goes to the
nearest pixel of another class, of several equally near ones to the lowest class. Beyond
the border of the image there is nothing: it neither erodes a class nor adds to it.
"""

import dataclasses
import math
from typing import ClassVar, Literal

import numpy as np
import scipy

from segjax.core.errors import raise_problems
from segjax.core.shapes import Bool
from segjax.postprocess.step import Ids, Image, OfIds, class_problems

Mask = Bool[np.ndarray, "H W"]


@dataclasses.dataclass(frozen=True)
class _Morphology(OfIds):
    """What moves the border of a class.

    Attributes:
      radius: of the neighbourhood, in pixels.
      shape: `disk`, all pixels whose centre is no farther than the radius, or `square`
        of side `2 radius + 1`.
      classes: the ones that are treated, in this order, each on what the one before has
        left; None for the foreground of a binary task.
    """

    radius: int
    shape: Literal["disk", "square"] = "disk"
    classes: tuple[int, ...] | None = None

    passes: ClassVar[str]
    """`+` widens the class, `-` narrows it."""

    def __post_init__(self):
        problems = []
        if self.radius < 1:
            problems.append(f"radius={self.radius}: must be 1 or more.")
        if self.shape not in ("disk", "square"):
            problems.append(f"shape={self.shape!r}: must be 'disk' or 'square'.")
        if self.classes is not None and not self.classes:
            problems.append("classes=(): names no class. Name some.")
        raise_problems(problems)

    def problems(self, num_classes: int) -> list[str]:
        """Classes that there are not; and which one is meant must be said."""
        if self.classes is None and num_classes != 2:
            return [
                f"there are {num_classes} classes, and which of them is meant is not "
                "said. Name it: classes=(1,)."
            ]
        return class_problems(self.classes, num_classes)

    def ids(self, ids: Ids, image: Image | None, num_classes: int) -> Ids:
        """The map after each class in turn."""
        del image, num_classes
        found = ids.copy()
        for k in self.classes or (1,):
            before = mask = found == k
            for sign in self.passes:
                change = dilated if sign == "+" else eroded
                mask = change(mask, self.radius, self.shape)
            given_up = before & ~mask
            found[given_up] = _nearest(found, given_up, k, self.radius, self.shape)
            found[mask] = k
        return found


@dataclasses.dataclass(frozen=True)
class Dilation(_Morphology):
    """A class takes every pixel within the radius of it."""

    passes: ClassVar[str] = "+"


@dataclasses.dataclass(frozen=True)
class Erosion(_Morphology):
    """A class gives up every pixel within the radius of another class."""

    passes: ClassVar[str] = "-"


@dataclasses.dataclass(frozen=True)
class Opening(_Morphology):
    """Erosion, then dilation: a class gives up what is narrower than the neighbourhood.

    Doing it twice changes nothing more where there is one class.
    """

    passes: ClassVar[str] = "-+"


@dataclasses.dataclass(frozen=True)
class Closing(_Morphology):
    """Dilation, then erosion: a class takes gaps narrower than the neighbourhood.

    Doing it twice changes nothing more where there is one class.
    """

    passes: ClassVar[str] = "+-"


def dilated(mask: Mask, radius: int, shape: str) -> Mask:
    """Where the neighbourhood meets the mask."""
    height, found = len(mask), mask.copy()
    for dy, reach in enumerate(_reaches(radius, shape)):
        size = 2 * reach + 1
        wide = scipy.ndimage.maximum_filter1d(
            mask, size, axis=1, mode="constant", cval=0
        )
        if dy < height:
            found[dy:] |= wide[: height - dy]
            found[: height - dy] |= wide[dy:]
    return found


def eroded(mask: Mask, radius: int, shape: str) -> Mask:
    """Where all of the neighbourhood that is in the image is in the mask."""
    return ~dilated(~mask, radius, shape)


def _reaches(radius: int, shape: str) -> list[int]:
    """Of each row from the middle one on, how far the neighbourhood goes sideways."""
    if shape == "square":
        return [radius] * (radius + 1)
    return [math.isqrt(radius**2 - dy**2) for dy in range(radius + 1)]


def _nearest(
    ids: np.ndarray, where: np.ndarray, k: int, radius: int, shape: str
) -> np.ndarray:
    """The class of the nearest pixel that is not of class `k`.

    What a class gives up has one in its neighbourhood, or it would not be given up.
    """
    height, width = ids.shape
    rows, columns = np.nonzero(where)
    found = np.full(len(rows), 255, np.uint8)
    left = np.arange(len(rows))
    for ring in _rings(radius, shape):
        for dy, dx in ring:
            y, x = rows[left] + dy, columns[left] + dx
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            seen = ids[y.clip(0, height - 1), x.clip(0, width - 1)]
            seen[~inside | (seen == k)] = 255
            found[left] = np.minimum(found[left], seen)
        left = left[found[left] == 255]
        if not len(left):
            break
    return found


def _rings(radius: int, shape: str) -> list[list[tuple[int, int]]]:
    """The neighbourhood without its middle, by distance, the nearest first."""
    reaches = _reaches(radius, shape)
    rings: dict[int, list[tuple[int, int]]] = {}
    for dy in range(-radius, radius + 1):
        for dx in range(-reaches[abs(dy)], reaches[abs(dy)] + 1):
            rings.setdefault(dy * dy + dx * dx, []).append((dy, dx))
    return [rings[d] for d in sorted(rings)[1:]]
