"""Light on the image alone: cast shadows, glare of a low sun, night."""

import dataclasses

import cv2
import numpy as np
from jaxtyping import Float32

from segjax.data.ops.noise import noisy
from segjax.data.ops.photometric import LEVELS, blended, each, table
from segjax.data.ops.weather import Weather

COARSE = 4
"""Soft masks are drawn on a grid this many times coarser, and scaled up."""


@dataclasses.dataclass(frozen=True)
class Shadow(Weather):
    """One to three dark shapes with soft edges in the lower two thirds.

    At strength 1 a fifth of the light is left; more of the blue, as from the sky.
    """

    min: float | int = 0.3
    max: float | int = 0.7
    p: float | int = 0.2

    def at(self, strength, frames, rng):
        height, width = frames.shape[1:3]
        y, x = -(-height // COARSE), -(-width // COARSE)
        mask = np.zeros((y, x), np.uint8)
        for _ in range(rng.integers(1, 4)):
            centre = rng.uniform((0, 0.4), (1, 1)) * (x, y)
            angles = np.sort(rng.uniform(0, 2 * np.pi, 7))
            ring = np.stack([np.cos(angles), 0.5 * np.sin(angles)], 1)
            corners = centre + ring * rng.uniform(0.2, 0.7, (7, 1)) * y
            cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 255)
        mask = cv2.GaussianBlur(mask, (0, 0), max(0.5, rng.uniform(0.005, 0.02) * y))
        weight = _fine(mask.astype(np.float32) / 255, height, width)
        dark = table(
            LEVELS[:, None, None] * (1 - strength * np.array((0.8, 0.77, 0.7)))
        )
        return each(frames, lambda image: blended(image, cv2.LUT(image, dark), weight))


@dataclasses.dataclass(frozen=True)
class SunGlare(Weather):
    """A low sun in the upper part: a disc, a halo that veils the view, lens flares."""

    min: float | int = 0.3
    max: float | int = 0.8
    p: float | int = 0.2

    def at(self, strength, frames, rng):
        height, width = frames.shape[1:3]
        y, x = np.mgrid[: -(-height // COARSE), : -(-width // COARSE)]
        y = (COARSE * y + COARSE / 2).astype(np.float32) / height
        x = (COARSE * x + COARSE / 2).astype(np.float32) / height
        aspect = width / height
        sun_y, sun_x = rng.uniform(0, 0.25), rng.uniform(0.1, 0.9) * aspect
        radius = rng.uniform(0.04, 0.08)
        away = np.hypot(y - sun_y, x - sun_x)
        weight = strength / (1 + (away / (6 * strength * radius + 0.01)) ** 2)
        disc = _disc(away, radius, 0.2 * radius)
        weight = np.maximum(weight, min(1, 1.5 * strength) * disc)
        for _ in range(rng.integers(3, 6)):
            place = rng.uniform(0.4, 1.8)  # on the line through the sun and the middle
            flare_y = sun_y + place * (0.5 - sun_y)
            flare_x = sun_x + place * (aspect / 2 - sun_x)
            away = np.hypot(y - flare_y, x - flare_x)
            size = rng.uniform(0.015, 0.06)
            weight += strength * rng.uniform(0.05, 0.15) * _disc(away, size, 0.1 * size)
        weight = _fine(np.minimum(weight, 1), height, width)
        return each(frames, lambda image: blended(image, (255, 248, 230), weight))


@dataclasses.dataclass(frozen=True)
class Night(Weather):
    """Dark, less colourful, bluish and noisy; the noise is drawn for each frame."""

    min: float | int = 0.4
    max: float | int = 0.9
    p: float | int = 0.2

    def at(self, strength, frames, rng):
        tint = 1 - strength * np.array((0.7, 0.6, 0.45))
        dark = 255 * (LEVELS / 255) ** (1 + 0.6 * strength)
        dark = table(dark[:, None, None] * tint)

        def change(image: np.ndarray) -> np.ndarray:
            grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
            grey = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
            pale = cv2.addWeighted(image, 1 - 0.5 * strength, grey, 0.5 * strength, 0)
            return noisy(cv2.LUT(pale, dark), 8 * strength, rng)

        return each(frames, change)


def _disc(
    away: Float32[np.ndarray, "h w"], radius: float, soft: float
) -> Float32[np.ndarray, "h w"]:
    """1 inside of `radius`, 0 outside, over an edge of about `soft`."""
    return 1 / (1 + np.exp(np.clip((away - radius) / soft, -30, 30)))


def _fine(
    coarse: Float32[np.ndarray, "h w"], height: int, width: int
) -> Float32[np.ndarray, "H W"]:
    """The soft mask on the grid of the image."""
    fine = cv2.resize(coarse, None, fx=COARSE, fy=COARSE)
    return np.ascontiguousarray(fine[:height, :width], np.float32)
