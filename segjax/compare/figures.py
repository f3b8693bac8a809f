"""The figures of a comparison: PNG for a light and a dark page, SVG and PDF.

Arms keep their colour and mark over all figures; no figure needs the colour alone.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter

from segjax.compare.arms import Arm, Material
from segjax.compare.numbers import Numbers, Standing
from segjax.compare.tables import label
from segjax.core.errors import EnvironmentFault
from segjax.report import plots
from segjax.report.files import not_written, number

COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#8c6d46",
    "#7b61c4",
)
"""Okabe and Ito's colours, which the colour-blind tell apart, and two more."""
MARKS = "osD^vPX*"
OTHER_MARKS = "hpd8<>"
"""Of baselines and annotators."""
GREY = "#868e96"
"""Of baselines, and of differences that are not resolved."""

NIGHT = {"paper": "#15181c", "ink": "#e6e8eb", "line": "#59616b", "grid": "#2a3037"}

CAPTIONS = {
    "scores": "Score of each arm. Bar: {level} interval; small dots: its seeds.",
    "differences": "Difference of each pair, paired over images, in points, with its "
    "{level} interval. Grey: not resolved.",
    "classes": "Score of each class under each arm, with its {level} interval.",
    "curves": "Validation during training: median over seeds, and their range.",
    "cost": "Score against speed and against size, with its {level} interval.",
}
"""Name of a figure -> what it shows."""


Styles = dict[str, tuple[str, str]]
"""Name of an arm -> its colour and mark."""


def draw(material: Material, numbers: Numbers, folder: Path) -> list[str]:
    """Draw what there are numbers for; returns the names of the figures.

    Raises:
      EnvironmentFault: if the disk refuses.
    """
    styles: Styles = {}
    for trained in (True, False):
        kind = [s for s in numbers.standings if (s.arm.kind == "run") == trained]
        marks = MARKS if trained else OTHER_MARKS
        for i, s in enumerate(kind):
            colour = COLOURS[i % len(COLOURS)] if trained else GREY
            styles[s.arm.name] = colour, marks[i % len(marks)]
    made = {
        "scores": _scores(numbers, styles),
        "differences": _differences(numbers),
        "classes": _classes(material, numbers, styles),
        "curves": _curves(material.trained, styles),
        "cost": _cost(numbers, styles),
    }
    for name, figure in made.items():
        if figure is not None:
            _write(figure, folder, name)
    return [name for name, figure in made.items() if figure is not None]


def _scores(numbers: Numbers, styles: Styles) -> Figure | None:
    shown = [s for s in numbers.standings if s.score is not None]
    if not shown:
        return None
    figure, (axis,) = plots.canvas(7.2, 1.1 + 0.42 * len(shown), (1, 1))
    for y, s in enumerate(shown):
        colour, mark = styles[s.arm.name]
        seeds = 100 * np.asarray(s.score.seeds, np.float64)
        if len(seeds) > 1:
            axis.plot(seeds, np.full(len(seeds), y + 0.26), "o", ms=3, color=colour)
        _interval(axis, s, y, colour, mark)
    _rows(axis, [label(s) for s in shown])
    axis.set_xlabel(f"{numbers.score.title}, %")
    return figure


def _differences(numbers: Numbers) -> Figure | None:
    pairs = numbers.pairs[:40]
    if not pairs:
        return None
    figure, (axis,) = plots.canvas(7.2, 1.1 + 0.36 * len(pairs), (1, 1))
    axis.axvline(0, color=plots.BEST, lw=1)
    for y, p in enumerate(pairs):
        d = p.difference
        colour = COLOURS[0] if p.resolved else GREY
        axis.plot([100 * d.low, 100 * d.high], [y, y], color=colour, lw=2.2)
        face = colour if p.resolved else "none"
        axis.plot(100 * d.value, y, "s", color=colour, ms=6, mfc=face, mew=1.6)
    _rows(axis, [f"{p.a} \N{MINUS SIGN} {p.b}" for p in pairs])
    axis.set_xlabel(f"points {numbers.score.title}")
    return figure


def _classes(material: Material, numbers: Numbers, styles: Styles) -> Figure | None:
    shown = [s for s in numbers.standings if any(s.classes)][: len(COLOURS)]
    if not shown:
        return None
    names = material.class_names
    step = 0.8 / len(shown)
    height = 1.2 + len(names) * max(0.3, 0.13 * len(shown))
    figure, (axis,) = plots.canvas(7.2, min(height, 40.0), (1, 1))
    for i, s in enumerate(shown):
        colour, mark = styles[s.arm.name]
        places = np.arange(len(names)) + (i - (len(shown) - 1) / 2) * step
        for y, e in zip(places, s.classes, strict=True):
            if e is not None:
                axis.plot([100 * e.low, 100 * e.high], [y, y], color=colour, lw=1.4)
                axis.plot(100 * e.value, y, mark, color=colour, ms=4.5)
        axis.plot([], [], mark, color=colour, ms=5, label=label(s))
    for y in range(len(names)):
        if all(s.classes[y] is None for s in shown):
            axis.text(0.5, y, "absent", size=8, style="italic", color=GREY, va="center")
        if y % 2:
            axis.axhspan(y - 0.5, y + 0.5, color=GREY, alpha=0.09, lw=0)
    _rows(axis, names)
    axis.set_xlim(-1.5, 101.5)
    axis.set_xlabel({"iou": "IoU, %", "dice": "Dice, %"}[numbers.class_score])
    figure.legend(loc="outside upper left", frameon=False, ncols=4, fontsize=8)
    return figure


