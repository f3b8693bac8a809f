"""A dense CRF: each pixel asks all that look like it to be of its class."""

import dataclasses
from typing import ClassVar

import numpy as np

from segjax.core.errors import raise_problems
from segjax.postprocess import lattice, mean_field
from segjax.postprocess.step import Image, OfShares, Shares


@dataclasses.dataclass(frozen=True)
class Crf(OfShares):
    """Mean field of a dense CRF over the probabilities and the image.

    Two pixels that differ in their class cost `smoothness` times a Gaussian of their
    distance plus `appearance` times a Gaussian of distance and colour, both normalised
    symmetrically. The Gaussians are those of the permutohedral lattice, an
    approximation: see `docs/postprocess.md` for how far it is from the exact ones.

    Memory: about `16 K + 200` bytes a pixel beside the probabilities themselves; see
    `docs/postprocess.md` for what was measured.

    Attributes:
      iterations: steps of the mean field.
      smoothness: weight of the kernel of places, 0 to leave it out.
      smoothness_px: its standard deviation, in pixels.
      appearance: weight of the kernel of places and colours, 0 to leave it out.
      appearance_px: its standard deviation of places, in pixels.
      appearance_colour: its standard deviation of each of R, G and B, of 255.

    Source: Kraehenbuehl and Koltun 2011, Efficient inference in fully connected CRFs
    with Gaussian edge potentials, arXiv 1210.5644. Defaults are those of the example of
    pydensecrf.
    """

    of_image: ClassVar[bool] = True
    iterations: int = 5
    smoothness: float | int = 3
    smoothness_px: float | int = 3
    appearance: float | int = 10
    appearance_px: float | int = 80
    appearance_colour: float | int = 13

    def __post_init__(self):
        problems = []
        if self.iterations < 1:
            problems.append(f"iterations={self.iterations}: must be 1 or more.")
        for name in ("smoothness", "appearance"):
            if not 0 <= getattr(self, name) < float("inf"):
                problems.append(
                    f"{name}={getattr(self, name)}: must be 0 or more, and finite."
                )
        for name in ("smoothness_px", "appearance_px", "appearance_colour"):
            if not 1 <= getattr(self, name) < float("inf"):
                problems.append(
                    f"{name}={getattr(self, name)}: must be 1 or more, and finite."
                )
        if self.smoothness == self.appearance == 0:
            problems.append("smoothness=0, appearance=0: nothing is left to do.")
        raise_problems(problems)

    def shares(self, shares: Shares, image: Image | None) -> Shares:
        """They add up to 1."""
        lattices, strengths = [], []
        if self.smoothness:
            lattices.append(_lattice(image, self.smoothness_px))
            strengths.append(self.smoothness)
        if self.appearance:
            lattices.append(_lattice(image, self.appearance_px, self.appearance_colour))
            strengths.append(self.appearance)
        return mean_field.run(shares, lattices, strengths, self.iterations)


def _lattice(
    image: Image, px: float | int, colour: float | int | None = None
) -> lattice.Lattice:
    """Of the pixels' places, and of their colours where these have a width."""
    height, width, _ = image.shape
    flat = image.reshape(-1, 3)
    extent = [(width - 1) / px, (height - 1) / px]
    if colour is not None:
        extent += [255 / colour] * 3

    def features(pixels: np.ndarray) -> np.ndarray:
        found = np.empty((len(extent), len(pixels)), np.float32)
        rows, columns = np.divmod(pixels.astype(np.int32), np.int32(width))
        found[0], found[1] = columns, rows
        found[:2] /= np.float32(px)
        if colour is not None:
            found[2:] = flat[pixels].T
            found[2:] /= np.float32(colour)
        return found

    return lattice.build(features, height * width, extent)
