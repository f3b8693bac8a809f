"""Who runs a point: one process at a time, whoever started it.

The kernel holds the claim for the process that runs the point, however that dies, so
sweeps, jobs of a cluster and hands may work in one study and never run a point twice.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from segjax.core.errors import EnvironmentFault

CLAIM = ".claim"
PATIENCE_S = 1.0
"""Whoever only looks whether a point runs holds its claim for a moment, too."""


@contextlib.contextmanager
def hold(place: Path) -> Iterator[None]:
    """Be the one that runs the point of the run folder `place`, until the block ends.

    Raises:
      EnvironmentFault: it runs elsewhere, or the folder cannot be locked.
    """
    lock = _lock(place, PATIENCE_S)
    try:
        place.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        raise EnvironmentFault(
            f"{place}: another process runs this point. Wait for it, or stop it."
        ) from None
    except (OSError, NotImplementedError) as error:
        raise EnvironmentFault(
            f"{place}: cannot be locked ({error}); a study needs a disk with file "
            "locks. Choose another --workdir."
        ) from error
    try:
        yield
    finally:
        lock.release()


def is_held(place: Path) -> bool:
    """Whether a process runs the point."""
    if not (place / CLAIM).exists():
        return False
    lock = _lock(place, 0.0)
    try:
        lock.acquire()
    except filelock.Timeout:
        return True
    lock.release()
    return False


def _lock(place: Path, timeout_s: float) -> filelock.UnixFileLock:
    # Not the soft lock: one that outlives its process would need a person to remove it.
    return filelock.UnixFileLock(
        place / CLAIM, timeout=timeout_s, fallback_to_soft=False
    )
