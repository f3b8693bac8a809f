"""How well a probability ranks pixels: ROC, precision and recall, at every threshold.

All is made of a histogram `(bins, 2)`: for each bin of the probability, from low to
high, the pixels that are not of the class and those that are. Within a bin the order is
not known: areas take the pixels of a bin as ties, and their bounds say what any order
within the bins could give.
"""

import numpy as np
import scipy
from jaxtyping import Float64, Integer

from segjax.metrics import bins

Histogram = Integer[np.ndarray, "bins 2"]


def roc(counts: Histogram) -> Float64[np.ndarray, "2 points"]:
    """False and true positive rate, from the highest threshold to the lowest.

    Point `i` calls the `i` highest bins positive. NaN where there is no such pixel.
    """
    negatives, positives = _above(counts)
    return np.stack([_share(negatives), _share(positives)])


def auc(counts: Histogram) -> tuple[float, float]:
    """Area under the ROC curve, and how far it may be off by the bins.

    The first is the probability that a pixel of the class has a larger probability than
    one that is not, ties counting half. Both are NaN where one of the two kinds is not
    there.

    Source: Hanley and McNeil, "The meaning and use of the area under a receiver
      operating characteristic (ROC) curve", 1982.
    """
    negative, positive = counts.astype(np.float64).T
    pairs = negative.sum() * positive.sum()
    if not pairs:
        return np.nan, np.nan
    below = np.cumsum(negative) - negative
    ties = (positive * negative).sum() / 2
    return float(((positive * below).sum() + ties) / pairs), float(ties / pairs)


def average_precision(counts: Histogram) -> tuple[float, float, float]:
    """Average precision, and the least and the most that it can be by the bins.

    Sum over the thresholds of precision times the gain in recall, pixels of a bin as
    ties. NaN where no pixel is of the class.
    """
    negative, positive = counts[::-1].astype(np.float64).T
    total = positive.sum()
    if not total:
        return np.nan, np.nan, np.nan
    hits, alarms = np.cumsum(positive), np.cumsum(negative)
    precision = hits / np.maximum(hits + alarms, 1)
    value = float((positive * precision).sum() / total)
    last = _gained(hits - positive, positive, alarms).sum() / total
    first = _gained(hits - positive, positive, alarms - negative).sum() / total
    return value, float(min(last, value)), float(max(first, value))


def youden(counts: Histogram) -> tuple[float, float, float]:
    """`(threshold, sensitivity, specificity)` where their sum is largest.

    The threshold is the lower edge of a bin; of equal ones the highest.

    Source: Youden, "Index for rating diagnostic tests", 1950.
    """
    false, true = roc(counts)
    if np.isnan(false).any() or np.isnan(true).any():
        return np.nan, np.nan, np.nan
    best = int(np.argmax(true - false))
    cut = bins.edges(len(counts))[len(counts) - best]
    return float(cut), float(true[best]), float(1 - false[best])


def _above(counts: np.ndarray) -> np.ndarray:
    """`(2, bins + 1)` pixels in the 0, 1, .. highest bins."""
    return np.cumsum(np.vstack([[0, 0], counts[::-1].astype(np.int64)]), axis=0).T


def _share(above: np.ndarray) -> np.ndarray:
    return above / above[-1] if above[-1] else np.full(len(above), np.nan)


def _gained(before: np.ndarray, new: np.ndarray, alarms: np.ndarray) -> np.ndarray:
    """Sum of precisions while `new` hits come one by one, with so many alarms.

    `sum (before + i) / (before + alarms + i)` over `i = 1..new`; the sum of reciprocals
    is a difference of digammas.
    """
    start = before + alarms + 1
    return new - alarms * (
        scipy.special.digamma(start + new) - scipy.special.digamma(start)
    )
