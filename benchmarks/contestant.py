"""A framework in a process of its own, which works only when it is its turn.

So neither framework's threads, libraries or memory are in the other's way, and the
memory of the process is that of one framework.
"""

import contextlib
import importlib
import multiprocessing
import sys
import traceback
from collections.abc import Mapping
from typing import Any

from segjax.core import heap


class Fault(RuntimeError):
    """What went wrong in the other process, with its traceback."""


class Contestant:
    """A job, made and called in another process; use it in a `with`.

    Args:
      maker: `module:name` of what makes the job; imported there, not here.
      arguments: its keyword arguments.
    """

    def __init__(self, maker: str, arguments: Mapping[str, Any]):
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, maker, dict(arguments)), daemon=True
        )
        self._process.start()
        theirs.close()

    def __enter__(self) -> "Contestant":
        return self

    def __exit__(self, *_) -> None:
        with contextlib.suppress(OSError):
            self._pipe.send(None)
        self._pipe.close()
        self._process.join(10)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()

    def __call__(self, method: str, *arguments: Any) -> Any:
        """The result of the job's method there.

        Raises:
          Fault: it failed, or the process ended.
        """
        try:
            self._pipe.send((method, arguments))
            good, result = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(10)
            raise Fault(f"the process ended, code {self._process.exitcode}") from error
        if not good:
            raise Fault(result)
        return result


def peak_mib() -> int | None:
    """The most memory that this process has held, in MiB; None where unknown."""
    with contextlib.suppress(OSError), open("/proc/self/status") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024)
    return None


def _serve(pipe: Any, maker: str, arguments: dict[str, Any]) -> None:
    """Make the job at the first call, answer calls until None comes."""
    heap.keep_freed()  # segjax does it in every run; PyTorch gains by it too
    module, _, name = maker.partition(":")
    job = None
    while True:
        try:
            call = pipe.recv()
        except EOFError:
            return
        if call is None:
            return
        try:
            if job is None:
                job = getattr(importlib.import_module(module), name)(**arguments)
            answer = True, getattr(job, call[0])(*call[1])
        except Exception:
            answer = False, traceback.format_exc()
        sys.stdout.flush()
        pipe.send(answer)
