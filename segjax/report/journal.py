"""What a run writes while it trains: the log, the events, the progress, the page."""

import contextlib
import time
from pathlib import Path
from typing import Any

from segjax.report import page
from segjax.report.events import Events
from segjax.report.metrics_log import METRICS, TIMING, MetricsLog
from segjax.report.progress import Progress

SHOWN = ("loss", "miou")
"""What the progress display shows of a log line."""


class Journal(contextlib.AbstractContextManager):
    """Writes to all of them; use it in a `with` block.

    Args:
      workdir: the run folder.
      num_steps: the last step.
      start_step: the restored step; what was written after it is cut back.
      begin: `time.monotonic()` of the start, for the time to the first step.
    """

    def __init__(self, workdir: Path, *, num_steps: int, start_step: int, begin: float):
        self._workdir = workdir
        self._begin: float | None = begin
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
            self._timing.write(step, "start", seconds=seconds)
            self._begin = None
        self._progress.update(step)

    def say(self, words: str) -> None:
        """A line for the person who watches."""
        self._progress.say(words)

    def train(self, step: int, scalars: dict[str, float], images_per_s: float) -> None:
        """A line about the last steps."""
        self._metrics.write(step, "train", **scalars)
        self._timing.write(step, "train", images_per_s=images_per_s)
        self._events.scalars(step, "train", {**scalars, "images_per_s": images_per_s})
        shown = {name: scalars[name] for name in SHOWN if name in scalars}
        self._progress.update(step, {**shown, "images_per_s": images_per_s})

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

    def train(self, step: int, scalars: dict[str, float], images_per_s: float) -> None:
        """Nothing."""

    def validation(self, step: int, scalars: dict[str, float], seconds: float) -> None:
        """Nothing."""

    def sync(self) -> None:
        """Nothing."""
