"""Are the images of today like those that a model learnt from? Features, and a test.

An exported model takes along, of up to `MOST` images each, what these features were:
those of the image alone on the training split, those of what the network says of it on
the validation split, as a network is surer of what it has learnt by heart. A server
measures the same of each image that it answers and asks `verdict` now and then. All are
measured behind the evaluation ops, so that large photographs compare.

No label is needed, and none is looked at: a verdict says that images are others, not
that answers are wrong.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from segjax.core.pixels import FULL
from segjax.core.shapes import Float32, Real, UInt8

FILE = "statistics.json"
MOST = 512
"""Images whose features are kept."""

LEAST = 30
"""Images that a verdict needs."""

LEVEL = 0.05
"""Share of verdicts that are false alarms, where nothing has changed."""

LEAST_EFFECT = 0.25
"""Distance of the distributions that is worth telling, see `Finding.effect`."""

DIGITS = 5
"""Of the values that are kept."""

MOST_CHANNELS = 16
"""Channels whose means are features; of more bands the first."""

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in brightness (ITU-R BT.601)."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One feature of recent images beside that of the reference.

    Attributes:
      feature: its name.
      p: of the two-sample Kolmogorov-Smirnov test, times the number of features.
      effect: the Kolmogorov-Smirnov distance, from 0 to 1: the largest difference of
        the shares of images that are below a value.
      reference: median of the reference.
      recent: median of recent images.
      drifted: whether `p` is below `LEVEL` and `effect` not below `LEAST_EFFECT`.
    """

    feature: str
    p: float
    effect: float
    reference: float
    recent: float
    drifted: bool

    def __str__(self) -> str:
        """A plain sentence."""
        if not self.drifted:
            return f"{self.feature}: as it was."
        way = "higher" if self.recent > self.reference else "lower"
        if self.recent == self.reference:
            way = "spread otherwise"
        return (
            f"{self.feature}: {way}, {self.recent:.3g} where it was "
            f"{self.reference:.3g} (distance {self.effect:.2f}, p {self.p:.1g})."
        )


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What recent images are beside those of the reference.

    Attributes:
      images: how many recent ones there were.
      findings: of each feature, the largest distance first; none for too few images.
    """

    images: int
    findings: tuple[Finding, ...]

    @property
    def drifted(self) -> bool:
        """Whether any feature has drifted."""
        return any(finding.drifted for finding in self.findings)

    def __str__(self) -> str:
        """A plain sentence, and one for each feature that has drifted."""
        if self.images < LEAST:
            return f"{self.images} images; {LEAST} are needed to tell."
        found = [str(finding) for finding in self.findings if finding.drifted]
        if not self.findings:
            return "there is nothing to compare with."
        if not found:
            return f"{self.images} images, like those that the model learnt from."
        first = f"{self.images} images, unlike those that the model learnt from:"
        return "\n".join([first, *found])


def features(
    image: Real[np.ndarray, "h w C"],
    ids: UInt8[np.ndarray, "H W"],
    probabilities: Float32[np.ndarray, "H W K"] | None,
    class_names: Sequence[str],
) -> dict[str, float]:
    """What is measured of an image and of the answer to it.

    Args:
      image: behind the evaluation ops.
      ids: the classes of the answer.
      probabilities: of all classes; None leaves out what is of them.
      class_names: of the ids.
    """
    return of_image(image) | of_answer(ids, probabilities, class_names)


def of_image(image: Real[np.ndarray, "h w C"]) -> dict[str, float]:
    """The features of an image alone, of values in 0..1 where they are integers.

    `luminance`: mean brightness; `contrast`: its standard deviation; `sharpness`: its
    mean absolute Laplacian over the contrast; `saturation`: mean of (max - min) / max
    of a pixel's channels, of three channels alone; `channel 0` and on: their means.

    Args:
      image: behind the evaluation ops, uint8, uint16 or float32.
    """
    image = image.astype(np.float32) / FULL[image.dtype.name]
    channels = image.shape[-1]
    grey = image @ np.float32(LUMA) if channels == 3 else image.mean(-1)
    contrast = float(grey.std())
    edges = np.abs(_laplacian(grey)).mean() if min(grey.shape) > 2 else 0.0
    found = {
        "luminance": float(grey.mean()),
        "contrast": contrast,
        "sharpness": float(edges) / max(contrast, 1e-6),
    }
    if channels == 3:
        high, low = image.max(-1), image.min(-1)
        found["saturation"] = float(((high - low) / np.maximum(high, 1e-6)).mean())
    means = image.mean((0, 1), dtype=np.float64)[:MOST_CHANNELS]
    return found | {f"channel {c}": float(mean) for c, mean in enumerate(means)}


def of_answer(
    ids: UInt8[np.ndarray, "H W"],
    probabilities: Float32[np.ndarray, "H W K"] | None,
    class_names: Sequence[str],
) -> dict[str, float]:
    """The features of an answer.

    `confidence`: mean of the largest probability; `entropy`: its mean over that of even
    odds; `share of NAME`: of each class among the pixels.
    """
    found = {}
    if probabilities is not None:
        found["confidence"] = float(probabilities.max(-1).mean())
        logs = np.log(np.maximum(probabilities, 1e-12))
        entropy = -(probabilities * logs).sum(-1).mean()
        found["entropy"] = float(entropy / np.log(probabilities.shape[-1]))
    shares = np.bincount(ids.ravel(), minlength=len(class_names)) / ids.size
    return found | {
        f"share of {name}": float(share)
        for name, share in zip(class_names, shares, strict=True)
    }


def collected(
    images: Sequence[Mapping[str, float]], answers: Sequence[Mapping[str, float]]
) -> dict[str, Any]:
    """What `statistics.json` holds of the features of single images.

    Args:
      images: of `of_image`, of the training split.
      answers: of `of_answer`, of the validation split.
    """
    return {
        "measured": "behind the evaluation ops; answers at the image's own size",
        "images": {"split": "train", "values": _columns(images)},
        "answers": {"split": "val", "values": _columns(answers)},
    }


def reference(stored: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Feature -> its values, of what `collected` made; nothing of an empty one."""
    found = {}
    for part in ("images", "answers"):
        for name, values in stored.get(part, {}).get("values", {}).items():
            found[name] = np.asarray(values, np.float64)
    return found


