"""How far a study is: one line that is renewed on a terminal, plain lines in a log.

point 3 of 9: unet seed 2, step 340/600, 12 min left
"""

import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from segjax.study.folder import OVER, Point, Standing, Study, standing

QUIET_S = 60.0
"""Seconds between two lines about the same points where there is no terminal."""


class Progress:
    """Shows what a sweep does.

    Args:
      study: whose points are run.
      jobs: how many at a time.
    """

    def __init__(self, study: Study, jobs: int):
        self.study, self.jobs = study, jobs
        self.terminal = sys.stderr.isatty()
        self.shown, self.drawn, self.looked = "", -math.inf, -math.inf
        self.began: dict[int, tuple[float, int]] = {}  # clock and step of a start here

    def show(self, running: Sequence[Point], left: int) -> None:
        """Say where the points stand that run here; `left` more are not over."""
        now = time.monotonic()
        if now - self.looked < 1:
            return
        self.looked = now
        words = "; ".join(self._line(point) for point in running)
        words = words or f"waits for {left} points that run elsewhere"
        words += self._time_left(now)
        if self.terminal:
            print(f"\r\x1b[K{words}", end="", file=sys.stderr, flush=True)
        elif now - self.drawn >= QUIET_S:
            self.drawn = now
            print(words, file=sys.stderr, flush=True)
        self.shown = words

    def say(self, point: Point, words: str, path: Path | None = None) -> None:
        """A line about a point that stays."""
        if words == "starts":
            step = standing(self.study, point).step
            self.began[point.index] = (time.monotonic(), step)
            words += f" at step {step}" if step else ""
        clear = "\r\x1b[K" * self.terminal
        more = f" ({path})" if path else ""
        print(f"{clear}{self._name(point)} {words}{more}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """End the line that was renewed."""
        if self.terminal and self.shown:
            print(file=sys.stderr, flush=True)

    def _name(self, point: Point) -> str:
        return f"point {point.index + 1} of {len(self.study.points)}: {point}"

    def _line(self, point: Point) -> str:
        found = standing(self.study, point)
        return f"{self._name(point)}, step {found.step}/{found.num_steps}"

    def _time_left(self, now: float) -> str:
        """The time that all points still need, from those that are over or run."""
        found = [(p, standing(self.study, p)) for p in self.study.points]
        known: dict[str, list[float]] = {}
        for point, at in found:
            seconds = self._whole(point, at, now)
            if seconds is not None:
                known.setdefault(point.arm, []).append(seconds)
        if not known:
            return ""
        means = {arm: sum(values) / len(values) for arm, values in known.items()}
        usual = sum(means.values()) / len(means)
        left = sum(
            means.get(point.arm, usual) * (1 - at.step / at.num_steps)
            for point, at in found
            if at.state not in OVER
        )
        return f", {math.ceil(left / self.jobs / 60)} min left"

    def _whole(self, point: Point, at: Standing, now: float) -> float | None:
        """Seconds of a whole run of a point, if that can be told."""
        if at.state == "finished":
            return at.seconds
        clock, step = self.began.get(point.index, (now, at.step))
        if at.state != "running" or at.step == step:
            return None
        return (now - clock) / (at.step - step) * at.num_steps
