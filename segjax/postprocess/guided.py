"""The guided filter: probabilities are smoothed within objects, not across edges."""

import dataclasses
from typing import ClassVar

import numpy as np
import scipy

from segjax.core.errors import raise_problems
from segjax.postprocess.step import Image, OfShares, Shares

TILE = 256
"""Least side of the pieces that are filtered at a time, which fit into the caches."""


@dataclasses.dataclass(frozen=True)
class Guided(OfShares):
    """In each window a class's probability is a linear function of the pixel's colour.

    That function is the least-squares one, with `eps` against steep ones; a pixel takes
    the mean of the functions of all windows that hold it. So its class changes where
    the colours do. Windows are cut at the border of the image. Values are cut to 0..1
    and scaled to add up to 1. The time does not depend on the radius.

    Attributes:
      radius: of the square window, of side `2 radius + 1`, in pixels.
      eps: added to the variances of R, G and B, which are from 0 to 1: edges whose
        variance is far above it stay, flatter ones are smoothed over.

    Source: He, Sun and Tang 2010, Guided image filtering, with the colour image as the
    guide (equations 19 to 21).
    """

    of_image: ClassVar[bool] = True
    radius: int
    eps: float | int = 1e-3

    def __post_init__(self):
        problems = []
        if self.radius < 1:
            problems.append(f"radius={self.radius}: must be 1 or more.")
        if not 0 < self.eps < float("inf"):
            problems.append(f"eps={self.eps}: must be above 0, and finite.")
        raise_problems(problems)

    def shares(self, shares: Shares, image: Image | None) -> Shares:
        """They add up to 1."""
        height, width, _ = shares.shape
        found, reach = np.empty_like(shares), 2 * self.radius
        side = max(TILE, 4 * reach)
        for top in range(0, height, side):
            for left in range(0, width, side):
                # All that a tile depends on is no farther than two windows.
                y, x = max(0, top - reach), max(0, left - reach)
                seen = np.s_[y : top + side + reach, x : left + side + reach]
                own = np.s_[top - y :, left - x :]
                tile = found[top : top + side, left : left + side]
                filtered = _filter(shares[seen], image[seen], self.radius, self.eps)
                tile[:] = filtered[own][: tile.shape[0], : tile.shape[1]]
        return found


def _filter(shares: Shares, image: Image, radius: int, eps: float | int) -> Shares:
    """The same of a piece of an image."""
    guide = np.moveaxis(image, -1, 0) / 255.0
    inside = _windows(np.ones(image.shape[:2]), radius)

    def mean(values):
        return _windows(values, radius) / inside

    middle = mean(guide)
    spread = mean(guide[:, None] * guide) - middle[:, None] * middle
    spread[np.arange(3), np.arange(3)] += eps
    inverse = np.linalg.inv(spread.transpose(2, 3, 0, 1)).transpose(2, 3, 0, 1)
    inside, guide, middle, inverse = (
        np.ascontiguousarray(a, np.float32) for a in (inside, guide, middle, inverse)
    )
    found = np.empty(shares.shape, np.float32)
    for k in range(shares.shape[-1]):
        share = np.ascontiguousarray(shares[..., k])
        level = mean(share)
        together = mean(guide * share) - middle * level
        slope = sum(inverse[:, j] * together[j] for j in range(3))
        offset = level - (slope * middle).sum(0)
        found[..., k] = (mean(slope) * guide).sum(0) + mean(offset)
    found = found.clip(0, 1)
    return found / found.sum(-1, keepdims=True)


def _windows(values: np.ndarray, radius: int) -> np.ndarray:
    """Over the window about each pixel of the last two axes, with 0 outside."""
    axes, size = (-2, -1), 2 * radius + 1
    return scipy.ndimage.uniform_filter(values, size, mode="constant", axes=axes)
