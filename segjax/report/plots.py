"""Plots of numbers: curves over steps, the confusion matrix, bars of classes."""

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Integer
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.report.drawing import save
from segjax.report.files import number

TRAIN, VAL, BEST = "#6c8ebf", "#d1495b", "#1b1b1e"
"""Blue and red that stay apart for colour-blind readers; lines differ in marks too."""

_DPI = 150
_GREY = "#6c757d"


def curves(rows: Sequence[Mapping[str, Any]], path: str | Path) -> None:
    """Loss and mIoU by step, train and validation; the best marked; learning rate.

    Args:
      rows: rows of the metrics log: `step`, `kind` ("train" or "val") and any of
        `loss`, `miou`, `learning_rate`.
      path: the PNG file.

    Raises:
      UserError: if no row holds anything to draw.
      EnvironmentFault: if the disk refuses.
    """
    if not any(k in row for row in rows for k in ("loss", "miou")):
        raise UserError(f"{path}: the log has no loss and no mIoU yet; train first.")
    figure, axes = canvas(8.0, 3.6, (1, 2))
    left, right = axes
    for axis, name, title in ((left, "loss", "loss"), (right, "miou", "mean IoU")):
        _lines(axis, rows, name)
        axis.set_title(title, loc="left", fontweight="bold")
        axis.set_xlabel("step")
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axis.grid(axis="y", color="#e9ecef")
    right.set_ylim(0, _top(rows))
    steps, best = _series(rows, "val", "miou")
    if len(best) and not np.isnan(best).all():
        at = int(np.nanargmax(best))
        right.plot(steps[at], best[at], "*", color=BEST, ms=11, zorder=5)
        right.annotate(
            f"best {best[at]:.3f} at step {steps[at]:.0f}",
            (steps[at], best[at]),
            (0.98, 0.05),
            textcoords="axes fraction",
            ha="right",
            arrowprops={"arrowstyle": "-", "color": _GREY, "lw": 0.6},
        )
    steps, rates = _series(rows, "train", "learning_rate")
    if len(rates):
        inset = left.inset_axes((0.66, 0.70, 0.33, 0.22))
        inset.plot(steps, rates, color=_GREY, lw=1)
        inset.set_title("learning rate", fontsize=7, color=_GREY, pad=2)
        inset.set_xticks([])
        inset.tick_params(labelsize=6, colors=_GREY, length=2)
        inset.set_ylim(bottom=0)
        inset.spines[:].set_color("#ced4da")
    for axis in axes:
        if axis.get_legend_handles_labels()[0]:
            where = "lower left" if axis is left else "upper left"
            axis.legend(frameon=False, loc=where, fontsize=8)
    write(figure, path)


def confusion_matrix(
    counts: Integer[np.ndarray, "K K"], info: DatasetInfo, path: str | Path
) -> None:
    """Heat map of the confusion counts, each row (true class) in percent of its sum.

    Rows without a pixel are grey. Up to 24 classes the cells hold numbers, a blank for
    less than half a percent.

    Raises:
      EnvironmentFault: if the disk refuses.
    """
    num_classes = len(counts)
    sums = counts.sum(1, keepdims=True, dtype=np.float64)
    percent = np.where(sums > 0, 100 * counts / np.maximum(sums, 1), np.nan)
    side = min(10.0, max(4.2, 1.9 + 0.42 * num_classes))
    figure, (axis,) = canvas(side + 0.5, side, (1, 1))
    axis.set_facecolor("#dee2e6")
    norm = PowerNorm(0.5, 0, 100)  # small confusions stay visible beside the diagonal
    picture = axis.imshow(percent, cmap="Blues", norm=norm)
    if num_classes <= 24:
        for (i, j), value in np.ndenumerate(percent):
            if value >= 0.5:
                colour = "white" if value > 30 else "#212529"
                size = 8 if num_classes <= 16 else 6
                words = f"{value:.0f}"
                axis.text(
                    j, i, words, ha="center", va="center", color=colour, size=size
                )
    every = max(1, math.ceil(num_classes / 40))
    ticks, names = range(0, num_classes, every), info.class_names[::every]
    axis.set_xticks(ticks, names, rotation=60, ha="right", rotation_mode="anchor")
    axis.set_yticks(ticks, names)
    axis.tick_params(length=0, labelsize=8 if num_classes <= 24 else 6)
    axis.spines[:].set_visible(False)
    axis.set_xlabel("prediction")
    axis.set_ylabel("truth")
    axis.set_title("Percent of the true class", loc="left", fontweight="bold")
    bar = figure.colorbar(picture, ax=axis, fraction=0.04, ticks=[0, 5, 20, 50, 100])
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=0)
    write(figure, path)


