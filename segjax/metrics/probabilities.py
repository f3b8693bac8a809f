"""The measure of probabilities: all of it from two histograms an image."""

import dataclasses
import functools

import numpy as np

from segjax.core.errors import UserError
from segjax.metrics import bins as cuts
from segjax.metrics import calibration, histograms, ranking
from segjax.metrics.measure import (
    Count,
    Found,
    Layout,
    OnDevice,
    Result,
    mean_of_defined,
)

MOST_BINS = 4096


@dataclasses.dataclass(frozen=True)
class Probabilities(OnDevice):
    """Calibration, Brier score, AUC, average precision, risk and coverage.

    A class is scored against all others. Of two classes the whole is class 1, the
    foreground; of more, areas and calibration by class are means over the classes that
    are there, and the Brier score is the sum over all. Sensitivity and specificity are
    of the decisions, from the exact counts, and at Youden's threshold.

    Attributes:
      bins: of the unit interval, a multiple of 32. An image stores `8 K bins` bytes.
    """

    bins: int = 256

    def __post_init__(self):
        least = 2 * cuts.GROUPS
        if self.bins % least or not 0 < self.bins <= MOST_BINS:
            raise UserError(
                f"bins={self.bins}: must be a multiple of {least} from {least} to "
                f"{MOST_BINS}. Use 256."
            )

    def layout(self, num_classes: int) -> Layout:
        """`probability` by class, and `confidence` of the decisions."""
        return {
            "probability": ((num_classes, self.bins, 2), np.int32),
            "confidence": ((self.bins, 2), np.int32),
        }

    def counters(self, num_classes: int) -> dict[str, Count]:
        """See `histograms`."""
        by_class = functools.partial(
            histograms.by_class, num_classes=num_classes, bins=self.bins
        )
        decisions = functools.partial(histograms.of_decisions, bins=self.bins)
        return {"probability": by_class, "confidence": decisions}

    def result(self, found: Found, counts: np.ndarray) -> Result:
        """All scores, with what the bins leave open in the notes."""
        every = found["probability"].sum(0, dtype=np.int64)
        sure = found["confidence"].sum(0, dtype=np.int64)
        classes = _by_class(every, counts.sum(0, dtype=np.int64))
        error = {k: classes.pop(f"{k}_error") for k in ("auc", "ap", "brier", "ece")}
        if len(every) == 2:
            whole = {k: float(classes[k][1]) for k in ("auc", "average_precision")}
            squares, off = float(classes["brier"][1]), float(error["brier"][1])
        else:
            areas = ("auc", "average_precision")
            whole = {k: float(mean_of_defined(classes[k])) for k in areas}
            squares = float(classes["brier"].sum())
            off = float(error["brier"].sum())
        ece, ece_off = calibration.expected_error(sure)
        summary = {
            "ece": ece,
            "classwise_ece": float(mean_of_defined(classes["ece"])),
            "brier": squares,
            **whole,
            "aurc": calibration.risk_area(sure),
        }
        worst = {k: np.nanmax(e, initial=0.0) for k, e in error.items()}
        note = (
            f"By {self.bins} bins a calibration error is off by at most "
            f"{max(worst['ece'], ece_off):.4f}, the Brier score by {off:.4f}, an AUC "
            f"by {worst['auc']:.4f}, an average precision by {worst['ap']:.4f}."
        )
        return Result(summary, classes, (note,))


def _by_class(every: np.ndarray, counts: np.ndarray) -> dict[str, np.ndarray]:
    """Name -> `(K,)` scores of each class against all others."""
    rows = []
    hits, true, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    for k, histogram in enumerate(every):
        area, area_off = ranking.auc(histogram)
        precision, least, most = ranking.average_precision(histogram)
        squares, squares_off = calibration.brier(histogram)
        cut, found, spared = ranking.youden(histogram)
        ece, ece_off = calibration.expected_error(histogram)
        others = counts.sum() - true[k]
        alarms = predicted[k] - hits[k]
        rows.append(
            {
                "auc": area,
                "average_precision": precision,
                "brier": squares,
                "ece": ece,
                "sensitivity": hits[k] / true[k] if true[k] else np.nan,
                "specificity": 1 - alarms / others if others else np.nan,
                "youden_threshold": cut,
                "youden_sensitivity": found,
                "youden_specificity": spared,
                "auc_error": area_off,
                "ap_error": max(most - precision, precision - least),
                "brier_error": squares_off,
                "ece_error": ece_off,
            }
        )
    return {name: np.asarray([row[name] for row in rows]) for name in rows[0]}
