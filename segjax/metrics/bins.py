"""How the unit interval is cut for histograms of probabilities.

A network that is sure of itself gives nearly all pixels a probability near 0 or 1, so
that equal bins would hold most of them in two. Of 16 equal groups, which a reliability
diagram shows, the 14 inner ones are cut into equal bins. The outer two, `[0, 1/16)` and
`[15/16, 1]`, are cut by the log-odds `z = log(p / (1 - p))`: each edge is a fixed
factor further out than the one before, from `log 15` to `MOST`, and the last bin is
open. So a bin holds about as much of the pixels however sure the network is. Of 256
bins 112 are inner ones, and the factor is 1.05.
"""

import math

import numpy as np
import scipy
from jaxtyping import Float64, Int64

GROUPS = 16
"""Equal groups of a reliability diagram."""

BEGIN = math.log(GROUPS - 1)
"""Log-odds at which the outer groups begin."""

MOST = 80.0
"""Log-odds beyond which all is one bin; float32 knows their odds up to 87."""


def inner(bins: int) -> int:
    """Bins of each of the inner groups."""
    return bins // (2 * GROUPS)


def outer(bins: int) -> int:
    """Bins of each of the two outer groups."""
    return (bins - (GROUPS - 2) * inner(bins)) // 2


def factor(bins: int) -> float:
    """From the log-odds of one edge of an outer group to those of the next."""
    return (MOST / BEGIN) ** (1 / (outer(bins) - 1))


def log_odds(bins: int) -> Float64[np.ndarray, "edges"]:
    """The `bins + 1` edges as log-odds, from -inf to inf."""
    shares = np.linspace(1, GROUPS - 1, (GROUPS - 2) * inner(bins) + 1) / GROUPS
    high = np.append(BEGIN * factor(bins) ** np.arange(1, outer(bins)), np.inf)
    return np.concatenate([-high[::-1], np.log(shares / (1 - shares)), high])


def edges(bins: int) -> Float64[np.ndarray, "edges"]:
    """The same as probabilities, from 0 to 1; those near 1 are rounded to it."""
    return scipy.special.expit(log_odds(bins))


def starts(bins: int) -> Int64[np.ndarray, "groups"]:
    """The first bin of each of the 16 groups."""
    return np.append(0, outer(bins) + inner(bins) * np.arange(GROUPS - 1))
