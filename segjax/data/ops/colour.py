"""Ops that change colours: the label and the places of pixels stay.

A clip `(T, H, W, 3)` changes as one picture: all frames alike, about their common mean.
"""

import dataclasses
from typing import Any

import cv2
import grain
import numpy as np

from segjax.core.errors import UserError
from segjax.core.keys import IMAGE


@dataclasses.dataclass(frozen=True)
class ColorJitter(grain.transforms.RandomMap):
    """Change brightness, contrast, saturation and hue at random, in this order.

    Attributes:
      brightness: the image is multiplied by a factor uniform in `1 +- brightness`.
      contrast: differences from the image's mean grey, likewise.
      saturation: differences from each pixel's own grey, likewise.
      hue: the hue turns by a share of the circle uniform in `+- hue`, at most 0.5.
    """

    brightness: float | int = 0.25
    contrast: float | int = 0.25
    saturation: float | int = 0.25
    hue: float | int = 0.02

    def __post_init__(self):
        for name in ("brightness", "contrast", "saturation"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{name}={getattr(self, name)}: must be in [0, 1].")
        if not 0 <= self.hue <= 0.5:
            raise UserError(f"hue={self.hue}: must be in [0, 0.5].")

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


def _toned(image: np.ndarray, brightness: float, contrast: float) -> np.ndarray:
    """Both factors in one table of 256 entries, so that rounding happens once."""
    grey = brightness * cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).mean()
    levels = brightness * np.arange(256)
    table = np.clip(np.round(grey + contrast * (levels - grey)), 0, 255)
    return cv2.LUT(image, table.astype(np.uint8))


def _saturated(image: np.ndarray, factor: float) -> np.ndarray:
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(image, factor, grey, 1 - factor, 0)


def _turned(image: np.ndarray, steps: int) -> np.ndarray:
    """The hue turned by `steps` of 256 round the circle."""
    if steps == 0:
        return image
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    hsv[..., 0] += np.uint8(steps % 256)  # wraps round, as hues do
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)
