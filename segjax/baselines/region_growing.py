"""Regions that grow from every pixel, named by their colours and places."""

import dataclasses
import warnings

import numpy as np
from jaxtyping import Float32, Int

from segjax.baselines.examples import low
from segjax.baselines.regions import Divider
from segjax.core.errors import raise_problems


@dataclasses.dataclass(frozen=True)
class RegionGrowing(Divider):
    """Every pixel is a seed; two regions become one where the edge between them is no
    stronger than those within them.

    Source: Felzenszwalb, Huttenlocher, Efficient Graph-Based Image Segmentation, 2004;
    of scikit-image.
    Differs: an image is first scaled to channels with the same standard deviation over
    the training split; regions are named, by `regions.Regions`.

    Attributes:
      scale: larger makes larger regions.
      sigma: of the Gaussian that smooths the image before, in pixels.
      min_size: regions of fewer pixels join a neighbour.
      place: see `kmeans.KMeans`.
    """

    scale: float | int = 100
    sigma: float | int = 0.8
    min_size: int = 20
    place: float | int = 1.0

    def __post_init__(self):
        raise_problems(low(self, scale=0, sigma=0, min_size=1, place=0))

    def divide(self, image: Float32[np.ndarray, "H W C"]) -> Int[np.ndarray, "H W"]:
        """The regions of an image."""
        from skimage import segmentation

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Got image with third dimension")
            return segmentation.felzenszwalb(
                image,
                scale=self.scale,
                sigma=self.sigma,
                min_size=self.min_size,
                channel_axis=-1,
            )
