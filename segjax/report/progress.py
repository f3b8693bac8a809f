"""How far the run is: a bar on a terminal, plain lines in a log file.

step 200/2000  loss 0.812  miou(train) 0.410  34.1 images/s  wait 0 %  1:23 left
"""

import io
import sys
import time
from collections.abc import Mapping
from typing import Any

import rich.console
import rich.progress

from segjax.report.files import plain


class Progress:
    """Shows the steps of a run; use it in a `with` block.

    Args:
      num_steps: the last step.
      start_step: the restored step, 0 for a new run.
      every: without a terminal, at most one line in so many steps, and one at the end.
      stream: where to write; stderr by default.
      terminal: whether to draw a bar; by default, if the stream is a terminal.
    """

    def __init__(
        self,
        num_steps: int,
        start_step: int = 0,
        every: int = 1,
        stream: io.TextIOBase | None = None,
        terminal: bool | None = None,
    ):
        self.num_steps = num_steps
        self._stream = stream or sys.stderr
        self._every = every
        self._shown = start_step
        self._first: tuple[int, float] | None = None
        self._bar = None
        if self._stream.isatty() if terminal is None else terminal:
            console = rich.console.Console(
                file=self._stream, force_terminal=True, highlight=False
            )
            self._bar = rich.progress.Progress(
                rich.progress.BarColumn(24),
                rich.progress.TextColumn("{task.description}", markup=False),
                console=console,
            )
            task = line(start_step, num_steps, {})
            self._task = self._bar.add_task(task, total=num_steps, completed=start_step)

    def update(self, step: int, values: Mapping[str, Any] | None = None) -> None:
        """Show that `step` is done; `values` are shown by name, where given.

        Time left is counted from the first update on, without start-up and compiling.
        """
        now = time.monotonic()
        self._first = self._first or (step, now)
        left = _seconds_left(step, self.num_steps, *self._first, now)
        if self._bar is not None:
            self._bar.update(self._task, completed=step)
            if values:
                words = line(step, self.num_steps, values, left)
                self._bar.update(self._task, description=words)
        elif values and (step - self._shown >= self._every or step == self.num_steps):
            self._shown = step
            self.say(line(step, self.num_steps, values, left))

    def say(self, words: str) -> None:
        """Print a line of its own, above the bar where there is one."""
        if self._bar is not None:
            self._bar.console.print(words, markup=False)
        else:
            print(words, file=self._stream, flush=True)

    def __enter__(self) -> "Progress":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._bar is not None:
            self._bar.stop()


def line(
    step: int,
    num_steps: int,
    values: Mapping[str, Any],
    seconds_left: float | int | None = None,
) -> str:
    """One line of text; `images_per_s`, `wait_share` and the time left come last."""
    words = [f"step {step}/{num_steps}"]
    for name, value in plain(values).items():
        if name not in ("images_per_s", "wait_share"):
            words.append(f"{name} {_short(value)}")
    if "images_per_s" in values:
        words.append(f"{float(values['images_per_s']):.1f} images/s")
    if "wait_share" in values:
        words.append(f"wait {100 * float(values['wait_share']):.0f} %")
    if seconds_left is not None:
        words.append(f"{duration(seconds_left)} left")
    return "  ".join(words)


def duration(seconds: float | int) -> str:
    """`m:ss`, or `h:mm:ss` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _short(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3f}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.2e}"


def _seconds_left(
    step: int, num_steps: int, first_step: int, first_time: Any, now: Any
) -> float | None:
    if step <= first_step:
        return None
    return (num_steps - step) * (now - first_time) / (step - first_step)
