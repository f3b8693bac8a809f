"""Basins between edges, named by their colours and places."""

import dataclasses

import numpy as np
from jaxtyping import Float32, Int

from segjax.baselines.examples import low
from segjax.baselines.regions import Divider
from segjax.core.errors import raise_problems


@dataclasses.dataclass(frozen=True)
class Watershed(Divider):
    """The strength of edges as a relief, flooded from each of its minima.

    Source: edges Sobel, Feldman, A 3x3 Isotropic Gradient Operator, 1968; flooding
    Vincent, Soille, Watersheds in Digital Spaces, 1991; both of scikit-image.
    Differs: the strongest channel is the edge; basins are named, by `regions.Regions`.

    Attributes:
      sigma: of the Gaussian that smooths the image before, in pixels; larger makes
        larger basins.
      place: see `kmeans.KMeans`.
    """

    sigma: float | int = 1.0
    place: float | int = 1.0

    def __post_init__(self):
        raise_problems(low(self, sigma=0, place=0))

    def divide(self, image: Float32[np.ndarray, "H W C"]) -> Int[np.ndarray, "H W"]:
        """The basins of an image."""
        from scipy import ndimage
        from skimage import filters, segmentation

        smooth = [
            ndimage.gaussian_filter(image[..., c], self.sigma)
            for c in range(image.shape[-1])
        ]
        edges = np.max([filters.sobel(channel) for channel in smooth], axis=0)
        basins = segmentation.watershed(edges)
        return basins - basins.min()  # from 1, but for a flat image from 0
