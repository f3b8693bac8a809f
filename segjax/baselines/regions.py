"""Regions of an image, named by the colours and places of their pixels."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float32, Int, UInt8

from segjax.baselines import colour
from segjax.baselines.examples import Examples, Image, Progress

Divide = Callable[[Float32[np.ndarray, "H W C"]], Int[np.ndarray, "H W"]]
"""An image whose channels have a standard deviation of 1/4 -> the number of the region
of each pixel, from 0 without gaps."""

CLUSTERS = 256
"""Of the model that names regions."""


@dataclasses.dataclass(frozen=True, eq=False)
class Regions:
    """A way to divide an image, and what its pixels look like."""

    divide: Divide
    colours: colour.Colours
    facts: dict[str, Any]

    def __call__(self, image: Image) -> UInt8[np.ndarray, "H W"]:
        """Each region as the class that its pixels have the largest share of.

        The shares of a pixel are those of the training pixels in its cluster.
        """
        from scipy import sparse

        regions = self.divide(self.colours.even(image))
        clusters = self.colours.clusters(image)
        ones = np.ones(regions.size, np.float32)
        pairs = (regions.ravel(), clusters.ravel())
        shape = (int(regions.max()) + 1, len(self.colours.centres))
        votes = sparse.coo_matrix((ones, pairs), shape).tocsr() @ self.colours.shares
        return votes.argmax(1).astype(np.uint8)[regions]


def fit(
    source: Examples,
    divide: Divide,
    *,
    place: float | int,
    seed: int,
    progress: Progress = None,
) -> Regions:
    """Learn what the classes look like.

    Raises:
      UserError: no pixel is labelled.
    """
    colours = colour.fit(
        source, clusters=CLUSTERS, weight=place, seed=seed, progress=progress
    )
    facts = {"clusters": len(colours.centres), "pixels": int(colours.counts.sum())}
    return Regions(divide, colours, facts)
