"""Ops that blur and sharpen; no pixel's content is shifted, so the label fits still."""

import dataclasses
from typing import ClassVar

import cv2
import numpy as np
from jaxtyping import UInt8

from segjax.data.ops.photometric import Kind, Photometric, each, refuse_outside


@dataclasses.dataclass(frozen=True)
class Blur(Photometric):
    """Gaussian blur; its standard deviation is uniform in `min..max` pixels."""

    IMAGES: ClassVar[Kind] = "all"

    min: float | int = 0.3
    max: float | int = 1.5
    p: float | int = 0.5

    def __post_init__(self):
        refuse_outside(self, min=(0.01, 50), max=(0.01, 50), p=(0, 1))

    def changed(self, frames, rng):
        sigma = rng.uniform(self.min, self.max)
        return each(frames, lambda image: cv2.GaussianBlur(image, (0, 0), sigma))


@dataclasses.dataclass(frozen=True)
class MotionBlur(Photometric):
    """The mean along a straight line through each pixel, as when the camera moves.

    The length is an odd number of pixels uniform in `3..max`, the direction uniform.
    """

    max: int = 11
    p: float | int = 0.5

    def __post_init__(self):
        refuse_outside(self, max=(3, 101), p=(0, 1))

    def changed(self, frames, rng):
        half = int(rng.integers(1, (self.max - 1) // 2 + 1))
        angle = rng.uniform(0, np.pi)
        return each(frames, lambda image: smeared(image, half, angle))


@dataclasses.dataclass(frozen=True)
class Sharpen(Photometric):
    """Unsharp mask: the image plus `amount` of its difference from a blurred copy.

    Attributes:
      max: the amount is uniform in `0..max`.
      sigma: standard deviation of the blur, in pixels.
      p: probability.
    """

    max: float | int = 1.0
    sigma: float | int = 1.0
    p: float | int = 0.5

    def __post_init__(self):
        refuse_outside(self, max=(0, 10), sigma=(0.1, 50), p=(0, 1))

    def changed(self, frames, rng):
        amount = rng.uniform(0, self.max)

        def change(image: np.ndarray) -> np.ndarray:
            soft = cv2.GaussianBlur(image, (0, 0), self.sigma)
            return cv2.addWeighted(image, 1 + amount, soft, -amount, 0)

        return each(frames, change)


def smeared(
    image: UInt8[np.ndarray, "H W 3"], half: int, angle: float | int | int
) -> UInt8[np.ndarray, "H W 3"]:
    """The mean of `2 * half + 1` pixels on a line; borders are mirrored.

    The mean of shifted copies: `cv2.filter2D` goes through Fourier space for kernels
    above 11x11, which takes hundreds of times as long.
    """
    rows, columns = image.shape[:2]
    wide = cv2.copyMakeBorder(image, *[half] * 4, cv2.BORDER_REFLECT_101)
    total = np.zeros(image.shape, np.float32)
    for step in range(-half, half + 1):
        top = half + round(step * np.sin(angle))
        left = half + round(step * np.cos(angle))
        cv2.accumulate(wide[top : top + rows, left : left + columns], total)
    return cv2.convertScaleAbs(total, alpha=1 / (2 * half + 1))
