"""Scores: pure functions of confusion counts, in float64 on the host.

Per class, from `TP`, `FP` and `FN` of the class:

=========  ========================  ==============================
score      formula                   undefined (NaN) where
=========  ========================  ==============================
iou        TP / (TP + FP + FN)       neither true nor predicted
dice       2 TP / (2 TP + FP + FN)   neither true nor predicted
precision  TP / (TP + FP)            never predicted
recall     TP / (TP + FN)            never true
=========  ========================  ==============================

A mean needs rules: what of absent classes, whether the background counts, whether
images are averaged or their pixels. Systems differ: the same counts can give a mean IoU
of 0.42 and of 0.87. `CONVENTIONS` names the rules; a mean is to be printed with its
rule's sentence. Every rule takes the counts of each image, `(N, K, K)`; those that pool
the images take their sum, `(K, K)`, too. For a binary task, the foreground is class 1.
"""

import dataclasses
import functools
import math
import operator
from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64, Integer

from segjax.core.errors import UserError
from segjax.core.tables import unknown

Counts = Integer[np.ndarray, "*N K P"]
"""Confusion counts with any leading axes; `P` is `K` or `K + 1` (see `confusion`)."""

PerClass = Float64[np.ndarray, "*N K"]

Split = Integer[np.ndarray, "N K P"] | Integer[np.ndarray, "K P"]
"""The counts of each image, or their sum; some conventions need those of each."""


@dataclasses.dataclass(frozen=True)
class Convention:
    """A rule for means over classes and images.

    Attributes:
      sentence: the rule in words, to be printed beside the number.
      over: the classes averaged: with true pixels; with true or predicted pixels; all;
        or `none`: their hits and errors are added, and one score is made of the sums.
      images: `together`: their counts are added, then scored; `each`: scored one by
        one, the mean over classes taken in each, then the mean over images;
        `each_class`: as `each`, but the mean over images is taken for each class first.
      absent_iou: IoU of a class neither true nor predicted, where it is averaged.
      absent_other: its Dice, precision and recall.
      background: whether class 0 is averaged.
      other_is_missed: whether a pixel predicted as none of the classes is a false
        negative; else such pixels are dropped.
    """

    sentence: str
    over: Literal["truth", "union", "all", "none"]
    images: Literal["together", "each", "each_class"] = "together"
    absent_iou: float = np.nan
    absent_other: float = np.nan
    background: bool = True
    other_is_missed: bool = True

    @property
    def strict(self) -> bool:
        """Whether what is undefined makes the mean undefined."""
        return self.over == "all" and math.isnan(self.absent_iou)


RULES = {
    "union": Convention(
        "mean over classes that are true or predicted somewhere (as mmsegmentation, "
        "scenic, Keras)",
        over="union",
    ),
    "truth": Convention(
        "mean over classes that are true somewhere (as detectron2)",
        over="truth",
        other_is_missed=False,
    ),
    "absent_is_one": Convention(
        "mean over all classes; an absent class has IoU 1 and Dice 0 (as PaddleSeg)",
        over="all",
        absent_iou=1.0,
        absent_other=0.0,
    ),
    "absent_is_zero": Convention(
        "mean over all classes; an absent class scores 0 (as "
        "segmentation_models_pytorch, macro)",
        over="all",
        absent_iou=0.0,
        absent_other=0.0,
    ),
    "strict": Convention(
        "mean over all classes; not a number if one is absent (as torchvision)",
        over="all",
    ),
    "cityscapes": Convention(
        "mean over classes that are true or predicted somewhere; a valid pixel "
        "predicted as an ignored class is a false negative (as cityscapesScripts)",
        over="union",
    ),
    "micro": Convention(
        "no mean over classes: their hits, false positives and false negatives are "
        "added and scored once (as segmentation_models_pytorch, micro)",
        over="none",
    ),
    "per_image": Convention(
        "mean over images of each image's mean over the classes that are true in it "
        "(as MONAI MeanIoU, empty ignored)",
        over="truth",
        images="each",
    ),
    "foreground": Convention(
        "mean over all classes but the first of each class's mean over the images "
        "where it is true or predicted; not a number if a class is in no image (as "
        "nnU-Net)",
        over="all",
        images="each_class",
        background=False,
    ),
    "foreground_pooled": Convention(
        "mean over classes but the first that are true or predicted somewhere, all "
        "images together",
        over="union",
        background=False,
    ),
}

CONVENTIONS = {name: rule.sentence for name, rule in RULES.items()}
"""Name of a convention -> its sentence."""


def iou(counts: Counts) -> PerClass:
    """Intersection over union (Jaccard) of each class, in 0..1 or NaN."""
    hits, true, predicted = _sums(counts)
    return _divide(hits, true + predicted - hits)


def dice(counts: Counts) -> PerClass:
    """Dice (F1) of each class, in 0..1 or NaN."""
    hits, true, predicted = _sums(counts)
    return _divide(2 * hits, true + predicted)


def precision(counts: Counts) -> PerClass:
    """Share of the pixels predicted as a class that are of it, in 0..1 or NaN."""
    hits, _, predicted = _sums(counts)
    return _divide(hits, predicted)


def recall(counts: Counts) -> PerClass:
    """Share of the pixels of a class that were found, in 0..1 or NaN."""
    hits, true, _ = _sums(counts)
    return _divide(hits, true)


def miou(counts: Split, convention: str = "union") -> float:
    """Mean IoU, as the convention says."""
    return mean(iou, counts, convention)


def mean_dice(counts: Split, convention: str = "union") -> float:
    """Mean Dice, as the convention says."""
    return mean(dice, counts, convention)


