"""SIGTERM and SIGINT as a wish that the loop reads once a step.

A scheduler or a person asks; the step in hand is finished, the state saved, and the
process ends with `core.errors.Stopped`. Python's default would end it in the middle.
"""

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator

SIGNALS = (signal.SIGTERM, signal.SIGINT)
PATIENCE = 3
"""The SIGINT (Ctrl-C) of this number is obeyed at once, by `KeyboardInterrupt`."""

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def catch() -> Iterator[Callable[[], int]]:
    """Catch the signals until the block ends; then the old handlers are back.

    Yields a function that gives the number of the first signal that came, else 0. More
    signals change nothing, but for the third SIGINT.

    Handlers belong to the main thread of the process that called: from another thread
    nothing is caught, and a forked child dies of the signal as it would without.

    Raises:
      KeyboardInterrupt: within the block, at the third SIGINT.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return

    owner, came = os.getpid(), []

    def handle(signum: int, frame: object) -> None:
        if os.getpid() != owner:
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
            return
        came.append(signum)
        if came.count(signal.SIGINT) >= PATIENCE:
            raise KeyboardInterrupt

    before = {s: signal.signal(s, handle) for s in SIGNALS}
    told = False

    def requested() -> int:
        nonlocal told
        if came and not told:
            told = True
            _log.warning(
                "%s: ending after this step, with the state saved",
                signal.Signals(came[0]).name,
            )
        return int(came[0]) if came else 0

    try:
        yield requested
    finally:
        for signum, old in before.items():
            signal.signal(signum, old)