def _curves(arms: Sequence[Arm], styles: Styles) -> Figure | None:
    titles = {"miou": "validation mean IoU, %", "loss": "validation loss"}
    found = {
        name: [(a, s) for a in arms if (s := series(a, name)) is not None]
        for name in titles
    }
    drawn = [name for name in titles if found[name]]
    if not drawn:
        return None
    figure, axes = plots.canvas(8.0, 3.4, (1, len(drawn)))
    for axis, name in zip(axes, drawn, strict=True):
        scale = 100 if name == "miou" else 1
        for arm, (steps, values) in found[name]:
            colour, mark = styles[arm.name]
            few = len(steps) <= 30
            axis.plot(
                steps,
                scale * np.nanmedian(values, 0),
                marker=mark if few else "",
                ms=3.5,
                lw=1.5,
                color=colour,
                label=arm.name,
            )
            if len(values) > 1:
                low, high = np.nanmin(values, 0), np.nanmax(values, 0)
                band = scale * low, scale * high
                axis.fill_between(steps, *band, color=colour, alpha=0.18, lw=0)
        axis.set_title(titles[name], loc="left", fontweight="bold", fontsize=10)
        axis.set_xlabel("step")
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axis.grid(axis="y", color="#e9ecef")
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside upper left",
        frameon=False,
        ncols=4,
        fontsize=8,
    )
    return figure


def series(arm: Arm, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Steps `(T,)` and values `(S, T)` of a validation value, of the seeds that log it.

    None where no step has a finite one.
    """
    every = [
        {
            r["step"]: number(r[name])
            for r in run.log
            if r["kind"] == "val" and name in r
        }
        for run in arm.runs
    ]
    every = [one for one in every if one]
    steps = sorted(set.intersection(*(set(one) for one in every))) if every else []
    values = np.array([[one[s] for s in steps] for one in every], np.float64)
    if not steps or not np.isfinite(values).any(0).all():
        return None
    return np.array(steps), values


def _cost(numbers: Numbers, styles: Styles) -> Figure | None:
    what = {"images_per_s": "images scored a second", "parameters": "parameters"}
    found = {
        name: [
            s
            for s in numbers.standings
            if s.score is not None and getattr(s.facts, name)
        ]
        for name in what
    }
    drawn = [name for name in what if found[name]]
    if not drawn:
        return None
    figure, axes = plots.canvas(8.0, 3.6, (1, len(drawn)))
    for axis, name in zip(axes, drawn, strict=True):
        for s in found[name]:
            colour, mark = styles[s.arm.name]
            x = getattr(s.facts, name)
            axis.plot([x, x], [100 * s.score.low, 100 * s.score.high], color=colour)
            axis.plot(x, 100 * s.score.value, mark, color=colour, ms=8)
        xs = [getattr(s.facts, name) for s in found[name]]
        if max(xs) > 3 * min(xs):
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
            axis.xaxis.set_minor_formatter(NullFormatter())
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        axis.margins(x=0.1)
        axis.set_xlabel(what[name])
        axis.set_ylabel(f"{numbers.score.title}, %")
        axis.grid(color="#e9ecef")
    for s in found[drawn[0]]:
        colour, mark = styles[s.arm.name]
        axes[0].plot([], [], mark, color=colour, ms=6, label=label(s))
    figure.legend(loc="outside upper left", frameon=False, ncols=4, fontsize=8)
    return figure


def _interval(axis: Axes, s: Standing, y: int, colour: str, mark: str) -> None:
    low, high = 100 * s.score.low, 100 * s.score.high
    axis.plot([low, high], [y, y], color=colour, lw=2.2)
    axis.plot(100 * s.value, y, mark, color=colour, ms=7)
    axis.annotate(
        f"{100 * s.value:.1f}",
        (high, y),
        (6, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
    )


def _rows(axis: Axes, words: Sequence[str]) -> None:
    """A row of words each from the top down."""
    axis.set_yticks(range(len(words)), [_cut(w) for w in words])
    axis.set_ylim(len(words) - 0.5, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.grid(axis="x", color="#e9ecef")


def _cut(words: str, most: int = 44) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"


def _write(figure: Figure, folder: Path, name: str) -> None:
    """PNG, SVG and PDF on white, then a PNG for a dark page."""
    plots.write(figure, folder / f"{name}.png")
    options = {"bbox_inches": "tight", "pad_inches": 0.12}
    with matplotlib.rc_context({"svg.hashsalt": "segjax", "pdf.fonttype": 42}):
        for kind, meta in (("svg", "Date"), ("pdf", "CreationDate")):
            path = folder / f"{name}.{kind}"
            try:
                figure.savefig(path, metadata={meta: None}, **options)
            except OSError as error:
                raise EnvironmentFault(not_written(path, error)) from error
    _to_night(figure)
    plots.write(figure, folder / f"{name}_dark.png")


def _to_night(figure: Figure) -> None:
    """Dark paper, light ink; coloured things keep their colours."""
    figure.set_facecolor(NIGHT["paper"])
    for axis in figure.axes:
        axis.set_facecolor(NIGHT["paper"])
        axis.spines[:].set_color(NIGHT["line"])
        axis.tick_params(which="both", color=NIGHT["line"], labelcolor=NIGHT["ink"])
        for line in [*axis.get_xgridlines(), *axis.get_ygridlines()]:
            line.set_color(NIGHT["grid"])
        for line in axis.get_lines():
            if to_hex(line.get_color()) == plots.BEST:
                line.set_color(NIGHT["ink"])
    for text in figure.findobj(Text):
        if math.isclose(sum(matplotlib.colors.to_rgb(text.get_color())), 0):
            text.set_color(NIGHT["ink"])