def mean_precision(counts: Split, convention: str = "union") -> float:
    """Mean precision; a class that is true but never predicted scores 0."""
    return mean(precision, counts, convention)


def mean_recall(counts: Split, convention: str = "union") -> float:
    """Mean recall; a class that is predicted but never true scores 0."""
    return mean(recall, counts, convention)


def pixel_accuracy(counts: Split, convention: str = "union") -> float:
    """Share of all images' valid pixels whose class is right."""
    counts = _columns(together(counts), find(convention))
    return float(_divide(_sums(counts)[0].sum(), counts.sum()))


def class_accuracy(counts: Split, convention: str = "union") -> float:
    """Mean recall over the classes that are true somewhere, whatever the convention."""
    each = recall(_columns(together(counts), find(convention)))
    return _average(each[~np.isnan(each)])


def frequency_weighted_iou(counts: Split, convention: str = "union") -> float:
    """IoU over all images, each class weighted by its share of true pixels."""
    counts = _columns(together(counts), find(convention))
    share = _divide(_sums(counts)[1], counts.sum())
    return float(np.sum(share * np.nan_to_num(iou(counts)))) if counts.any() else np.nan


METRICS: dict[str, Callable[..., float]] = {
    "miou": miou,
    "pixel_accuracy": pixel_accuracy,
    "class_accuracy": class_accuracy,
    "mean_dice": mean_dice,
    "mean_precision": mean_precision,
    "mean_recall": mean_recall,
    "frequency_weighted_iou": frequency_weighted_iou,
}
"""Name -> function of the counts and a convention, giving one number."""


def summary(counts: Split, convention: str = "union") -> dict[str, float]:
    """Every score of `METRICS`, by name; in 0..1, or NaN where there is no pixel.

    Raises:
      UserError: `convention` is not a name of `CONVENTIONS`, or needs the counts of
        each image and got their sum.
    """
    return {name: metric(counts, convention) for name, metric in METRICS.items()}


def mean(
    score: Callable[[np.ndarray], np.ndarray], counts: Split, convention: str = "union"
) -> float:
    """Mean of a per-class `score`, by the rule that `convention` names.

    Where a class is counted and not absent, an undefined precision or recall is 0 (it
    was never right, or never there to be found); only a rule that is `strict` lets it
    be NaN. Where images are scored one by one, those without a counted class are left
    out; of `foreground` so is every undefined score of an image.
    """
    rule = find(convention)
    if rule.images == "together":
        return _mean(score, _columns(together(counts), rule), rule)
    if counts.ndim == 2:
        raise UserError(
            f"convention {convention!r}: is a mean over images and got the sum of "
            "their counts, (K, K); give those of each, (N, K, K)."
        )
    counts = _columns(counts, rule)
    if rule.images == "each":
        rows = np.asarray([_mean(score, image, rule) for image in counts])
        return _average(rows[~np.isnan(rows)])
    each = score(counts)[:, int(not rule.background) :]
    columns = [column[~np.isnan(column)] for column in each.T]
    return _average(np.asarray([_average(column) for column in columns]))


def _mean(score: Callable, counts: np.ndarray, rule: Convention) -> float:
    """The mean over the classes of one matrix."""
    if rule.over == "none":
        hits, true, predicted = (part.sum() for part in _sums(counts))
        pooled = np.asarray([[0, predicted - hits], [true - hits, hits]], np.int64)
        return float(score(pooled)[1])
    absent, counted = absence(counts, rule)
    each = score(counts)
    if not rule.strict:
        each = np.nan_to_num(each)
    each[absent] = rule.absent_iou if score is iou else rule.absent_other
    return _average(each[counted])


def together(counts: Split) -> Integer[np.ndarray, "K P"]:
    """The counts of all images, int64."""
    return counts if counts.ndim == 2 else counts.sum(axis=0, dtype=np.int64)


def find(convention: str) -> Convention:
    """The convention of this name.

    Raises:
      UserError: there is none.
    """
    if convention not in RULES:
        raise UserError(unknown("convention", convention, RULES))
    return RULES[convention]


def absence(
    counts: Counts, rule: Convention
) -> tuple[Bool[np.ndarray, "*N K"], Bool[np.ndarray, "*N K"]]:
    """`(absent, counted)`: neither true nor predicted; part of the rule's means."""
    _, true, predicted = _sums(counts)
    absent = (true == 0) & (predicted == 0)
    every = np.ones_like(absent)
    counted = {"truth": true > 0, "union": ~absent, "all": every, "none": every}
    first = np.arange(counts.shape[-2]) == 0
    return absent, counted[rule.over] & (rule.background | ~first)


def _sums(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`(hits, true, predicted)` pixels of each class, int64 `(*N, K)`."""
    counts = counts.astype(np.int64)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    predicted = counts.sum(axis=-2)[..., : counts.shape[-2]]
    return hits, counts.sum(axis=-1), predicted


def _columns(counts: np.ndarray, rule: Convention) -> np.ndarray:
    """`counts`, without the predictions of no class where the rule drops them."""
    return counts if rule.other_is_missed else counts[..., : counts.shape[-2]]


def _divide(part, whole) -> np.ndarray:
    """`part / whole` of integers or arrays of them; NaN for 0 / 0."""
    with np.errstate(invalid="ignore"):
        return np.asarray(part / whole, np.float64)


def _average(values: np.ndarray) -> float:
    """The plain mean, added from first to last; NaN of nothing.

    numpy adds pairwise and Python 3.12 compensates: their last digits differ from those
    of the official tools, which add as here.
    """
    if len(values) == 0:
        return np.nan
    return functools.reduce(operator.add, values.tolist()) / len(values)
