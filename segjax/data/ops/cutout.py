"""Holes in the image, so that the network learns to look at what is round them."""

import dataclasses
from typing import Any

import numpy as np

from segjax.core.errors import raise_problems
from segjax.core.keys import IGNORE, IMAGE, LABEL
from segjax.core.pixels import RGB, Pixels
from segjax.data.ops.base import PROBABILITY, Sometimes, outside
from segjax.data.ops.geometry import fill


@dataclasses.dataclass(frozen=True)
class Cutout(Sometimes):
    """Fill squares at random places, the same in all frames of a clip.

    Attributes:
      holes: how many; they may overlap, and stick out of the image.
      size: side of a hole as a share of the image's shorter side.
      fill: RGB of the holes in 8-bit RGB images; None for `geometry.fill`, which is
        the mean colour of ImageNet there, and the image's own mean elsewhere.
      ignore: whether the label in a hole becomes `IGNORE`, so that nothing is learnt
        there; else the network is taught to guess what the hole hides.
      p: the probability.

    Source: DeVries, Taylor, Cutout, 2017, arXiv 1708.04552, section 3.
    Differs: there the label is one of the whole image, and stays.
    """

    holes: int = 1
    size: float | int = 0.25
    fill: tuple[int, int, int] | None = None
    ignore: bool = True
    p: float | int = 0.5

    def __post_init__(self):
        found = outside(self, holes=(1, 1000), size=(0, 1), p=PROBABILITY)
        if not all(0 <= level <= 255 for level in self.fill or ()):
            found.append(f"fill={self.fill}: must be three levels in [0, 255].")
        raise_problems(found)

    def pixel_problems(self, pixels: Pixels) -> list[str]:
        """A colour is for RGB alone."""
        if self.fill is None or pixels == RGB:
            return []
        return [f"fill={self.fill}: is for 8-bit RGB images. Leave it out."]

    def change(
        self, example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """The size stays."""
        out = {**example, IMAGE: example[IMAGE].copy()}
        if LABEL in example:
            out[LABEL] = example[LABEL].copy()
        shape = example[IMAGE].shape[-3:-1]
        side = max(1, round(self.size * min(shape)))
        level = fill(example[IMAGE]) if self.fill is None else self.fill
        for _ in range(self.holes):
            starts = [int(rng.integers(full)) - side // 2 for full in shape]
            hole = tuple(slice(max(at, 0), at + side) for at in starts)
            out[IMAGE][..., *hole, :] = level
            if self.ignore and LABEL in out:
                out[LABEL][..., *hole] = IGNORE
        return out