def class_bars(
    scores: Sequence[Any],
    info: DatasetInfo,
    path: str | Path,
    mean: float | None = None,
    title: str = "IoU by class",
) -> None:
    """A bar a class in the class's colour; nan is written "absent", 0 is written 0.

    Args:
      scores: `K` values in 0..1, nan where the class does not occur.
      info: the class table.
      path: the PNG file.
      mean: drawn as a line, where given.
      title: what the scores are.

    Raises:
      EnvironmentFault: if the disk refuses.
    """
    values = np.array([number(s) for s in scores])
    height = max(2.2, 0.9 + 0.3 * len(values))
    figure, (axis,) = canvas(7.0, min(height, 16.0), (1, 1))
    colours = [tuple(c / 255 for c in colour) for colour in info.class_colours]
    places = np.arange(len(values))
    shown = np.nan_to_num(values)
    axis.barh(places, shown, 0.68, color=colours, edgecolor="#495057", lw=0.6)
    for place, value in zip(places, values, strict=True):
        absent = math.isnan(value)
        axis.text(
            0.01 if absent else value + 0.01,
            place,
            "absent" if absent else f"{value:.3f}",
            va="center",
            size=8,
            color=_GREY if absent else BEST,
            style="italic" if absent else "normal",
        )
    if mean is not None and not math.isnan(mean):
        axis.axvline(mean, color=VAL, lw=1.2, ls=(0, (4, 3)), zorder=0)
        axis.text(
            mean, -0.75, f"mean {mean:.3f}", color=VAL, ha="center", va="bottom", size=8
        )
    axis.set_yticks(places, info.class_names)
    axis.set_xlim(0, 1.08)
    axis.set_ylim(len(values) - 0.4, -0.7)
    axis.set_xticks([0, 0.25, 0.5, 0.75, 1.0])
    axis.set_title(title, loc="left", fontweight="bold", pad=18)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    write(figure, path)


def canvas(width: float, height: float, grid: tuple[int, int]) -> tuple[Figure, list]:
    """A white figure of `width x height` inches and its axes, row by row.

    No pyplot, hence safe in threads.
    """
    figure = Figure((width, height), _DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(*grid, squeeze=False).ravel())
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines[:].set_color("#adb5bd")
        axis.tick_params(color="#adb5bd", labelsize=8)
        axis.set_axisbelow(True)
    return figure, axes


def write(figure: Figure, path: str | Path) -> None:
    """Put the figure at `path` as a PNG of few colours.

    Raises:
      EnvironmentFault: if the disk refuses.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", pad_inches=0.12)
    picture = Image.open(buffer).convert("RGB")
    save(picture.quantize(200).convert("RGB"), path)


def _lines(axis: Axes, rows: Sequence[Mapping[str, Any]], name: str) -> None:
    """The train and validation lines of one value."""
    for kind, label, colour in (("train", "train", TRAIN), ("val", "validation", VAL)):
        steps, values = _series(rows, kind, name)
        if len(values):
            mark = "o" if kind == "val" or len(values) == 1 else ""
            axis.plot(
                steps, values, marker=mark, ms=3.5, lw=1.4, color=colour, label=label
            )


def _series(
    rows: Sequence[Mapping[str, Any]], kind: str, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of one kind of row; infinities are left out as gaps."""
    found = [
        (r["step"], number(r[name])) for r in rows if r["kind"] == kind and name in r
    ]
    pairs = np.array(found, np.float64).reshape(-1, 2)
    values = np.where(np.isfinite(pairs[:, 1]), pairs[:, 1], np.nan)
    return pairs[:, 0], values


def _top(rows: Sequence[Mapping[str, Any]]) -> float:
    """The upper end of the mIoU axis: a round tenth above every value."""
    both = [_series(rows, kind, "miou")[1] for kind in ("train", "val")]
    values = np.concatenate(both)
    highest = float(np.nanmax(values)) if np.isfinite(values).any() else 1.0
    return min(1.0, math.ceil(highest * 10 + 0.5) / 10)
