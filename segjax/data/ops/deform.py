"""Smooth random deformations: every place moves a little, its neighbours alike."""

import dataclasses
import math
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32

from segjax.core.errors import raise_problems
from segjax.core.keys import IMAGE
from segjax.data.ops.base import PROBABILITY, Sometimes, outside
from segjax.data.ops.warp import sample


@dataclasses.dataclass(frozen=True)
class Elastic(Sometimes):
    """Move each pixel by noise that a Gaussian has smoothed.

    The noise is uniform in `+- 1`, so the displacement along an axis has a standard
    deviation of `0.163 * alpha / sigma` pixels (4.1 by default), and its slope one of
    `0.115 * alpha / sigma**2` (0.24 by default). The image folds where the slope is
    beyond -1, so `alpha` is at most `3 * sigma**2`, where that is three deviations off.

    Attributes:
      alpha: the smoothed noise is multiplied by this many pixels.
      sigma: standard deviation of the Gaussian in pixels, so the size of the bulges.
      p: the probability.

    Source: Simard, Steinkraus, Platt, Best Practices for Convolutional Neural Networks
    Applied to Visual Document Analysis, 2003, section 2 (there 34 and 4, on 29x29).
    Differs: the field is mirrored at the edge of the image while it is smoothed. From
    a `sigma` of 8 up it is drawn on a grid of a quarter of it or finer, and enlarged.
    """

    alpha: float | int = 300
    sigma: float | int = 12
    p: float | int = 0.5

    def __post_init__(self):
        found = outside(self, alpha=(0, math.inf), sigma=(1, 200), p=PROBABILITY)
        if not found and self.alpha > 3 * self.sigma**2:
            found.append(
                f"alpha={self.alpha}, sigma={self.sigma}: fold the image over itself; "
                f"alpha must be at most 3 * sigma**2 = {3 * self.sigma**2:g}."
            )
        raise_problems(found)

    def change(
        self, example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """The size stays."""
        height, width = example[IMAGE].shape[-3:-1]
        step = max(1, int(self.sigma / 4))
        shape = -(-height // step), -(-width // step), 2
        noise = 2 * rng.random(shape, np.float32) - 1
        field = cv2.GaussianBlur(
            noise, (0, 0), self.sigma / step, borderType=cv2.BORDER_REFLECT
        )
        # fewer numbers under the Gaussian cancel less: `step` times as much is left
        field *= self.alpha / step
        if step > 1:
            field = cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
        return displace(example, field)


@dataclasses.dataclass(frozen=True)
class GridDistortion(Sometimes):
    """Move the cells of a coarse grid at random, and what lies between smoothly.

    Attributes:
      cells: along each axis.
      strength: standard deviation of a cell's displacement, in sides of the cell.
      p: the probability.

    Source: Ronneberger, Fischer, Brox, U-Net, 2015, arXiv 1505.04597, section 3.1:
    3x3 vectors, Gaussian, interpolated bicubically.
    Differs: there the standard deviation is 10 pixels whatever the size, which is 0.06
    of a cell of their 512x512 images.
    """

    cells: int = 3
    strength: float | int = 0.06
    p: float | int = 0.5

    def __post_init__(self):
        raise_problems(outside(self, cells=(2, 64), strength=(0, 0.25), p=PROBABILITY))

    def change(
        self, example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """The size stays."""
        height, width = example[IMAGE].shape[-3:-1]
        side = np.array([width, height]) / self.cells
        vectors = side * rng.normal(0, self.strength, (self.cells, self.cells, 2))
        field = cv2.resize(
            vectors.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
        )
        return displace(example, field)


def displace(
    example: dict[str, Any], field: Float32[np.ndarray, "H W 2"]
) -> dict[str, Any]:
    """The example with each pixel taken from `(x, y)` of the field away, in pixels."""
    height, width = field.shape[:2]
    x = np.arange(width, dtype=np.float32) + 0.5
    y = (np.arange(height, dtype=np.float32) + 0.5)[:, None]
    return sample(example, x + field[..., 0], y + field[..., 1])
