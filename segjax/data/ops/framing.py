"""Crops and pads: ops that change the frame and leave the pixels in it as they are.

What comes from outside of the image is `fill` and `IGNORE`; see `geometry`.
"""

import dataclasses
import math
from typing import Any

import cv2
import grain
import numpy as np

from segjax.core.errors import raise_problems
from segjax.core.keys import IGNORE, IMAGE, LABEL, MAX_CLASSES
from segjax.data.ops.base import PROBABILITY, outside
from segjax.data.ops.geometry import SIDE, cut, moved, resize, window


@dataclasses.dataclass(frozen=True)
class _Frame:
    """What has a height and a width, in pixels."""

    height: int
    width: int

    def __post_init__(self):
        found = outside(self, height=SIDE, width=SIDE)
        raise_problems(found + self._problems())

    def _problems(self) -> list[str]:
        """What else is wrong with the fields."""
        return []


@dataclasses.dataclass(frozen=True)
class Crop(_Frame, grain.transforms.RandomMap):
    """Cut a random window of `(height, width)`, padding where the image is smaller.

    Windows in which every pixel is ignored, or in which one class holds more than
    `max_share` of the pixels that are not, are drawn anew up to `retries` times; the
    last one stays. `max_share=0.75` is usual for street scenes.

    Where the image is smaller than the window, it lies at a random place in it.
    """

    max_share: float | int = 1.0
    retries: int = 10

    def _problems(self) -> list[str]:
        found = outside(self, retries=(0, math.inf))
        if not 0 < self.max_share <= 1:
            found.append(f"max_share={self.max_share}: must be in (0, 1].")
        return found

    def random_map(
        self, example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """Any size becomes `(height, width)`."""
        rows, columns = example[IMAGE].shape[-3:-1]
        for attempt in range(self.retries + 1):
            top = _offset(rng, rows - self.height)
            left = _offset(rng, columns - self.width)
            out = cut(example, top, left, self.height, self.width)
            if LABEL not in out or attempt == self.retries:
                break
            counts = np.bincount(out[LABEL].ravel(), minlength=256)[:IGNORE]
            if counts.any() and counts.max() <= self.max_share * counts.sum():
                break
        return out


@dataclasses.dataclass(frozen=True)
class ClassCrop(_Frame, grain.transforms.RandomMap):
    """Cut a window of `(height, width)` round a pixel of a rare class.

    With probability `p` a class is drawn among `classes`, or among all classes, that
    the label has, each alike whatever its share; then a pixel of it; the window has
    this pixel in its middle, moved just so far that it does not leave an image that is
    large enough. Otherwise, and where the label has none of `classes` or there is no
    label, the window is drawn as by `crop`.
    """

    classes: tuple[int, ...] | None = None
    p: float | int = 0.5

    def _problems(self) -> list[str]:
        found = outside(self, p=PROBABILITY)
        if self.classes is not None:
            bad = [k for k in self.classes if not 0 <= k < MAX_CLASSES]
            if bad or not self.classes:
                found.append(
                    f"classes={self.classes}: must be class ids from 0 to "
                    f"{MAX_CLASSES - 1}, at least one; None for all."
                )
        return found

    def random_map(
        self, example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """Any size becomes `(height, width)`."""
        rows, columns = example[IMAGE].shape[-3:-1]
        top = _offset(rng, rows - self.height)
        left = _offset(rng, columns - self.width)
        if rng.random() < self.p and LABEL in example:
            pixel = self._pixel(example[LABEL], rng)
            if pixel is not None:
                top = _round(pixel[0], self.height, rows, top)
                left = _round(pixel[1], self.width, columns, left)
        return cut(example, top, left, self.height, self.width)

    def _pixel(self, label, rng) -> tuple[int, int] | None:
        """Row and column of a pixel of a random class, of a clip in its last frame."""
        label = label[-1] if label.ndim == 3 else label
        counts = cv2.calcHist([label], [0], None, [256], [0, 256]).ravel()
        wanted = range(MAX_CLASSES) if self.classes is None else self.classes
        present = [k for k in wanted if counts[k]]
        if not present:
            return None
        places = np.flatnonzero(label == rng.choice(present))
        return divmod(int(rng.choice(places)), label.shape[1])


@dataclasses.dataclass(frozen=True)
class CenterCrop(_Frame, grain.transforms.Map):
    """Cut the middle `(height, width)`, padding evenly where the image is smaller."""

    def map(self, example: dict[str, Any]) -> dict[str, Any]:
        """Any size becomes `(height, width)`; an odd one goes bottom or right."""
        rows, columns = example[IMAGE].shape[-3:-1]
        top, left = (rows - self.height) // 2, (columns - self.width) // 2
        return cut(example, top, left, self.height, self.width)


@dataclasses.dataclass(frozen=True)
class Pad(_Frame, grain.transforms.Map):
    """Pad at the bottom and right to at least `(height, width)`; never cuts."""

    def map(self, example: dict[str, Any]) -> dict[str, Any]:
        """`(H, W)` becomes `(max(H, height), max(W, width))`."""
        rows, columns = example[IMAGE].shape[-3:-1]
        return cut(example, 0, 0, max(rows, self.height), max(columns, self.width))


@dataclasses.dataclass(frozen=True)
class PadToMultiple(grain.transforms.Map):
    """Pad at the bottom and right until both sides divide by `n`."""

    n: int

    def __post_init__(self):
        raise_problems(outside(self, n=SIDE))

    def map(self, example: dict[str, Any]) -> dict[str, Any]:
        """Each side becomes the next multiple of `n`."""
        rows, columns = (
            -(-side // self.n) * self.n for side in example[IMAGE].shape[-3:-1]
        )
        return cut(example, 0, 0, rows, columns)


@dataclasses.dataclass(frozen=True)
class ReflectPad(_Frame, grain.transforms.Map):
    """Pad all round to at least `(height, width)` by mirroring; never cuts.

    The mirror lies on the image's edge, so the outermost pixel stands there twice. The
    label of mirrored pixels is `IGNORE`: they give the network context, as the margin
    of an overlapping tile does, but they are no new evidence, and counting them would
    weigh the border of the image twice.

    Source: Ronneberger, Fischer, Brox, U-Net, 2015, arXiv 1505.04597, figure 2.
    """

    def map(self, example: dict[str, Any]) -> dict[str, Any]:
        """`(H, W)` becomes `(max(H, height), max(W, width))`; odd: bottom or right."""
        rows, columns = example[IMAGE].shape[-3:-1]
        height, width = max(rows, self.height), max(columns, self.width)
        top, left = (height - rows) // 2, (width - columns) // 2
        bottom, right = height - rows - top, width - columns - left

        def pad(array, label):
            if label:
                return window(array, -top, -left, height, width, IGNORE)
            return cv2.copyMakeBorder(
                array, top, bottom, left, right, cv2.BORDER_REFLECT
            )

        return moved(example, pad)


@dataclasses.dataclass(frozen=True)
class Fit(_Frame, grain.transforms.Map):
    """Resize to fit into `(height, width)`, aspect kept, and pad evenly: a letterbox.

    For training; evaluation needs no pad, `rescale` and `resize` do there.
    """

    def map(self, example: dict[str, Any]) -> dict[str, Any]:
        """Any size becomes `(height, width)`; an odd pad goes bottom or right."""
        rows, columns = example[IMAGE].shape[-3:-1]
        factor = min(self.height / rows, self.width / columns)
        inner = max(1, round(factor * rows)), max(1, round(factor * columns))
        small = moved(example, lambda array, label: resize(array, *inner, label))
        top, left = (self.height - inner[0]) // 2, (self.width - inner[1]) // 2
        return cut(small, -top, -left, self.height, self.width)


def _offset(rng: np.random.Generator, spare: int) -> int:
    """Where a window starts that is `spare` shorter (or, negative, longer)."""
    return int(rng.integers(min(spare, 0), max(spare, 0) + 1))


def _round(place: int, side: int, full: int, start: int) -> int:
    """Where a window of `side` round `place` starts; `start` where all of it fits."""
    if side >= full:
        return start
    return min(max(place - side // 2, 0), full - side)
