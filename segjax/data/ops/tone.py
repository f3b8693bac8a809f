"""Ops that move grey levels: gamma, histograms, few levels. What is where stays.

`equalize`, `clahe` and `stretch` draw nothing, so they may also prepare the images of
evaluation. All but `clahe` are one table of 256 entries, measured over the whole clip.
"""

import dataclasses
from typing import ClassVar

import cv2
import numpy as np
from jaxtyping import UInt8

from segjax.data.ops.photometric import (
    LEVELS,
    FixedPhotometric,
    Kind,
    Photometric,
    as_one,
    each,
    kept,
    refuse_outside,
    table,
)


@dataclasses.dataclass(frozen=True)
class Gamma(Photometric):
    """`255 * (v / 255) ** gamma`: below 1 brightens, above 1 darkens.

    Gamma is uniform in its logarithm, so that 1/2 and 2 are equally far from 1. In 16
    bits 65535 stands for 255.
    """

    IMAGES: ClassVar[Kind] = "integers"

    min: float | int = 0.7
    max: float | int = 1.5
    p: float | int = 1.0

    def __post_init__(self):
        refuse_outside(self, min=(0.1, 10), max=(0.1, 10), p=(0, 1))

    def changed(self, frames, rng):
        gamma = np.exp(rng.uniform(np.log(self.min), np.log(self.max)))
        if frames.dtype != np.uint8:
            full = np.float32(np.iinfo(frames.dtype).max)
            return kept(full * (frames / full) ** np.float32(gamma), frames.dtype)
        levels = table(255 * (LEVELS / 255) ** gamma)
        return as_one(frames, lambda image: cv2.LUT(image, levels))


@dataclasses.dataclass(frozen=True)
class Equalize(FixedPhotometric):
    """Spread the histogram of the luma over 0..255; the chroma of YCrCb stays.

    A grey image becomes what `cv2.equalizeHist` makes of it.
    """

    def changed(self, frames):
        return as_one(frames, _equalized)


@dataclasses.dataclass(frozen=True)
class Clahe(FixedPhotometric):
    """Contrast limited adaptive histogram equalisation of the lightness of CIELAB.

    Source: Zuiderveld, Contrast Limited Adaptive Histogram Equalization, Graphics Gems
      IV, 1994; as OpenCV's `createCLAHE`.

    Attributes:
      clip_limit: of a tile's histogram, in multiples of its mean.
      tiles: tiles a side; each frame of a clip has its own.
    """

    clip_limit: float | int = 2.0
    tiles: int = 8

    def __post_init__(self):
        refuse_outside(self, clip_limit=(0.1, 100), tiles=(1, 64))

    def changed(self, frames):
        clahe = cv2.createCLAHE(self.clip_limit, (self.tiles, self.tiles))

        def change(image: np.ndarray) -> np.ndarray:
            lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
            cv2.insertChannel(clahe.apply(cv2.extractChannel(lab, 0)), lab, 0)
            return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)

        return each(frames, change)


@dataclasses.dataclass(frozen=True)
class Stretch(FixedPhotometric):
    """Stretch contrast: percentiles `low` and `high` of all values become 0 and 255.

    The three channels share one table, so greys stay grey. Percentiles are values that
    occur (numpy's method `inverted_cdf`); an image with one value alone stays.
    """

    low: float | int = 1.0
    high: float | int = 99.0

    def __post_init__(self):
        refuse_outside(self, low=(0, 50), high=(50, 100))

    def changed(self, frames):
        return _stretched(frames, self.low, self.high)


@dataclasses.dataclass(frozen=True)
class RandomStretch(Photometric):
    """The same with `low` uniform in `[0, max]` and `high` in `[100 - max, 100]`."""

    max: float | int = 5.0
    p: float | int = 0.5

    def __post_init__(self):
        refuse_outside(self, max=(0, 50), p=(0, 1))

    def changed(self, frames, rng):
        low, high = self.max * rng.random(2)
        return _stretched(frames, low, 100 - high)


@dataclasses.dataclass(frozen=True)
class Posterize(Photometric):
    """Keep the highest bits of each value, their number uniform in `min..max`."""

    min: int = 4
    max: int = 7
    p: float | int = 0.5

    def __post_init__(self):
        refuse_outside(self, min=(1, 8), max=(1, 8), p=(0, 1))

    def changed(self, frames, rng):
        bits = int(rng.integers(self.min, self.max + 1))
        return frames & np.uint8(256 - 2 ** (8 - bits))


@dataclasses.dataclass(frozen=True)
class Solarize(Photometric):
    """Invert the values from a threshold up, which is uniform in `min..max`."""

    min: int = 128
    max: int = 255
    p: float | int = 0.5

    def __post_init__(self):
        refuse_outside(self, min=(0, 255), max=(0, 255), p=(0, 1))

    def changed(self, frames, rng):
        threshold = int(rng.integers(self.min, self.max + 1))
        levels = table(np.where(threshold > LEVELS, LEVELS, 255 - LEVELS))
        return as_one(frames, lambda image: cv2.LUT(image, levels))


def _equalized(image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
    cv2.insertChannel(cv2.equalizeHist(cv2.extractChannel(luma, 0)), luma, 0)
    return cv2.cvtColor(luma, cv2.COLOR_YCrCb2RGB)


def _stretched(
    frames: UInt8[np.ndarray, "T H W 3"], low: float | int, high: float | int
) -> UInt8[np.ndarray, "T H W 3"]:
    below = np.cumsum(np.bincount(frames.ravel(), minlength=256))
    first, last = (
        int(np.searchsorted(below, max(1, share / 100 * below[-1])))
        for share in (low, high)
    )
    if first == last:
        return frames
    levels = table((LEVELS - first) * (255 / (last - first)))
    return as_one(frames, lambda image: cv2.LUT(image, levels))
