"""The score that a comparison is about, of thousands of resamples at once.

What can be summed over images is summed first: counts, or, where the convention
averages images, the scores of each. The result equals that of `metrics.scores`.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float64, Integer

from segjax.core.errors import UserError
from segjax.core.tables import unknown
from segjax.metrics import scores
from segjax.metrics.scores import Convention

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


Counts = Integer[np.ndarray, "N K P"]
Weights = Integer[np.ndarray, "D N"]
Values = Float64[np.ndarray, "D"]


def _counts_themselves(counts: np.ndarray) -> np.ndarray:
    return counts


@dataclasses.dataclass(frozen=True)
class Score:
    """What is compared.

    Attributes:
      name: as it is asked for: `miou`, `iou/road`.
      title: in words.
      sentence: the rule behind it, or "" where none is needed.
      sums: what is summed over images, `(N, K, P)` counts -> `(N, *parts)`.
      of: `(*D, *parts)` sums -> `(*D,)` in 0..1, nan where it is undefined.
    """

    name: str
    title: str
    sentence: str
    of: Callable[[np.ndarray], np.ndarray]
    sums: Callable[[np.ndarray], np.ndarray] = _counts_themselves

    def whole(self, counts: Counts) -> float:
        """The score of all images, each once."""
        return float(self.of(self.sums(counts).sum(0, keepdims=True))[0])

    def images(self, counts: Counts) -> Float64[np.ndarray, "N"]:
        """The score of each image alone."""
        return self.of(self.sums(counts))

    def weighted(self, weights: Weights, counts: Counts) -> Values:
        """The score of images taken so often, as `statistics` asks for it."""
        parts = self.sums(counts)
        # Products of doubles are quick, and exact below 2**53 pixels.
        flat = weights.astype(np.float64) @ parts.reshape(len(parts), -1)
        flat = flat.astype(np.result_type(parts, np.int64))
        return self.of(flat.reshape(len(weights), *parts.shape[1:]))


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
        return _mean(name, TITLES[name], MEANS[name], rule)
    if name == "pixel_accuracy":
        return Score(name, TITLES[name], "", functools.partial(_pixel_accuracy, rule))
    known = [*TITLES, "dice", *(f"{s}/{c}" for s in CLASS_SCORES for c in class_names)]
    raise UserError(unknown("score", name, known, f"--score={name}"))


def of_class(each: str, k: int, label: str) -> Score:
    """IoU or Dice of class `k`, which is called `label`."""
    function = CLASS_SCORES[each]
    title = f"{CLASS_TITLES[each]} of {label}"
    return Score(f"{each}/{label}", title, "", lambda counts: function(counts)[..., k])


def _mean(name: str, title: str, function: Callable, rule: Convention) -> Score:
    """A mean over classes by a rule; means over images are sums of their scores."""
    make = functools.partial(Score, name, title, rule.sentence)
    if rule.images == "together":
        return make(functools.partial(_of_counts, function, rule))
    if rule.images == "each":

        def one_by_one(counts: np.ndarray) -> np.ndarray:
            return _with_number(_of_counts(function, rule, counts))

        return make(_average, one_by_one)

    def class_by_class(counts: np.ndarray) -> np.ndarray:
        each = function(_columns(counts, rule))
        return _with_number(each[..., int(not rule.background) :])

    return make(lambda sums: _average(sums).mean(-1), class_by_class)


def _of_counts(function: Callable, rule: Convention, counts: np.ndarray) -> np.ndarray:
    """`metrics.scores.mean` of one matrix, with any leading axes."""
    counts = _columns(counts, rule)
    absent, counted = scores.absence(counts, rule)
    if rule.over == "none":
        return function(_two_by_two(counts))[..., 1]
    each = function(counts)
    if not rule.strict:
        each = np.nan_to_num(each)
    fill = rule.absent_iou if function is scores.iou else rule.absent_other
    each = np.where(absent, fill, each)
    total = np.where(counted, each, 0.0).sum(-1)
    return _divide(total, counted.sum(-1))


def _two_by_two(counts: np.ndarray) -> np.ndarray:
    """All classes' hits, misses and false alarms as those of one class, id 1."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1).sum(-1)
    true = counts.sum((-2, -1))
    predicted = counts[..., : counts.shape[-2]].sum((-2, -1))
    rows = [[np.zeros_like(hits), predicted - hits], [true - hits, hits]]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))


def _pixel_accuracy(rule: Convention, counts: np.ndarray) -> np.ndarray:
    counts = _columns(counts, rule)
    right = np.diagonal(counts, axis1=-2, axis2=-1).sum(-1)
    return _divide(right, counts.sum((-2, -1)))


def _columns(counts: np.ndarray, rule: Convention) -> np.ndarray:
    return counts if rule.other_is_missed else counts[..., : counts.shape[-2]]


def _with_number(values: np.ndarray) -> np.ndarray:
    """`(..., 2)`: the value and 1, or 0 and 0 where it is undefined."""
    known = ~np.isnan(values)
    return np.stack([np.where(known, values, 0.0), known.astype(np.float64)], -1)


def _average(sums: np.ndarray) -> np.ndarray:
    return _divide(sums[..., 0], sums[..., 1])


def _divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(part / whole, np.float64)
