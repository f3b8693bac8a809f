"""Clusters of colour and place, each named by its commonest training class."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import UInt8

from segjax.baselines import colour
from segjax.baselines.examples import Examples, Image, Progress, low
from segjax.core.errors import raise_problems


@dataclasses.dataclass(frozen=True)
class KMeans:
    """What a pixel is by its own colour and place, and by nothing around it.

    Source: Lloyd, Least Squares Quantization in PCM, 1982; in small batches Sculley,
    Web-Scale K-Means Clustering, 2010; of scikit-learn.
    Differs: clusters are of pixels of the training split, not of one image, so that
    each can be named.

    Attributes:
      clusters: how many.
      place: weight of row and column beside the channels, which have a standard
        deviation of 1; 0 for colour alone.
    """

    clusters: int = 64
    place: float | int = 1.0

    def __post_init__(self):
        raise_problems(low(self, clusters=1, place=0))

    def fit(
        self, source: Examples, *, seed: int = 0, progress: Progress = None
    ) -> "Named":
        """Cluster pixels of the training images and name the clusters.

        Raises:
          UserError: no pixel is labelled.
        """
        found = colour.fit(
            source,
            clusters=self.clusters,
            weight=self.place,
            seed=seed,
            progress=progress,
        )
        ids = found.shares.argmax(1).astype(np.uint8)
        names = source.info.class_names
        facts = {
            "clusters": {names[k]: int((ids == k).sum()) for k in np.unique(ids)},
            "pixels": int(found.counts.sum()),
        }
        return Named(found, ids, facts)


@dataclasses.dataclass(frozen=True, eq=False)
class Named:
    """Clusters with a class each."""

    colours: colour.Colours
    ids: UInt8[np.ndarray, "M"]
    facts: dict[str, Any]

    def __call__(self, image: Image) -> UInt8[np.ndarray, "H W"]:
        """The class of the cluster that each pixel is nearest to."""
        return self.ids[self.colours.clusters(image)]
