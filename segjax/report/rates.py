"""The picture of a learning-rate range test."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segjax.report.plots import BEST, TRAIN, VAL, canvas, write


def draw(
    rates: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float],
    path: str | Path,
    *,
    own: float | None = None,
    suggested: float | None = None,
    steepest: float | None = None,
) -> None:
    """Loss over the learning rate, with the rates to look at as upright lines.

    Args:
      rates: of each step, rising.
      losses: of each step.
      smoothed: the same, smoothed.
      path: the PNG file.
      own: the config's rate.
      suggested: the rate that the test suggests.
      steepest: where the loss falls fastest.

    Raises:
      EnvironmentFault: if the disk refuses.
    """
    figure, (axis,) = canvas(6.4, 3.8, (1, 1))
    shown = [np.where(np.isfinite(v), v, np.nan) for v in (losses, smoothed)]
    axis.plot(rates, shown[0], ".", ms=4, color="#ced4da", label="loss of a batch")
    axis.plot(rates, shown[1], lw=1.8, color=TRAIN, label="smoothed")
    marks = (
        (suggested, VAL, "-", "suggested"),
        (steepest, VAL, ":", "steepest fall"),
        (own, BEST, "--", "the config's"),
    )
    for rate, colour, style, name in marks:
        if rate is not None:
            label = f"{name}, {rate:.1e}"
            axis.axvline(rate, color=colour, ls=style, lw=1.1, label=label)
    axis.set_xscale("log")
    if np.isfinite(shown).any():  # what is lost at the end leaves the picture
        least, first = float(np.nanmin(shown)), float(losses[0])
        room = max(first - least, 0.1 * abs(first))
        axis.set_ylim(least - 0.1 * room, first + 0.8 * room)
    axis.set_xlabel("learning rate of the step")
    axis.set_title("Learning-rate range test: loss", loc="left", fontweight="bold")
    axis.grid(axis="y", color="#e9ecef")
    axis.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)
    write(figure, path)
