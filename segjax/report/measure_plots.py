"""Plots of measured probabilities: reliability, ROC, risk over coverage."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from segjax.core.info import DatasetInfo
from segjax.report.plots import BEST, TRAIN, VAL, canvas, write

NAMES = ("reliability", "roc", "risk_coverage")
"""The plots, by their file names."""

LISTED = 24
"""Classes that a legend names."""

_GREY = "#adb5bd"
_MARGIN = 0.03


def reliability(
    decisions: Float[np.ndarray, "G 3"],
    classes: Mapping[int, Float[np.ndarray, "G 3"]],
    error: float,
    info: DatasetInfo,
    path: str | Path,
    title: str = "",
) -> None:
    """What came true of what was believed: of the decisions, and of each class.

    Args:
      decisions: rows (mean probability, share that is right, share of the pixels).
      classes: the same of the probability of each class, by id.
      error: the expected calibration error, written into the plot.
      info: the class table.
      path: the PNG file.
      title: what was evaluated.

    Raises:
      EnvironmentFault: if the disk refuses.
    """
    figure, (left, right) = canvas(9.0, 4.3, (1, 2))
    believed, true, share = decisions.T
    edges = np.linspace(0, 1, len(decisions) + 1)
    width = edges[1] - edges[0]
    left.bar(edges[:-1], share, width, align="edge", color="#dee2e6", label="pixels")
    left.plot(believed, true, "o-", color=VAL, ms=4, lw=1.4, label="decisions")
    left.set_title("decisions", loc="left", fontweight="bold")
    left.set_title(f"ECE {error:.4f}", loc="right", size=9)
    left.set_ylabel("share that is so; share of the pixels")
    left.legend(frameon=False, loc="upper left", fontsize=8)
    for k, rows in classes.items():
        colour = _colour(info, k)
        right.plot(rows[:, 0], rows[:, 1], "o-", color=colour, ms=3, lw=1.2)
        right.plot([], [], "o-", color=colour, label=info.class_names[k], lw=1.2, ms=3)
    right.set_title("pixels of a class", loc="left", fontweight="bold")
    for axis in (left, right):
        axis.plot([0, 1], [0, 1], color=_GREY, lw=1, ls=(0, (4, 3)), zorder=0)
        axis.set_xlabel("probability")
        _unit(axis)
    _legend(right, len(classes))
    _headline(figure, title)
    write(figure, path)


def roc(
    curves: Mapping[int, Float[np.ndarray, "2 P"]],
    decided: Mapping[int, tuple[float, float]],
    areas: Mapping[int, float],
    info: DatasetInfo,
    path: str | Path,
    title: str = "",
) -> None:
    """A line a class against all others; a cross where the decisions stand.

    Args:
      curves: false and true positive rate of each class, by id; NaN is left out.
      decided: sensitivity and specificity of the decisions.
      areas: under the curves, for the legend.
      info: the class table.
      path: the PNG file.
      title: what was evaluated.

    Raises:
      EnvironmentFault: if the disk refuses.
    """
    figure, (axis,) = canvas(6.4, 4.6, (1, 1))
    drawn = 0
    for k, (false, true) in curves.items():
        if np.isnan(false).any() or np.isnan(true).any():
            continue
        drawn += 1
        colour = _colour(info, k)
        words = f"{info.class_names[k]}  {areas[k]:.4f}"
        axis.plot(false, true, color=colour, lw=1.4, label=words)
        sensitivity, specificity = decided[k]
        axis.plot(1 - specificity, sensitivity, "x", color=colour, ms=7, mew=1.8)
    axis.plot([], [], "x", color=BEST, ms=6, mew=1.6, label="as decided")
    axis.plot([0, 1], [0, 1], color=_GREY, lw=1, ls=(0, (4, 3)), zorder=0)
    axis.set_xlabel("share of other pixels that is called so (1 - specificity)")
    axis.set_ylabel("share of its pixels that is found (sensitivity)")
    axis.set_title("ROC, area by class", loc="left", fontweight="bold")
    _unit(axis)
    _legend(axis, drawn)
    _headline(figure, title)
    write(figure, path)


def risk_coverage(
    coverage: Float[np.ndarray, "P"],
    risk: Float[np.ndarray, "P"],
    area: float,
    path: str | Path,
    title: str = "",
) -> None:
    """The share of wrong pixels among the surest, over how many are kept.

    Args:
      coverage: share of the pixels that is kept.
      risk: share of these that is wrong.
      area: under the curve, written into the plot.
      path: the PNG file.
      title: what was evaluated.

    Raises:
      EnvironmentFault: if the disk refuses.
    """
    figure, (axis,) = canvas(5.6, 3.8, (1, 1))
    axis.plot(
        np.append(0.0, coverage), np.append(risk[:1], risk), color=VAL, lw=1.6, zorder=3
    )
    if len(risk):
        axis.fill_between(coverage, risk, color=TRAIN, alpha=0.15, lw=0)
        axis.plot(coverage[-1], risk[-1], "o", color=BEST, ms=5, zorder=4)
        axis.annotate(
            f"all pixels: {risk[-1]:.4f}",
            (coverage[-1], risk[-1]),
            (-8, 6),
            textcoords="offset points",
            ha="right",
            size=8,
        )
    axis.text(
        0.03, 0.9, f"area {area:.4f}", transform=axis.transAxes, color=BEST, size=9
    )
    axis.set_xlim(0, 1.02)
    axis.set_ylim(0, 1.25 * max(float(risk.max(initial=0.0)), 1e-3))
    axis.set_xlabel("share of the pixels that is kept, the surest first")
    axis.set_ylabel("share of them that is wrong")
    axis.set_title("risk over coverage", loc="left", fontweight="bold")
    axis.grid(axis="y", color="#e9ecef")
    _headline(figure, title)
    write(figure, path)


def _colour(info: DatasetInfo, k: int) -> tuple[float, ...]:
    """The class's colour, darkened where it would be lost on white."""
    colour = np.asarray(info.class_colours[k], np.float64) / 255
    light = float(colour @ [0.2126, 0.7152, 0.0722])
    return tuple(colour * min(1.0, 0.7 / max(light, 1e-6)))


def _unit(axis: Axes) -> None:
    axis.set_xlim(-_MARGIN, 1 + _MARGIN)
    axis.set_ylim(-_MARGIN, 1 + _MARGIN)
    axis.set_aspect("equal")
    axis.grid(color="#f1f3f5")


def _legend(axis: Axes, entries: int) -> None:
    if 0 < entries <= LISTED:
        axis.legend(
            frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.02, 1.0)
        )


def _headline(figure, title: str) -> None:
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=9, color="#6c757d")
