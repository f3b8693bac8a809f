"""Whether probabilities can be believed: calibration, Brier score, risk and coverage.

All is made of histograms `(bins, 2)` as in `ranking`: pixels by their probability, from
low to high, for which the thing is not so and for which it is (the pixel is of the
class; the decision is right). `bins` says how the unit interval is cut. A pixel's
probability is taken as the middle of its bin, so it is known to half of its width.
"""

import numpy as np
from jaxtyping import Float64, Integer

from segjax.metrics import bins

Histogram = Integer[np.ndarray, "bins 2"]


def reliability(counts: Histogram) -> Float64[np.ndarray, "groups 3"]:
    """Mean probability, share of what is so, and share of pixels in 16 equal groups.

    The first two are NaN in a group without pixels.
    """
    fine = counts.astype(np.float64)
    edges, starts = bins.edges(len(counts)), bins.starts(len(counts))
    middles = (edges[:-1] + edges[1:]) / 2
    pixels = np.add.reduceat(fine.sum(1), starts)
    believed = np.add.reduceat(fine.sum(1) * middles, starts)
    so = np.add.reduceat(fine[:, 1], starts)
    with np.errstate(invalid="ignore"):
        return np.stack([believed / pixels, so / pixels, pixels / pixels.sum()], 1)


def expected_error(counts: Histogram) -> tuple[float, float]:
    """Expected calibration error in 0..1, and how far it may be off by the bins.

    Mean over pixels of the distance between the mean probability of a group of 16 and
    the share of what is so in it.

    Source: Guo et al., "On Calibration of Modern Neural Networks", 2017, arXiv
      1706.04599, equation 3.
    Differs: 16 groups where they take 15; the mean of one is known to half of the mean
      width of its bins.
    """
    pixels = counts.sum(1)
    if not pixels.sum():
        return np.nan, np.nan
    believed, right, share = reliability(counts).T
    off = (pixels * np.diff(bins.edges(len(counts)))).sum() / pixels.sum() / 2
    return float(np.nansum(share * np.abs(believed - right))), float(off)


def brier(counts: Histogram) -> tuple[float, float]:
    """Mean of `(p - y)**2` for one class, `y` in {0, 1}, and how far it may be off.

    The value is in the middle between the least and the most that the bins allow.

    Source: Brier, "Verification of forecasts expressed in terms of probability", 1950.
    """
    pixels = counts.sum()
    if not pixels:
        return np.nan, np.nan
    edges = bins.edges(len(counts))
    low, high = edges[:-1], edges[1:]
    bad, good = counts.astype(np.float64).T
    least = (bad * low**2 + good * (1 - high) ** 2).sum() / pixels
    most = (bad * high**2 + good * (1 - low) ** 2).sum() / pixels
    return float((least + most) / 2), float((most - least) / 2)


def risk_coverage(counts: Histogram) -> Float64[np.ndarray, "2 points"]:
    """Coverage and the share of wrong decisions, the surest pixels first.

    A point for every bin with pixels, from the highest probability down.
    """
    wrong, right = counts[::-1].astype(np.float64).T
    pixels = wrong + right
    kept = pixels > 0
    covered, missed = np.cumsum(pixels)[kept], np.cumsum(wrong)[kept]
    return np.stack([covered / max(pixels.sum(), 1), missed / covered])


def risk_area(counts: Histogram) -> float:
    """Area under the risk-coverage curve: the mean risk over all coverages, in 0..1.

    Source: Geifman et al., "Bias-Reduced Uncertainty Estimation for Deep Neural
      Classifiers", 2018, arXiv 1805.08206, section 2.
    Differs: the risk within a bin runs straight, and is constant in the first.
    """
    coverage, risk = risk_coverage(counts)
    if not len(coverage):
        return np.nan
    return float(np.trapezoid(np.append(risk[:1], risk), np.append(0.0, coverage)))