def verdict(
    reference: Mapping[str, np.ndarray], recent: Sequence[Mapping[str, float]]
) -> Verdict:
    """Whether recent images are like those of the reference.

    Each feature is compared by the two-sample Kolmogorov-Smirnov test, whose p is
    multiplied by the number of features (Bonferroni), so that `LEVEL` holds for all of
    them together. It takes images for independent: frames of one video are not, and
    drift sooner.

    Args:
      reference: of `reference`.
      recent: features of the images since, those of one image in one mapping.
    """
    if len(recent) < LEAST:
        return Verdict(len(recent), ())
    from scipy import stats  # takes a second

    values = {
        name: np.asarray([image[name] for image in recent if name in image])
        for name in reference
    }
    values = {n: v for n, v in values.items() if len(v) >= LEAST}
    found = []
    for name, now in values.items():
        then = reference[name]
        test = stats.ks_2samp(then, np.round(now, DIGITS))
        p = min(1.0, float(test.pvalue) * len(values))
        effect = float(test.statistic)
        medians = float(np.median(then)), float(np.median(now))
        drifted = p < LEVEL and effect >= LEAST_EFFECT
        found.append(Finding(name, p, effect, *medians, drifted))
    found.sort(key=lambda finding: (-finding.effect, finding.feature))
    return Verdict(len(recent), tuple(found))


def _laplacian(grey: np.ndarray) -> np.ndarray:
    inside = grey[1:-1, 1:-1]
    return (
        grey[:-2, 1:-1]
        + grey[2:, 1:-1]
        + grey[1:-1, :-2]
        + grey[1:-1, 2:]
        - (4 * inside)
    )


def _columns(rows: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    names = rows[0] if rows else ()
    return {n: [round(float(row[n]), DIGITS) for row in rows] for n in names}
