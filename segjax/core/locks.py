"""Locks of files that the kernel holds for a process.

They go with the process, however that dies, so there is no stale lock to remove.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock


class HeldElsewhere(Exception):
    """Another process, or another part of this one, holds the lock."""


@contextlib.contextmanager
def hold(path: Path, patience_s: float | int) -> Iterator[None]:
    """Hold the lock `path`, whose folder is made if absent, until the block ends.

    Args:
      path: the file of the lock; it stays.
      patience_s: seconds to wait for one that is held.

    Raises:
      HeldElsewhere: it was held all the while.
      OSError: the folder cannot be written, or its disk has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock(path, patience_s)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise HeldElsewhere(path) from None
    except NotImplementedError as error:
        raise OSError(str(error)) from error
    try:
        yield
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock; who asks holds it for a moment, too."""
    if not path.exists():
        return False
    lock = _lock(path, 0)
    try:
        lock.acquire()
    except filelock.Timeout:
        return True
    lock.release()
    return False


def _lock(path: Path, patience_s: float | int) -> filelock.UnixFileLock:
    # Not the soft lock: one that outlives its process would need a person to remove it.
    return filelock.UnixFileLock(path, timeout=patience_s, fallback_to_soft=False)
