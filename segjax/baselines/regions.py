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


class Divider:
    """A baseline that divides an image into regions and names them.

    Who derives from it is a dataclass with `place`, see `kmeans.KMeans`, and `divide`.
    """

    place: float | int
    divide: Divide

    def fit(
        self, source: Examples, *, seed: int = 0, progress: Progress = None
    ) -> Regions:
        """Learn what the classes look like.

        Raises:
          UserError: no pixel is labelled.
        """
        colours = colour.fit(
            source, clusters=CLUSTERS, weight=self.place, seed=seed, progress=progress
        )
        pixels = int(colours.counts.sum())
        facts = {"clusters": len(colours.centres), "pixels": pixels}
        return Regions(self.divide, colours, facts)
