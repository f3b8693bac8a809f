"""Rotation, shift, shear and perspective: ops that sample the image at other places.

However many movements an op combines, it resamples once. Each one is a 3x3 matrix that
takes a place in the new image to its place in the old one, so that no pixel is left
out. Places are `(x, y)` in pixels from the top left corner; the centre of the first
pixel is `(0.5, 0.5)`. The size stays.
"""

import dataclasses
import math
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, Float32

from segjax.core.errors import raise_problems
from segjax.core.keys import IGNORE, IMAGE
from segjax.data.ops.base import PROBABILITY, Sometimes, disordered, outside
from segjax.data.ops.geometry import cut, fill, moved


@dataclasses.dataclass(frozen=True)
class Rotate(Sometimes):
    """Turn about the middle by an angle uniform in `+- degrees`."""

    degrees: float | int = 10
    p: float | int = 0.5

    def __post_init__(self):
        raise_problems(outside(self, degrees=(0, 180), p=PROBABILITY))

    def change(
        self, example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """The size stays; the corners are uncovered."""
        return warp(example, about_middle(example, turn(_within(rng, self.degrees))))


@dataclasses.dataclass(frozen=True)
class Shift(Sometimes):
    """Move by whole pixels, up to these shares of the height and of the width."""

    rows: float | int = 0.1
    columns: float | int = 0.1
    p: float | int = 0.5

    def __post_init__(self):
        raise_problems(outside(self, rows=(0, 1), columns=(0, 1), p=PROBABILITY))

    def change(
        self, example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """The size stays; no pixel is resampled."""
        height, width = example[IMAGE].shape[-3:-1]
        down, right = (
            round(side * _within(rng, share))
            for side, share in ((height, self.rows), (width, self.columns))
        )
        return cut(example, -down, -right, height, width)


@dataclasses.dataclass(frozen=True)
class Shear(Sometimes):
    """Slant upright lines and level lines by angles uniform in `+-` these degrees."""

    upright: float | int = 10
    level: float | int = 0
    p: float | int = 0.5

    def __post_init__(self):
        raise_problems(outside(self, upright=(0, 60), level=(0, 60), p=PROBABILITY))

    def change(
        self, example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """The size stays; the middle of the image, too."""
        linear = slant(_within(rng, self.upright), _within(rng, self.level))
        return warp(example, about_middle(example, linear))


@dataclasses.dataclass(frozen=True)
class Affine(Sometimes):
    """Scale, turn, slant and shift at once: one resampling instead of four.

    Attributes:
      scale: the factor is uniform between these two. Below 0.5 a sample would skip
        pixels; for that, `scale` averages.
      rotate: the angle is uniform in `+- rotate` degrees.
      shift: of the middle, uniform in `+- shift` of the height and of the width.
      shear: the slant of upright lines is uniform in `+- shear` degrees.
      p: the probability.
    """

    scale: tuple[float | int, float | int] = (0.8, 1.25)
    rotate: float | int = 10
    shift: float | int = 0.05
    shear: float | int = 5
    p: float | int = 0.5

    def __post_init__(self):
        found = disordered(self, scale=(0.5, 100))
        found += outside(
            self, rotate=(0, 180), shift=(0, 1), shear=(0, 60), p=PROBABILITY
        )
        raise_problems(found)

    def change(
        self, example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """The size stays; slanted first, then turned, then shifted."""
        height, width = example[IMAGE].shape[-3:-1]
        linear = (
            rng.uniform(*self.scale)
            * turn(_within(rng, self.rotate))
            @ slant(_within(rng, self.shear), 0)
        )
        shift = width * _within(rng, self.shift), height * _within(rng, self.shift)
        return warp(example, about_middle(example, linear, shift))


@dataclasses.dataclass(frozen=True)
class Perspective(Sometimes):
    """See the image from a little aside: each corner of the frame moves for itself.

    Attributes:
      strength: a corner shows the place that is uniform in `+- strength` of the width
        and of the height away; below a quarter, or the four might fold over.
      p: the probability.
    """

    strength: float | int = 0.1
    p: float | int = 0.5

    def __post_init__(self):
        raise_problems(outside(self, strength=(0, 0.24), p=PROBABILITY))

    def change(
        self, example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """The size stays; straight lines stay straight."""
        height, width = example[IMAGE].shape[-3:-1]
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
        away = rng.uniform(-self.strength, self.strength, (4, 2)).astype(np.float32)
        side = np.array([width, height], np.float32)
        matrix = cv2.getPerspectiveTransform(corners * side, (corners + away) * side)
        return warp(example, matrix)


def turn(degrees: float | int) -> Float[np.ndarray, "2 2"]:
    """The rotation by `degrees`, from the x axis towards the y axis: clockwise."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cosine, -sine], [sine, cosine]])


def slant(upright: float | int, level: float | int) -> Float[np.ndarray, "2 2"]:
    """The shear that slants upright and level lines by so many degrees."""
    sideways, downwards = (math.tan(math.radians(a)) for a in (upright, level))
    return np.array([[1, sideways], [0, 1]]) @ np.array([[1, 0], [downwards, 1]])


def about_middle(
    example: dict[str, Any],
    linear: Float[np.ndarray, "2 2"],
    shift: tuple[float | int, float | int] = (0, 0),
) -> Float[np.ndarray, "3 3"]:
    """New places to old ones, where the image is moved by `linear` about its middle.

    Args:
      example: whose middle it is.
      linear: of an old place relative to the middle, to the new one.
      shift: of the middle, `(x, y)` in pixels.
    """
    height, width = example[IMAGE].shape[-3:-1]
    middle = np.array([width / 2, height / 2])
    matrix = np.eye(3)
    matrix[:2, :2] = np.linalg.inv(linear)
    matrix[:2, 2] = middle - matrix[:2, :2] @ (middle + np.array(shift))
    return matrix


def warp(example: dict[str, Any], matrix: Float[np.ndarray, "3 3"]) -> dict[str, Any]:
    """The example with each new place filled from the old place that `matrix` says.

    Args:
      example: an image or a clip, with or without a label.
      matrix: takes `(x, y, 1)` of the new image to `(x, y, 1)` of the old one, up to a
        factor.
    """
    height, width = example[IMAGE].shape[-3:-1]
    x = np.arange(width) + 0.5
    y = (np.arange(height) + 0.5)[:, None]
    across, down, depth = (
        (row[0] * x).astype(np.float32) + (row[1] * y + row[2]).astype(np.float32)
        for row in matrix
    )
    if not np.array_equal(matrix[2], (0, 0, 1)):
        across, down = across / depth, down / depth
    return sample(example, across, down)


def sample(
    example: dict[str, Any],
    x: Float32[np.ndarray, "H W"],
    y: Float32[np.ndarray, "H W"],
) -> dict[str, Any]:
    """The example with each new pixel taken from the place `(x, y)` of the old image.

    The image is interpolated between the four nearest pixel centres, at its edge
    between those that there are. The label is that of the pixel that holds the place.
    What lies outside of the image is `fill` and `IGNORE`, in both at the same pixels.
    """
    height, width = example[IMAGE].shape[-3:-1]
    bare = (x < 0) | (x >= width) | (y < 0) | (y >= height)
    uncovered = bool(bare.any())
    # OpenCV counts from the centre of the first pixel
    places = x - np.float32(0.5), y - np.float32(0.5)

    def take(array, label):
        how = cv2.INTER_NEAREST if label else cv2.INTER_LINEAR
        out = cv2.remap(array, *places, how, borderMode=cv2.BORDER_REPLICATE)
        if uncovered:
            out[bare] = IGNORE if label else fill(array)
        return out

    return moved(example, take)


def _within(rng: np.random.Generator, most: float | int) -> float:
    return rng.uniform(-most, most)
