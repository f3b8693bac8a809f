"""Weather on the image alone: fog, rain, snow. The label stays.

For outdoor pictures taken upright: what is high is held for far. Simple forms that
look right at a glance, made to harden a model; they simulate no sensor.
"""

import dataclasses
import math

import cv2
import numpy as np
from jaxtyping import UInt8

from segjax.data.ops.photometric import (
    LEVELS,
    Photometric,
    blended,
    each,
    refuse_outside,
    table,
)

FAR = 10.0
"""Distance of the horizon and of all above it, in distances of the lowest row."""


class Weather(Photometric):
    """An effect whose strength is uniform in `min..max` of 0..1."""

    min: float | int
    max: float | int

    def __post_init__(self):
        refuse_outside(self, min=(0, 1), max=(0, 1), p=(0, 1))

    def changed(self, frames, rng):
        return self.at(rng.uniform(self.min, self.max), frames, rng)

    def at(
        self,
        strength: float,
        frames: UInt8[np.ndarray, "T H W 3"],
        rng: np.random.Generator,
    ) -> UInt8[np.ndarray, "T H W 3"]:
        """The frames at one strength; 0 leaves them as they are."""
        raise NotImplementedError(f"{type(self).__name__} lacks the method at.")


@dataclasses.dataclass(frozen=True)
class Fog(Weather):
    """Light grey that grows with the distance: `I = J t + A (1 - t)`, `t = exp(-b d)`.

    At the horizon the share of the fog's colour `A` is 0.95 of the strength.

    Source: Koschmieder's law as in Sakaridis, Dai and Van Gool, Semantic Foggy Scene
      Understanding with Synthetic Data, 2018, arXiv 1708.07819.
    Differs: the distance `d` is not measured but that of a level ground, by row, up to
      a horizon drawn in the upper half; all above is as far. The density `b` varies by
      about a fifth over the image. `A` is drawn, not read from the image.
    """

    min: float | int = 0.4
    max: float | int = 0.9
    p: float | int = 0.2

    def at(self, strength, frames, rng):
        rows, columns = frames.shape[1:3]
        horizon = rng.uniform(0.3, 0.5) * rows
        below = (np.arange(rows) + 0.5 - horizon) / (rows - horizon)
        distance = 1 / np.maximum(below, 1 / FAR)
        distance = cv2.GaussianBlur(
            distance.reshape(-1, 1), (1, 0), 0, sigmaY=rows / 25
        )
        density = -math.log(1 - 0.95 * strength) / FAR
        banks = cv2.resize(
            rng.uniform(0.75, 1.25, (4, 6)).astype(np.float32),
            (columns, rows),
            interpolation=cv2.INTER_CUBIC,
        )
        weight = 1 - np.exp(-density * distance.astype(np.float32) * banks)
        colour = (int(rng.uniform(190, 225)),) * 3
        return each(frames, lambda image: blended(image, colour, weight))


@dataclasses.dataclass(frozen=True)
class Rain(Weather):
    """Streaks that fall in one direction, near and far ones, under a dull light."""

    min: float | int = 0.2
    max: float | int = 0.8
    p: float | int = 0.2

    def at(self, strength, frames, rng):
        slant = rng.uniform(-0.35, 0.35)
        dull = table(LEVELS * (1 - 0.4 * strength) + 42 * strength)

        def change(image: np.ndarray) -> np.ndarray:
            height, width = image.shape[:2]
            drops = strength * 1200 * width / height
            far = _falling(height, width, rng, drops, 0.05, 0.001, slant)
            near = _falling(height, width, rng, drops / 6, 0.12, 0.004, slant)
            near = cv2.GaussianBlur(near, (0, 0), 0.3 + 0.0015 * height)
            weight = np.float32(0.35 / 255) * far + np.float32(0.3 / 255) * near
            return blended(cv2.LUT(image, dull), (205, 210, 215), weight)

        return each(frames, change)


@dataclasses.dataclass(frozen=True)
class Snow(Weather):
    """Flakes of three distances that drift in one direction, and a white veil."""

    min: float | int = 0.2
    max: float | int = 0.8
    p: float | int = 0.2

    def at(self, strength, frames, rng):
        slant = rng.uniform(-0.8, 0.8)
        veil = table(LEVELS + 0.4 * strength * (235 - LEVELS))

        def change(image: np.ndarray) -> np.ndarray:
            height, width = image.shape[:2]
            flakes = strength * 1500 * width / height
            weight = np.zeros((height, width), np.float32)
            for share, size in ((1.0, 0.003), (0.3, 0.007), (0.06, 0.014)):
                layer = _falling(
                    height, width, rng, share * flakes, 1.2 * size, size, slant
                )
                soft = 0.3 + 0.25 * size * height
                layer = cv2.GaussianBlur(layer, (0, 0), soft)
                weight = np.maximum(weight, np.float32(0.9 / 255) * layer)
            return blended(cv2.LUT(image, veil), (248, 250, 252), weight)

        return each(frames, change)


def _falling(
    height: int,
    width: int,
    rng: np.random.Generator,
    number: float | int,
    length: float,
    thickness: float,
    slant: float,
) -> UInt8[np.ndarray, "H W"]:
    """Short lines at random places, 255 on 0.

    `length` (varied by half) and `thickness` are in image heights; `slant` is sideways
    by down.
    """
    number = int(rng.poisson(number))
    start = rng.uniform((-0.2, -0.1), (1.2, 1.0), (number, 2)) * (width, height)
    reach = length * height * rng.uniform(0.5, 1.5, (number, 1))
    end = start + reach * (slant, 1)
    lines = np.round(16 * np.stack([start, end], 1)).astype(np.int32)  # 1/16 pixel
    thick = max(1, round(thickness * height))
    mask = np.zeros((height, width), np.uint8)
    return cv2.polylines(mask, lines, False, 255, thick, cv2.LINE_AA, 4)
