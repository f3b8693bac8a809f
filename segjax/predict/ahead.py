"""Work on threads whose results come in order."""

import collections
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    threads: int,
    waiting: int = 0,
) -> Iterator[Result]:
    """`map` on threads, in order; results wait to be taken, and then the threads do.

    However it ends, no thread works when it has ended.

    Args:
      function: called by the threads; by one at a time and in order if there is one.
      items: taken by the caller's thread.
      threads: how many.
      waiting: results that wait, at most; two a thread if that is more.
    """
    queue, most = collections.deque(), max(waiting, 2 * threads)
    begin = threading.Event()
    with ThreadPoolExecutor(threads) as pool:
        try:
            # A pool does not wait for a thread whose start a signal interrupted, so all
            # start before there is work.
            for _ in range(threads):
                pool.submit(begin.wait)
            begin.set()
            for item in items:
                queue.append(pool.submit(function, item))
                if len(queue) == most:
                    yield queue.popleft().result()
            while queue:
                yield queue.popleft().result()
        finally:
            begin.set()
            pool.shutdown(cancel_futures=True)
