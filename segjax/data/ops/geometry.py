"""Sizes, mirrors and quarter turns; and how every op that moves pixels does it.

Image and label always move together, images of any channels and depth alike.

A clip `(T, H, W, C)` moves as a whole: every frame as its label, which is that of the
last one.

One alignment everywhere: pixel centres lie at half-integers, so the corners of the old
and the new grid coincide. Sides of images that grow are resampled bilinearly and those
that shrink by area. A label takes the old pixel that holds the centre of the new one;
centres may lie on the border of two, as all do when a label is halved: even places take
the first and odd ones the second, so that the label does not shift against the image
(OpenCV's `INTER_NEAREST` shifts by up to half a pixel). What comes from outside of the
image has the colour `FILL`, or in images other than 8-bit RGB the image's own mean, and
the label `IGNORE`, never a class.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import cv2
import grain
import numpy as np
from jaxtyping import Real

from segjax.core.errors import UserError, raise_problems
from segjax.core.keys import IGNORE, IMAGE, LABEL
from segjax.data.ops.base import PROBABILITY, Sometimes, outside

FILL = (124, 116, 104)
"""RGB outside of the image: the mean colour of ImageNet, near zero once normalised."""

SIDE = (1, math.inf)
"""What a height or a width may be, in pixels."""


@dataclasses.dataclass(frozen=True)
class Scale(grain.transforms.RandomMap):
    """Resize by one random factor for both sides, uniform in `[min, max]`."""

    min: float | int = 0.5
    max: float | int = 2.0

    def __post_init__(self):
        if not 0 < self.min <= self.max:
            raise UserError(
                f"min={self.min}, max={self.max}: the factors must be 0 < min <= max."
            )

    def random_map(
        self, example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """`(H, W)` becomes `round(factor * (H, W))`, at least 1."""
        return _rescaled(example, rng.uniform(self.min, self.max))


@dataclasses.dataclass(frozen=True)
class Rescale(grain.transforms.Map):
    """Resize by a fixed factor for both sides."""

    factor: float | int

    def __post_init__(self):
        if not self.factor > 0:
            raise UserError(f"factor={self.factor}: must be above 0.")

    def map(self, example: dict[str, Any]) -> dict[str, Any]:
        """`(H, W)` becomes `round(factor * (H, W))`, at least 1."""
        return _rescaled(example, self.factor)


@dataclasses.dataclass(frozen=True)
class Resize(grain.transforms.Map):
    """Resize to `(height, width)`; the aspect changes where theirs differs."""

    height: int
    width: int

    def __post_init__(self):
        raise_problems(outside(self, height=SIDE, width=SIDE))

    def map(self, example: dict[str, Any]) -> dict[str, Any]:
        """Any size becomes `(height, width)`."""
        return _resized(example, self.height, self.width)


@dataclasses.dataclass(frozen=True)
class FlipLr(Sometimes):
    """Mirror left and right with probability `p`."""

    p: float | int = 0.5

    def __post_init__(self):
        raise_problems(outside(self, p=PROBABILITY))

    def change(
        self, example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """The size stays."""
        del rng
        return moved(example, lambda array, _: cv2.flip(array, 1))


@dataclasses.dataclass(frozen=True)
class FlipUd(Sometimes):
    """Mirror top and bottom with probability `p`, where no side of an image is up."""

    p: float | int = 0.5

    def __post_init__(self):
        raise_problems(outside(self, p=PROBABILITY))

    def change(
        self, example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """The size stays."""
        del rng
        return moved(example, lambda array, _: cv2.flip(array, 0))


@dataclasses.dataclass(frozen=True)
class Rotate90(Sometimes):
    """Turn by one, two or three quarters with probability `p`; no pixel is resampled.

    One quarter and three change `(H, W)` to `(W, H)`, so it stands before the crop
    where images are not square.
    """

    p: float | int = 0.75

    def __post_init__(self):
        raise_problems(outside(self, p=PROBABILITY))

    def change(
        self, example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """`(H, W)` stays or becomes `(W, H)`."""
        quarter = (
            cv2.ROTATE_90_COUNTERCLOCKWISE,
            cv2.ROTATE_180,
            cv2.ROTATE_90_CLOCKWISE,
        )[rng.integers(3)]
        return moved(example, lambda array, _: cv2.rotate(array, quarter))


def fill(image: Real[np.ndarray, "*T H W C"]) -> tuple[int | float, ...]:
    """What stands where there is no image: `FILL` or the mean of each channel."""
    if image.dtype == np.uint8 and image.shape[-1] == len(FILL):
        return FILL
    mean = image.mean(axis=tuple(range(image.ndim - 1)), dtype=np.float64)
    return tuple((mean if image.dtype.kind == "f" else mean.round()).tolist())


def window(
    array: Real[np.ndarray, "H W ..."],
    top: int,
    left: int,
    height: int,
    width: int,
    fill: int | tuple[int | float, ...],
) -> Real[np.ndarray, "h w ..."]:
    """Rows `top..top+height`, columns `left..left+width`; `fill` outside of `array`."""
    rows, columns = array.shape[:2]
    out = np.empty((height, width, *array.shape[2:]), array.dtype)
    out[:] = fill
    from_row, to_row = max(top, 0), min(top + height, rows)
    from_column, to_column = max(left, 0), min(left + width, columns)
    if from_row < to_row and from_column < to_column:
        out[from_row - top : to_row - top, from_column - left : to_column - left] = (
            array[from_row:to_row, from_column:to_column]
        )
    return out


def resize(
    array: Real[np.ndarray, "H W ..."], height: int, width: int, nearest: bool
) -> Real[np.ndarray, "h w ..."]:
    """`array` at `(height, width)`: nearest for labels; of images, sides that shrink do
    so by area and sides that grow bilinearly, to the same bits on every CPU.
    """
    if array.shape[:2] == (height, width):
        return array
    if nearest:
        rows, columns = (
            _nearest(array.shape[0], height),
            _nearest(array.shape[1], width),
        )
        return array.take(rows, axis=0).take(columns, axis=1)
    smaller = tuple(map(min, array.shape[:2], (height, width)))
    if smaller != array.shape[:2]:
        array = cv2.resize(array, smaller[::-1], interpolation=cv2.INTER_AREA)
    if smaller != (height, width):
        exact = cv2.INTER_LINEAR_EXACT
        array = cv2.resize(array, (width, height), interpolation=exact)
    return array


def moved(
    example: dict[str, Any], move: Callable[[np.ndarray, bool], np.ndarray]
) -> dict[str, Any]:
    """`example` with `move(array, is_label)` of its image and, if there, its label.

    Of a clip it is that of each frame, and of each label where every frame has one.
    More than four channels, which not all of OpenCV takes, move four at a time.
    """
    out = dict(example)
    for key, dims in ((IMAGE, 3), (LABEL, 2)):
        if key not in example:
            continue
        array, label = example[key], key == LABEL
        one = move if label else functools.partial(_by_channels, move)
        if array.ndim == dims:
            out[key] = one(array, label)
        else:
            out[key] = np.stack([one(frame, label) for frame in array])
    return out


def _by_channels(move, image, label):
    """`move` of an image, with the last axis that OpenCV drops of a single channel."""
    if image.shape[2] <= 4:
        return np.atleast_3d(move(image, label))
    starts = range(0, image.shape[2], 4)
    parts = (np.ascontiguousarray(image[..., i : i + 4]) for i in starts)
    return np.concatenate([np.atleast_3d(move(p, label)) for p in parts], axis=2)


def cut(
    example: dict[str, Any], top: int, left: int, height: int, width: int
) -> dict[str, Any]:
    """The `window` of image and label; `fill` and `IGNORE` outside of them."""
    rows, columns = example[IMAGE].shape[-3:-1]
    inside = top >= 0 <= left and top + height <= rows and left + width <= columns

    def part(array, label):
        empty = IGNORE if label or inside else fill(array)
        return window(array, top, left, height, width, empty)

    return moved(example, part)


def _nearest(old: int, new: int) -> np.ndarray:
    """For each of `new` pixels the one of `old` that holds its centre, in integers."""
    place = np.arange(new)
    twice = (2 * place + 1) * old  # the centre is twice / (2 * new)
    on_border = twice % (2 * new) == 0
    return twice // (2 * new) - (on_border & (place % 2 == 0))


def _resized(example, height, width):
    return moved(example, lambda array, label: resize(array, height, width, label))


def _rescaled(example, factor):
    rows, columns = example[IMAGE].shape[-3:-1]
    height, width = (max(1, round(factor * side)) for side in (rows, columns))
    return _resized(example, height, width)
