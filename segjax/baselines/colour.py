"""A model of colour and place: clusters of training pixels and who is in them."""

import dataclasses

import numpy as np
from jaxtyping import Float, Float32, Float64, Int, Int64

from segjax.baselines import sample
from segjax.baselines.examples import Examples, Image, Progress

PIXELS = 100_000
"""Training pixels that clusters are made of."""


@dataclasses.dataclass(frozen=True, eq=False)
class Colours:
    """Clusters of pixels that are alike in colour and place.

    Attributes:
      mean: of each channel over the training pixels.
      std: their standard deviation; 1 for a channel of one value.
      weight: of the place, in standard deviations of a channel.
      centres: of the clusters, in standard deviations, the place last.
      counts: training pixels of each class in each cluster.
    """

    mean: Float32[np.ndarray, "C"]
    std: Float32[np.ndarray, "C"]
    weight: float | int
    centres: Float[np.ndarray, "M F"]
    counts: Int64[np.ndarray, "M K"]

    @property
    def shares(self) -> Float64[np.ndarray, "M K"]:
        """Share of each class in each cluster, one pixel of the whole split added."""
        total = self.counts.sum(0) / self.counts.sum()
        return (self.counts + total) / (self.counts.sum(1, keepdims=True) + 1)

    def clusters(self, image: Image) -> Int[np.ndarray, "H W"]:
        """The cluster that each pixel is nearest to."""
        every = np.arange(image.shape[0] * image.shape[1])
        values = features(image, every)
        return nearest(self._scaled(values), self.centres).reshape(image.shape[:2])

    def even(self, image: Image) -> Float32[np.ndarray, "H W C"]:
        """The image with channels of standard deviation 1/4, whatever its depth."""
        return (image.astype(np.float32) - self.mean) / (4 * self.std) + 0.5

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        return scaled(values, self.mean, self.std, self.weight)


def fit(
    source: Examples,
    *,
    clusters: int,
    weight: float | int,
    seed: int,
    progress: Progress = None,
) -> Colours:
    """Cluster pixels of a training split.

    Source: Sculley, Web-Scale K-Means Clustering, 2010; of scikit-learn.

    Args:
      source: the split.
      clusters: how many; fewer where there are fewer different pixels.
      weight: of the place beside a channel; 0 for colour alone.
      seed: of the draw of pixels and of the first centres.
      progress: see `Examples`.

    Raises:
      UserError: no pixel is labelled.
    """
    import threadpoolctl
    from sklearn.cluster import MiniBatchKMeans

    X, y, _ = sample.draw(source, features, number=PIXELS, seed=seed, progress=progress)
    mean, std = X[:, :-2].mean(0), X[:, :-2].std(0)
    std = np.where(std > 0, std, 1).astype(np.float32)
    X = scaled(X, mean, std, weight)
    different = len(np.unique(X, axis=0))
    with threadpoolctl.threadpool_limits(1):  # sums in one order on any machine
        found = MiniBatchKMeans(
            min(clusters, different), random_state=seed, n_init=3, batch_size=4096
        ).fit(X)
    centres = found.cluster_centers_
    K, M = source.info.num_classes, len(centres)
    pairs = nearest(X, centres).astype(np.int64) * K + y
    counts = np.bincount(pairs, minlength=M * K).reshape(M, K)
    return Colours(mean, std, weight, centres, counts)


def features(image: Image, chosen: Int[np.ndarray, "N"]) -> Float32[np.ndarray, "N F"]:
    """Channels and place of some pixels."""
    values = image.reshape(-1, image.shape[-1])[chosen].astype(np.float32)
    return np.concatenate([values, sample.place(image.shape, chosen)], axis=1)


def scaled(values, mean, std, weight: float | int) -> Float32[np.ndarray, "N F"]:
    """Features in standard deviations, with the place at its weight."""
    colour = (values[:, :-2] - mean) / std
    return np.concatenate([colour, values[:, -2:] * np.float32(weight)], axis=1)


def nearest(
    points: Float[np.ndarray, "N F"], centres: Float[np.ndarray, "M F"]
) -> Int[np.ndarray, "N"]:
    """The centre next to each point; the first of equals."""
    from scipy.spatial import KDTree

    return KDTree(centres).query(points)[1]
