"""What a run writes while it trains: the log, the events, the progress, the page."""

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segjax.report import page
from segjax.report.events import Events
from segjax.report.metrics_log import METRICS, TIMING, MetricsLog
from segjax.report.progress import Progress

SHOWN = ("loss", "miou")
"""What the progress display shows of a log line."""

MUCH = 0.1
"""Share of the time that a step may wait for its data without a word."""


class Journal(contextlib.AbstractContextManager):
    """Writes to all of them; use it in a `with` block.

    Args:
      workdir: the run folder.
      num_steps: the last step.
      start_step: the restored step; what was written after it is cut back.
      begin: `time.monotonic()` of the start, for the time to the first step.
      stages: what had been done when, in seconds from `begin`, for the log.
    """

    def __init__(
        self,
        workdir: Path,
        *,
        num_steps: int,
        start_step: int,
        begin: float,
        stages: Mapping[str, float] | None = None,
    ):
        self._workdir = workdir
        self._begin: float | None = begin
        self._stages = stages or {}
        self._slow, self._complained = 0, False
        with contextlib.ExitStack() as stack:
            enter = stack.enter_context
            self._metrics = enter(MetricsLog(workdir / METRICS, start_step))
            self._timing = enter(MetricsLog(workdir / TIMING, start_step))
            self._events = enter(Events(workdir, start_step))
            self._progress = enter(Progress(num_steps, start_step))
            self._stack = stack.pop_all()

    def __exit__(self, *exception: Any) -> None:
        self._stack.__exit__(*exception)

    def advance(self, step: int) -> None:
        """A step was sent to the devices; the first one when it was compiled."""
        if self._begin is not None:
            seconds = time.monotonic() - self._begin
            self._timing.write(step, "start", seconds=seconds, **self._stages)
            self._begin = None
        self._progress.update(step)

    def say(self, words: str) -> None:
        """A line for the person who watches."""
        self._progress.say(words)

    def train(
        self,
        step: int,
        scalars: dict[str, float],
        images_per_s: float,
        wait_share: float,
    ) -> None:
        """A line about the last steps, which waited `wait_share` of them for data."""
        speed = {"images_per_s": images_per_s, "wait_share": wait_share}
        self._metrics.write(step, "train", **scalars)
        self._timing.write(step, "train", **speed)
        self._events.scalars(step, "train", {**scalars, **speed})
        shown = {name: scalars[name] for name in SHOWN if name in scalars}
        self._progress.update(step, {**shown, **speed})
        self._complain(wait_share)

    def validation(self, step: int, scalars: dict[str, float], seconds: float) -> None:
        """A line about an evaluation, and the page with its curves."""
        self._metrics.write(step, "val", **scalars)
        self._timing.write(step, "val", seconds=seconds)
        self._events.scalars(step, "val", scalars)
        self.say(
            f"step {step}  validation: miou {scalars['miou']:.4f}  pixel accuracy "
            f"{scalars['pixel_accuracy']:.4f}  ({seconds:.1f} s)"
        )
        page.write(self._workdir)

    def _complain(self, wait_share: float) -> None:
        """Say once that the data are too slow, if they were in two lines in a row."""
        self._slow = self._slow + 1 if wait_share > MUCH else 0
        if self._slow == 2 and not self._complained:
            self._complained = True
            self.say(
                f"The step waits for data {100 * wait_share:.0f} % of the time. Raise "
                "config.input.threads or config.input.workers, or store the set with "
                "`segjax prepare`; `segjax inspect --speed --config=...` measures it."
            )

    def sync(self) -> None:
        """Bring the log to the disk; before a checkpoint is committed."""
        self._metrics.sync()
        self._timing.sync()


class Silent(contextlib.AbstractContextManager):
    """The journal of the processes that do not write."""

    def __exit__(self, *exception: Any) -> None:
        """Nothing to close."""

    def advance(self, step: int) -> None:
        """Nothing."""

    def say(self, words: str) -> None:
        """Nothing."""

    def train(
        self,
        step: int,
        scalars: dict[str, float],
        images_per_s: float,
        wait_share: float,
    ) -> None:
        """Nothing."""

    def validation(self, step: int, scalars: dict[str, float], seconds: float) -> None:
        """Nothing."""

    def sync(self) -> None:
        """Nothing."""
