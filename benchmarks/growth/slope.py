"""How a cost grows: its slope on logarithmic axes, and the law that was expected."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Law:
    """An expectation: `y = b x^power`, or `y = a + b x^power` with a constant part.

    Attributes:
      power: 1 is in proportion, 0 not at all, -1 in inverse proportion.
      formula: as a reader wants it, such as `∝ H W`.
      why: in one line.
      constant: whether a part is expected that does not grow.
    """

    power: float
    formula: str
    why: str
    constant: bool = False

    @property
    def slopes(self) -> tuple[float, float]:
        """The least and the largest slope that the law allows on logarithmic axes."""
        ends = sorted((0.0 if self.constant else self.power, self.power))
        return ends[0], ends[1]

    def line(self, x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
        """`(a, b)` by least squares of the relative errors; `a` is 0 without one."""
        grown = np.asarray(x, np.float64) ** self.power
        columns = np.stack([np.ones_like(grown) * self.constant, grown], axis=1)
        columns /= np.asarray(y, np.float64)[:, None]
        (a, b), *_ = np.linalg.lstsq(columns, np.ones(len(columns)))
        return float(a), float(b)


@dataclasses.dataclass(frozen=True)
class Fit:
    """What was found.

    Attributes:
      slope: of log y over log x, by least squares.
      error: standard error of the slope; nan of two points.
      last: slope between the two largest x.
      a: the law's constant part, in the unit of y.
      b: the law's factor.
      within: largest relative distance of a point from the law.
    """

    slope: float
    error: float
    last: float
    a: float
    b: float
    within: float

    def as_expected(self, law: Law, tolerance: float) -> bool:
        """Whether the slope is the law's; at the end it may exceed it by twice that.

        Two points at the end tell less than all of them, hence the wider bound.
        """
        low, high = law.slopes
        inside = low - tolerance <= self.slope <= high + tolerance
        return inside and self.last <= high + 2 * tolerance


def fit(x: Sequence[float], y: Sequence[float], law: Law) -> Fit:
    """The growth of `y` over `x`, both positive, `x` rising.

    Raises:
      ValueError: fewer than two points, or a number that has no logarithm.
    """
    if len(x) < 2 or min(*x, *y) <= 0:
        raise ValueError(f"no slope of {list(y)} over {list(x)}: two positive points")
    u, v = np.log(np.asarray(x, np.float64)), np.log(np.asarray(y, np.float64))
    spread = float(((u - u.mean()) ** 2).sum())
    slope = float(((u - u.mean()) * (v - v.mean())).sum()) / spread
    left = v - v.mean() - slope * (u - u.mean())
    free = len(u) - 2
    error = math.sqrt(float((left**2).sum()) / free / spread) if free else math.nan
    a, b = law.line(x, y)
    expected = a + b * np.asarray(x, np.float64) ** law.power
    return Fit(
        slope=slope,
        error=error,
        last=float((v[-1] - v[-2]) / (u[-1] - u[-2])),
        a=a,
        b=b,
        within=float(np.abs(expected / np.asarray(y, np.float64) - 1).max()),
    )
