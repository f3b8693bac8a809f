"""Thresholds of one channel, found in each image from its histogram."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from segjax.baselines.examples import Examples, Image, Progress, each, low
from segjax.baselines.sample import unlabelled
from segjax.core.errors import UserError, raise_problems

BINS = 256
"""Of the histogram that thresholds are found in."""

MOST_REGIONS = 4
"""All combinations of thresholds are tried: five regions took 40 s an image."""

SURROUNDINGS = 32
"""What is flat has its surroundings taken away: a Gaussian mean whose standard
deviation is the shorter side over this."""


LESS = " less its surroundings"


@dataclasses.dataclass(frozen=True)
class Otsu:
    """Regions between thresholds that separate the values of an image best.

    The thresholds are of each image; what is learnt from the training images is which
    channel to take (grey, each of them, each of these less its surroundings) and which
    class a region is, both by the training mean IoU. Two classes take one threshold,
    and the darker or the brighter side is class 1. More classes take `regions` of
    several thresholds, each named by the class that most of its training pixels have.

    Source: Otsu, A Threshold Selection Method from Gray-Level Histograms, 1979; for
    more thresholds Liao, Chen, Chung, A Fast Algorithm for Multilevel Thresholding,
    2001; both of scikit-image.
    Differs: channel, surroundings and sides are chosen on training images.

    Attributes:
      regions: for more than two classes.
    """

    regions: int = 3

    def __post_init__(self):
        problems = low(self, regions=2)
        if self.regions > MOST_REGIONS:
            problems.append(
                f"Otsu: regions={self.regions}: must be {MOST_REGIONS} or less."
            )
        raise_problems(problems)

    def fit(
        self, source: Examples, *, seed: int = 0, progress: Progress = None
    ) -> "Thresholds":
        """Choose the channel and name the regions.

        Raises:
          UserError: no pixel is labelled.
        """
        del seed
        K = source.info.num_classes
        regions = 2 if K == 2 else self.regions
        counts: dict[str, np.ndarray] = {}
        for image, label in each(source, progress):
            valid = label < K
            for name in channels(image.shape[-1]):
                found = split(take(image, name), regions)
                region = found[valid].astype(np.int64)
                pairs = np.bincount(region * K + label[valid], minlength=regions * K)
                counts[name] = counts.get(name, 0) + pairs.reshape(regions, K)
        if not any(table.any() for table in counts.values()):
            raise UserError(unlabelled(source))
        named = [
            (_mean_iou(table, ids), name, ids)
            for name, table in counts.items()
            for ids in _namings(table)
        ]
        score, name, ids = max(named, key=lambda choice: choice[0])
        words = [source.info.class_names[k] for k in ids]
        facts = {
            "channel": name,
            "regions_from_dark_to_bright": words,
            "training_miou": round(score, 4),
        }
        return Thresholds(name, np.asarray(ids, np.uint8), facts)


@dataclasses.dataclass(frozen=True, eq=False)
class Thresholds:
    """A channel, and the classes of its regions from dark to bright."""

    channel: str
    ids: UInt8[np.ndarray, "R"]
    facts: dict[str, Any]

    def __call__(self, image: Image) -> UInt8[np.ndarray, "H W"]:
        """The classes between the image's own thresholds."""
        return self.ids[split(take(image, self.channel), len(self.ids))]


def channels(number: int) -> list[str]:
    """All that a threshold may be of, for images of so many channels."""
    plain = [f"channel {c}" for c in range(number)]
    plain = ["grey", *plain] if number > 1 else plain
    return [name + behind for name in plain for behind in ("", LESS)]


def take(image: Image, name: str) -> Float32[np.ndarray, "H W"]:
    """One of `channels`; grey is the plain mean, so that it is the same for any."""
    from scipy import ndimage

    plain = name.removesuffix(LESS)
    if plain == "grey":
        channel = image.mean(-1, dtype=np.float32)
    else:
        channel = image[..., int(plain.split()[1])].astype(np.float32)
    if name == plain:
        return channel
    sigma = min(channel.shape) / SURROUNDINGS
    return channel - ndimage.gaussian_filter(channel, sigma)


def split(
    channel: Float32[np.ndarray, "H W"], regions: int
) -> UInt8[np.ndarray, "H W"]:
    """The region of each pixel, from 0 for the darkest.

    Fewer values than regions make a region each, and the brightest stay empty.
    """
    from skimage import filters

    counts, edges = np.histogram(channel, BINS)
    centres = ((edges[1:] + edges[:-1]) / 2).astype(np.float32)
    filled = np.flatnonzero(counts)
    if len(filled) <= regions:
        cuts = np.nextafter(edges[filled[:-1] + 1], -np.inf)
    elif regions == 2:
        cuts = [filters.threshold_otsu(hist=(counts, centres))]
    else:
        cuts = filters.threshold_multiotsu(hist=(counts, centres), classes=regions)
    return np.digitize(channel, cuts, right=True).astype(np.uint8)


def _namings(table: Int64[np.ndarray, "R K"]) -> list[tuple[int, ...]]:
    """Ids of the regions that may be meant: both sides, or the commonest classes."""
    if table.shape == (2, 2):
        return [(0, 1), (1, 0)]
    commonest = int(table.sum(0).argmax())
    return [tuple(int(r.argmax()) if r.any() else commonest for r in table)]


def _mean_iou(table: Int64[np.ndarray, "R K"], ids: tuple[int, ...]) -> float:
    """Over the classes that are true or answered."""
    counts = np.zeros((table.shape[1],) * 2, np.int64)
    for region, k in zip(table, ids, strict=True):
        counts[:, k] += region
    union = counts.sum(0) + counts.sum(1) - counts.diagonal()
    return float((counts.diagonal()[union > 0] / union[union > 0]).mean())
