"""Ops that add what a camera and its compression add: noise, dead pixels, JPEG."""

import dataclasses
from typing import ClassVar

import cv2
import numpy as np
from jaxtyping import UInt8

from segjax.data.ops.photometric import (
    Kind,
    Photometric,
    each,
    is_rgb,
    kept,
    refuse_outside,
)


@dataclasses.dataclass(frozen=True)
class Noise(Photometric):
    """Add independent Gaussian noise to each value, anew for each frame.

    Attributes:
      max: the standard deviation is uniform in `0..max`, in levels of 0..255; in 16
        bits a level is 257 of them, so 12 bits stored in 16 want a sixteenth.
      p: probability.
    """

    IMAGES: ClassVar[Kind] = "integers"

    max: float | int = 10.0
    p: float | int = 0.5

    def __post_init__(self):
        refuse_outside(self, max=(0, 255), p=(0, 1))

    def changed(self, frames, rng):
        std = rng.uniform(0, self.max)
        if not is_rgb(frames):
            std *= np.iinfo(frames.dtype).max / 255
            added = np.float32(std) * rng.standard_normal(frames.shape, np.float32)
            return kept(frames + added, frames.dtype)
        return each(frames, lambda image: noisy(image, std, rng))


@dataclasses.dataclass(frozen=True)
class SaltAndPepper(Photometric):
    """Turn single pixels white or black, as likely, others in each frame.

    Attributes:
      max: the share of the pixels that turn is uniform in `0..max`.
      p: probability.
    """

    max: float | int = 0.02
    p: float | int = 0.5

    def __post_init__(self):
        refuse_outside(self, max=(0, 1), p=(0, 1))

    def changed(self, frames, rng):
        share = rng.uniform(0, self.max)
        out = frames.copy()
        for frame in out.reshape(len(out), -1, 3):  # views
            number = rng.binomial(len(frame), share)
            places = rng.choice(len(frame), number, replace=False, shuffle=False)
            frame[places] = 255 * rng.integers(0, 2, (number, 1), np.uint8)
        return out


@dataclasses.dataclass(frozen=True)
class Jpeg(Photometric):
    """Compress as JPEG and back; the quality is uniform in `min..max` of 1..100."""

    min: int = 30
    max: int = 95
    p: float | int = 0.5

    def __post_init__(self):
        refuse_outside(self, min=(1, 100), max=(1, 100), p=(0, 1))

    def changed(self, frames, rng):
        quality = int(rng.integers(self.min, self.max + 1))

        def change(image: np.ndarray) -> np.ndarray:
            # OpenCV's files are BGR; in another order the chroma would be wrong
            swapped = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
            _, file = cv2.imencode(".jpg", swapped, [cv2.IMWRITE_JPEG_QUALITY, quality])
            return cv2.cvtColor(cv2.imdecode(file, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

        return each(frames, change)


def noisy(
    image: UInt8[np.ndarray, "H W 3"], std: float | int, rng: np.random.Generator
) -> UInt8[np.ndarray, "H W 3"]:
    """`image` with Gaussian noise of `std` levels, rounded and kept in 0..255."""
    added = np.empty(image.shape, np.int16)
    # OpenCV's generator is four times as fast as numpy's; each thread has its own
    cv2.setRNGSeed(int(rng.integers(2**31)))
    cv2.randn(added, (0, 0, 0), (std, std, std))
    return cv2.add(image, added, dtype=cv2.CV_8U)
