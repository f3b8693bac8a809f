"""How far a pass over many images is: a bar on a terminal, few lines in a log."""

import contextlib
import io
import sys
import time
from collections.abc import Callable, Iterator

import rich.console
import rich.progress

SECONDS = 5.0
"""Without a terminal, at most one line in so long, and one at the end."""


@contextlib.contextmanager
def shown(
    what: str, stream: io.TextIOBase | None = None, terminal: bool | None = None
) -> Iterator[Callable[[int, int], None]]:
    """Yields `update(done, total)`.

    A pass that is over within `SECONDS` leaves no line in a log.

    Args:
      what: what is being done, such as "evaluating val".
      stream: where to write; stderr by default.
      terminal: whether to draw a bar; by default, if the stream is a terminal.
    """
    stream = stream or sys.stderr
    if stream.isatty() if terminal is None else terminal:
        console = rich.console.Console(file=stream, force_terminal=True)
        with rich.progress.Progress(
            rich.progress.TextColumn("{task.description}", markup=False),
            rich.progress.BarColumn(24),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TimeRemainingColumn(),
            console=console,
            redirect_stdout=False,
        ) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    last, told = time.monotonic(), False

    def update(done: int, total: int) -> None:
        nonlocal last, told
        now = time.monotonic()
        if now - last >= SECONDS or (told and done == total):
            print(f"{what}: {done}/{total}", file=stream, flush=True)
            last, told = now, True

    yield update
