"""Where the time of a pass over many files goes, told without slowing it down.

Files are read and written by threads beside the network, so what they take does not
count, but what the network waits for them.
"""

import collections
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")

NETWORK, COMPILING = "network", "compiling"
READING, WRITING = "waiting for reading", "waiting for writing"


class Pace:
    """Seconds of the main thread by what it did, and those that threads worked.

    Attributes:
      seconds: of the main thread, apart from each other.
      threads: work of the threads, which overlaps.
    """

    def __init__(self, compiled: Callable[[], int] = lambda: 0):
        """
        Args:
          compiled: how many programs were compiled so far; a step of the network in
            which it grows counts as compiling.
        """
        self.seconds: dict[str, float] = collections.defaultdict(float)
        self.threads: dict[str, float] = collections.defaultdict(float)
        self._compiled, self._lock, self._inner = compiled, threading.Lock(), 0.0
        self._begin = time.perf_counter()

    def through(self, name: str, items: Iterable[Item]) -> Iterator[Item]:
        """The items; the time until each comes is `name`'s.

        What passes through another name on the way is that one's alone.
        """
        items, end = iter(items), object()
        while True:
            outer, self._inner = self._inner, 0.0
            begin, programs = time.perf_counter(), self._compiled()
            item = next(items, end)
            spent = time.perf_counter() - begin
            kind = name
            if name == NETWORK and self._compiled() > programs:
                kind = COMPILING
            self.seconds[kind] += spent - self._inner
            self._inner = outer + spent
            if item is end:
                return
            yield item

    def worked(self, name: str, function: Callable[..., Item]) -> Callable[..., Item]:
        """The function; the time that its calls take is work of threads."""

        def timed(*args: Any) -> Item:
            begin = time.perf_counter()
            try:
                return function(*args)
            finally:
                with self._lock:
                    self.threads[name] += time.perf_counter() - begin

        return timed

    def document(self, number: int) -> dict[str, Any]:
        """What was measured, for programs.

        Args:
          number: of pictures and frames that were predicted.
        """
        total = time.perf_counter() - self._begin
        steady = total - self.seconds[COMPILING]
        return {
            "pictures": number,
            "seconds": total,
            "per_second": number / total,
            "per_second_compiled": number / steady if steady > 0 else None,
            "main_thread_seconds": dict(self.seconds),
            "threads_seconds": dict(self.threads),
        }

    def words(self, number: int) -> str:
        """The same in a sentence or two; empty if nothing was predicted."""
        if not number:
            return ""
        total = time.perf_counter() - self._begin
        compiling = self.seconds[COMPILING]
        steady = total - compiling
        told = f"{number} in {total:.1f} s, {number / total:.1f} a second"
        if compiling >= 0.05:
            told += (
                f"; {number / steady:.1f} a second without {compiling:.1f} s for "
                "the first of each size, in which it is compiled"
            )
        shares = [
            f"{100 * self.seconds[name] / steady:.0f} % {name}"
            for name in (NETWORK, READING, WRITING)
        ]
        return f"{told}. Of that: {', '.join(shares)}."
