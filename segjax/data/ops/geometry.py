"""Ops that move pixels; image and label always move together.

A clip `(T, H, W, 3)` moves as a whole: every frame as its label, which is that of the
last one.

One alignment everywhere: pixel centres lie at half-integers, so the corners of the old
and the new grid coincide. Images are resampled bilinearly when they grow and by area
when they shrink. A label takes the old pixel that holds the centre of the new one;
centres may lie on the border of two, as all do when a label is halved: even places take
the first and odd ones the second, so that the label does not shift against the image
(OpenCV's `INTER_NEAREST` shifts by up to half a pixel). What comes from outside of the
image has the colour `FILL` and the label `IGNORE`, never a class.
"""

import dataclasses
from typing import Any

import cv2
import grain
import numpy as np
from jaxtyping import UInt8

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE, IMAGE, LABEL

FILL = (124, 116, 104)
"""RGB outside of the image: the mean colour of ImageNet, near zero once normalised."""


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
        _check_size(self.height, self.width)

    def map(self, example: dict[str, Any]) -> dict[str, Any]:
        """Any size becomes `(height, width)`."""
        return _resized(example, self.height, self.width)


@dataclasses.dataclass(frozen=True)
class Crop(grain.transforms.RandomMap):
    """Cut a random window of `(height, width)`, padding where the image is smaller.

    Windows in which every pixel is ignored, or in which one class holds more than
    `max_share` of the pixels that are not, are drawn anew up to `retries` times; the
    last one stays. `max_share=0.75` is usual for street scenes.

    Where the image is smaller than the window, it lies at a random place in it.
    """

    height: int
    width: int
    max_share: float | int = 1.0
    retries: int = 10

    def __post_init__(self):
        _check_size(self.height, self.width)
        if not (0 < self.max_share <= 1 and self.retries >= 0):
            raise UserError(
                f"max_share={self.max_share}, retries={self.retries}: the share must "
                "be in (0, 1], the retries 0 or more."
            )

    def random_map(
        self, example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """Any size becomes `(height, width)`."""
        rows, columns = example[IMAGE].shape[-3:-1]
        for attempt in range(self.retries + 1):
            top = _offset(rng, rows - self.height)
            left = _offset(rng, columns - self.width)
            cut = _cut(example, top, left, self.height, self.width)
            if LABEL not in cut or attempt == self.retries:
                break
            counts = np.bincount(cut[LABEL].ravel(), minlength=256)[:IGNORE]
            if counts.any() and counts.max() <= self.max_share * counts.sum():
                break
        return cut


@dataclasses.dataclass(frozen=True)
class CenterCrop(grain.transforms.Map):
    """Cut the middle `(height, width)`, padding evenly where the image is smaller."""

    height: int
    width: int

    def __post_init__(self):
        _check_size(self.height, self.width)

    def map(self, example: dict[str, Any]) -> dict[str, Any]:
        """Any size becomes `(height, width)`; an odd one goes bottom or right."""
        rows, columns = example[IMAGE].shape[-3:-1]
        top, left = (rows - self.height) // 2, (columns - self.width) // 2
        return _cut(example, top, left, self.height, self.width)


@dataclasses.dataclass(frozen=True)
class Pad(grain.transforms.Map):
    """Pad at the bottom and right to at least `(height, width)`; never cuts."""

    height: int
    width: int

    def __post_init__(self):
        _check_size(self.height, self.width)

    def map(self, example: dict[str, Any]) -> dict[str, Any]:
        """`(H, W)` becomes `(max(H, height), max(W, width))`."""
        rows, columns = example[IMAGE].shape[-3:-1]
        return _cut(example, 0, 0, max(rows, self.height), max(columns, self.width))


@dataclasses.dataclass(frozen=True)
class PadToMultiple(grain.transforms.Map):
    """Pad at the bottom and right until both sides divide by `n`."""

    n: int

    def __post_init__(self):
        if self.n < 1:
            raise UserError(f"n={self.n}: must be 1 or more.")

    def map(self, example: dict[str, Any]) -> dict[str, Any]:
        """Each side becomes the next multiple of `n`."""
        rows, columns = (
            -(-side // self.n) * self.n for side in example[IMAGE].shape[-3:-1]
        )
        return _cut(example, 0, 0, rows, columns)


@dataclasses.dataclass(frozen=True)
class FlipLr(grain.transforms.RandomMap):
    """Mirror left and right with probability `p`."""

    p: float | int = 0.5

    def __post_init__(self):
        if not 0 <= self.p <= 1:
            raise UserError(f"p={self.p}: is a probability, in [0, 1].")

    def random_map(
        self, example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """The size stays."""
        if rng.random() >= self.p:
            return example
        return _moved(example, lambda array, _: cv2.flip(array, 1))


def window(
    array: UInt8[np.ndarray, "H W ..."],
    top: int,
    left: int,
    height: int,
    width: int,
    fill: int | tuple[int, ...],
) -> UInt8[np.ndarray, "h w ..."]:
    """Rows `top..top+height`, columns `left..left+width`; `fill` outside of `array`."""
    rows, columns = array.shape[:2]
    out = np.empty((height, width, *array.shape[2:]), np.uint8)
    out[:] = fill
    from_row, to_row = max(top, 0), min(top + height, rows)
    from_column, to_column = max(left, 0), min(left + width, columns)
    if from_row < to_row and from_column < to_column:
        out[from_row - top : to_row - top, from_column - left : to_column - left] = (
            array[from_row:to_row, from_column:to_column]
        )
    return out


def resize(
    array: UInt8[np.ndarray, "H W ..."], height: int, width: int, nearest: bool
) -> UInt8[np.ndarray, "h w ..."]:
    """`array` at `(height, width)`: nearest for labels, bilinear or area for images."""
    if array.shape[:2] == (height, width):
        return array
    if nearest:
        rows, columns = (
            _nearest(array.shape[0], height),
            _nearest(array.shape[1], width),
        )
        return array.take(rows, axis=0).take(columns, axis=1)
    shrinks = height * width < array.shape[0] * array.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(array, (width, height), interpolation=how)


def _nearest(old: int, new: int) -> np.ndarray:
    """For each of `new` pixels the one of `old` that holds its centre, in integers."""
    place = np.arange(new)
    twice = (2 * place + 1) * old  # the centre is twice / (2 * new)
    on_border = twice % (2 * new) == 0
    return twice // (2 * new) - (on_border & (place % 2 == 0))


def _moved(example, move):
    """`example` with `move(array, is_label)` of its image and, if there, its label."""
    out, image = dict(example), example[IMAGE]
    if image.ndim == 4:
        out[IMAGE] = np.stack([move(frame, False) for frame in image])
    else:
        out[IMAGE] = move(image, False)
    if LABEL in example:
        out[LABEL] = move(example[LABEL], True)
    return out


def _resized(example, height, width):
    return _moved(example, lambda array, label: resize(array, height, width, label))


def _rescaled(example, factor):
    rows, columns = example[IMAGE].shape[-3:-1]
    height, width = (max(1, round(factor * side)) for side in (rows, columns))
    return _resized(example, height, width)


def _cut(example, top, left, height, width):
    return _moved(
        example,
        lambda array, label: window(
            array, top, left, height, width, IGNORE if label else FILL
        ),
    )


def _offset(rng: np.random.Generator, spare: int) -> int:
    """Where a window starts that is `spare` shorter (or, negative, longer)."""
    return int(rng.integers(min(spare, 0), max(spare, 0) + 1))


def _check_size(height: int, width: int) -> None:
    if height < 1 or width < 1:
        raise UserError(f"height={height}, width={width}: must both be 1 or more.")
