"""Ops that change colours: the label and the places of pixels stay.

Of images other than 8-bit RGB, `brightness` and `contrast` change each channel by
itself; the others are for RGB alone. A clip changes as one picture: all frames alike,
about their common mean. `brightness`, `contrast`, `saturation` and `hue` do alone what
`color_jitter` does in their order.
"""

import dataclasses
from typing import Any, ClassVar

import cv2
import grain
import numpy as np

from segjax.core.keys import IMAGE
from segjax.data.ops.photometric import (
    FixedPhotometric,
    Kind,
    Photometric,
    as_one,
    is_rgb,
    refuse_outside,
    table,
    toned,
)


@dataclasses.dataclass(frozen=True)
class ColorJitter(grain.transforms.RandomMap):
    """Change brightness, contrast, saturation and hue at random, in this order.

    Attributes:
      brightness: the image is multiplied by a factor uniform in `1 +- brightness`.
      contrast: differences from the image's mean grey, likewise.
      saturation: differences from each pixel's own grey, likewise.
      hue: the hue turns by a share of the circle uniform in `+- hue`, at most 0.5.
    """

    IMAGES: ClassVar[Kind] = "rgb"

    brightness: float | int = 0.25
    contrast: float | int = 0.25
    saturation: float | int = 0.25
    hue: float | int = 0.02

    def __post_init__(self):
        refuse_outside(
            self, brightness=(0, 1), contrast=(0, 1), saturation=(0, 1), hue=(0, 0.5)
        )

    def random_map(
        self, example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """Always draws four numbers, so that one strength does not move the others."""
        u = rng.uniform(-1, 1, 4)
        # OpenCV knows pictures alone: a clip lies before it as one tall picture
        image = example[IMAGE].reshape(-1, *example[IMAGE].shape[-2:])
        image = _toned(image, 1 + self.brightness * u[0], 1 + self.contrast * u[1])
        image = _saturated(image, 1 + self.saturation * u[2])
        image = _turned(image, round(256 * self.hue * u[3]))
        return {**example, IMAGE: image.reshape(example[IMAGE].shape)}


@dataclasses.dataclass(frozen=True)
class Scaled(Photometric):
    """A colour op that multiplies something by a factor uniform in `1 +- strength`."""

    strength: float | int = 0.25
    p: float | int = 1.0

    def __post_init__(self):
        refuse_outside(self, strength=(0, 1), p=(0, 1))

    def changed(self, frames, rng):
        """The frames, as one picture, with the factor that is drawn."""
        factor = 1 + self.strength * rng.uniform(-1, 1)
        if not is_rgb(frames):
            return self.other(frames, factor)
        return as_one(frames, lambda image: self.scaled(image, factor))


class Brightness(Scaled):
    """Multiply the image by a factor uniform in `1 +- strength`."""

    IMAGES: ClassVar[Kind] = "all"

    def other(self, frames, factor):
        """Images of another kind at one factor."""
        return toned(frames, factor, 1)

    def scaled(self, image, factor):
        """The image `(N, W, 3)` at one factor."""
        return _toned(image, factor, 1)


class Contrast(Scaled):
    """Multiply differences from the mean grey by a factor in `1 +- strength`."""

    IMAGES: ClassVar[Kind] = "all"

    def other(self, frames, factor):
        """Images of another kind at one factor, about the mean of each channel."""
        return toned(frames, 1, factor)

    def scaled(self, image, factor):
        """The image `(N, W, 3)` at one factor."""
        return _toned(image, 1, factor)


class Saturation(Scaled):
    """Multiply differences from each pixel's grey by a factor in `1 +- strength`."""

    def scaled(self, image, factor):
        """The image `(N, W, 3)` at one factor."""
        return _saturated(image, factor)


@dataclasses.dataclass(frozen=True)
class Hue(Photometric):
    """Turn the hue by a share of the circle uniform in `+- strength`, at most 0.5."""

    strength: float | int = 0.02
    p: float | int = 1.0

    def __post_init__(self):
        refuse_outside(self, strength=(0, 0.5), p=(0, 1))

    def changed(self, frames, rng):
        steps = round(256 * self.strength * rng.uniform(-1, 1))
        return as_one(frames, lambda image: _turned(image, steps))


@dataclasses.dataclass(frozen=True)
class Grey(FixedPhotometric):
    """Each pixel's grey in all three channels: `0.299 R + 0.587 G + 0.114 B`."""

    def changed(self, frames):
        return as_one(frames, _grey)


@dataclasses.dataclass(frozen=True)
class RandomGrey(Photometric):
    """The same with probability `p`, so that a model does not lean on colour."""

    p: float | int = 0.1

    def changed(self, frames, rng):
        return as_one(frames, _grey)


@dataclasses.dataclass(frozen=True)
class ChannelShuffle(Photometric):
    """Put the three channels in a random order, each of the six as likely."""

    p: float | int = 0.5

    def changed(self, frames, rng):
        return np.ascontiguousarray(frames[..., rng.permutation(3)])


def _toned(
    image: np.ndarray, brightness: float | int, contrast: float | int
) -> np.ndarray:
    """Both factors in one table of 256 entries, so that rounding happens once."""
    grey = brightness * cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).mean()
    levels = brightness * np.arange(256)
    return cv2.LUT(image, table(grey + contrast * (levels - grey)))


def _saturated(image: np.ndarray, factor: float) -> np.ndarray:
    return cv2.addWeighted(image, factor, _grey(image), 1 - factor, 0)


def _grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def _turned(image: np.ndarray, steps: int) -> np.ndarray:
    """The hue turned by `steps` of 256 round the circle."""
    if steps == 0:
        return image
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    hsv[..., 0] += np.uint8(steps % 256)  # wraps round, as hues do
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)
