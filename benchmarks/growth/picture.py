"""Growth drawn on logarithmic axes: measured points, and dashed the expected law."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.growth.results import short
from segjax.report.plots import TRAIN, VAL, canvas, write

COLOURS = (TRAIN, VAL, "#3a7d44", "#b07d2b")
"""Of the series, in their order; their marks differ too."""

MARKS = "osD^"
PANEL = (4.6, 3.5)
"""Inches."""

UNITS = {"s": "seconds", "bytes": "bytes", "operations": "operations"}
"""Of an axis whose series have one unit."""


def draw(results: Sequence[dict[str, Any]], path: str | Path) -> None:
    """A panel a question, at most three beside each other.

    Raises:
      EnvironmentFault: if the disk refuses.
    """
    columns = min(3, len(results))
    rows = math.ceil(len(results) / columns)
    figure, axes = canvas(PANEL[0] * columns, PANEL[1] * rows, (rows, columns))
    for axis in axes[len(results) :]:
        axis.set_visible(False)
    for axis, result in zip(axes, results, strict=False):
        panel(axis, result)
    write(figure, path)


def panel(axis: Axes, result: dict[str, Any]) -> None:
    """The series in their unit; of several units each in multiples of its first."""
    units = {row["unit"] for row in result["series"]}
    one = UNITS[units.pop()] if len(units) == 1 else ""
    x = dict(zip(result["values"], _places(result), strict=True))
    highest, lowest = 0.0, math.inf
    for row, colour, mark in zip(result["series"], COLOURS, MARKS, strict=False):
        start, found, law = row["points"][0], row["fit"], row["law"]
        start = 1.0 if one else start
        y = np.array(row["points"]) / start
        highest, lowest = max(highest, y.max()), min(lowest, y.min())
        fine = np.geomspace(row["x"][0], row["x"][-1], 50)
        expected = (found["a"] + found["b"] * fine ** law["power"]) / start
        axis.plot(fine, expected, color=colour, lw=1.1, ls=(0, (4, 3)), zorder=1)
        axis.plot(
            row["x"],
            y,
            color=colour,
            lw=0,
            marker=mark,
            ms=5.5,
            mec="white",
            mew=0.7,
            zorder=3,
            label=f"{row['name']}: slope {found['slope']:.2f}, expected {_span(row)}\n"
            f"{short(row['points'][0], row['unit'])} to "
            f"{short(row['points'][-1], row['unit'])}; dashed {law['formula']}",
        )
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_title(result["title"], loc="left", fontweight="bold", fontsize=10)
    axis.set_xlabel(result["axis"], fontsize=8.5)
    axis.set_ylabel(one or "times the first point", fontsize=8.5)
    axis.xaxis.set_major_locator(FixedLocator(list(x.values())))
    axis.xaxis.set_major_formatter(
        FuncFormatter(lambda _, i: result["tick"].format(result["values"][i]))
    )
    axis.yaxis.set_major_locator(FixedLocator(_round_numbers(lowest, highest)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    for side in (axis.xaxis, axis.yaxis):
        side.set_minor_locator(NullLocator())
    axis.grid(color="#e9ecef", lw=0.7)
    room = 1.3 * (highest / lowest) ** (0.22 * len(result["series"]))
    axis.set_ylim(lowest / 1.25, highest * max(room, 1.9))  # the legend stands above
    axis.legend(
        frameon=False,
        loc="upper left",
        fontsize=6.8,
        labelspacing=0.55,
        handletextpad=0.2,
        borderaxespad=0.1,
    )


def _places(result: dict[str, Any]) -> list[float]:
    """Where the values stand on the axis."""
    longest = max(result["series"], key=lambda row: len(row["x"]))
    known = dict(zip(longest["values"], longest["x"], strict=True))
    return [known[n] for n in result["values"]]


def _span(row: dict[str, Any]) -> str:
    low, high = row["slopes_expected"]
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _round_numbers(lowest: float, highest: float) -> list[float]:
    """1, 2, 5, 10, ... or, of a wide range, 1, 10, 100, ... and below."""
    decades = range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)
    steps = (1,) if math.log10(highest / lowest) > 3.2 else (1, 2, 5)
    made = [m * 10.0**d for d in decades for m in steps]
    return [n for n in made if lowest / 1.3 <= n <= highest * 1.3]
