"""The score that a comparison is about: a function of summed counts to one number.

It takes any leading axes, since resampling makes thousands of sums; it is equal to what
`metrics.scores` gives of one.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float64, Integer

from segjax.core.errors import UserError
from segjax.core.tables import unknown
from segjax.metrics import scores

MEANS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "miou": scores.iou,
    "mean_dice": scores.dice,
    "mean_precision": scores.precision,
    "mean_recall": scores.recall,
}
"""Scores that are means over classes, hence in need of a convention."""

TITLES = {
    "miou": "mean IoU",
    "mean_dice": "mean Dice",
    "mean_precision": "mean precision",
    "mean_recall": "mean recall",
    "pixel_accuracy": "pixel accuracy",
}
ALIASES = {"dice": "mean_dice"}
CLASS_SCORES = {"iou": scores.iou, "dice": scores.dice}
CLASS_TITLES = {"iou": "IoU", "dice": "Dice"}


@dataclasses.dataclass(frozen=True)
class Score:
    """What is compared.

    Attributes:
      name: as it is asked for: `miou`, `iou/road`.
      title: in words.
      sentence: the rule for absent classes, or "" where none is needed.
      of: `(*N, K, P)` counts -> `(*N,)` in 0..1, nan where it is undefined.
    """

    name: str
    title: str
    sentence: str
    of: Callable[[np.ndarray], np.ndarray]


def find(name: str, class_names: Sequence[str], convention: str) -> Score:
    """The score of a name, for a class table and a convention.

    Raises:
      UserError: no such score, class or convention.
    """
    rule = scores.find(convention)
    name = ALIASES.get(name, name)
    each, slash, label = name.partition("/")
    if slash and each in CLASS_SCORES:
        if label not in class_names:
            raise UserError(unknown("class", label, class_names, f"--score={name}"))
        return of_class(each, list(class_names).index(label), label)
    if name in MEANS:
        return Score(name, TITLES[name], rule.sentence, _mean(MEANS[name], rule))
    if name == "pixel_accuracy":
        return Score(name, TITLES[name], "", _pixel_accuracy(rule))
    known = [*TITLES, "dice", *(f"{s}/{c}" for s in CLASS_SCORES for c in class_names)]
    raise UserError(unknown("score", name, known, f"--score={name}"))


def of_class(each: str, k: int, label: str) -> Score:
    """IoU or Dice of class `k`, which is called `label`."""
    function = CLASS_SCORES[each]
    title = f"{CLASS_TITLES[each]} of {label}"
    return Score(f"{each}/{label}", title, "", lambda counts: function(counts)[..., k])


def _mean(function: Callable, rule: scores.Convention) -> Callable:
    def mean(counts: Integer[np.ndarray, "*N K P"]) -> Float64[np.ndarray, "*N"]:
        if not rule.other_is_missed:
            counts = counts[..., : counts.shape[-2]]
        absent, counted = scores.absence(counts, rule)
        each = function(counts)
        if not rule.strict:
            each = np.nan_to_num(each)
        fill = rule.absent_iou if function is scores.iou else rule.absent_other
        each = np.where(absent, fill, each)
        total = np.where(counted, each, 0.0).sum(-1)
        with np.errstate(invalid="ignore"):
            return np.asarray(total / counted.sum(-1))

    return mean


def _pixel_accuracy(rule: scores.Convention) -> Callable:
    def accuracy(counts: Integer[np.ndarray, "*N K P"]) -> Float64[np.ndarray, "*N"]:
        if not rule.other_is_missed:
            counts = counts[..., : counts.shape[-2]]
        right = np.diagonal(counts, axis1=-2, axis2=-1).sum(-1, dtype=np.float64)
        with np.errstate(invalid="ignore"):
            return np.asarray(right / counts.sum((-2, -1)))

    return accuracy
