"""Who runs a point: one process at a time, whoever started it.

The kernel holds the claim for the process that runs the point, however that dies, so
sweeps, jobs of a cluster and hands may work in one study and never run a point twice.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from segjax.core import locks
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
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locks.hold(place / CLAIM, PATIENCE_S))
        except locks.HeldElsewhere:
            raise EnvironmentFault(
                f"{place}: another process runs this point. Wait for it, or stop it."
            ) from None
        except OSError as error:
            raise EnvironmentFault(
                f"{place}: cannot be locked ({error}); a study needs a disk with file "
                "locks. Choose another --workdir."
            ) from error
        yield


def is_held(place: Path) -> bool:
    """Whether a process runs the point."""
    return locks.is_held(place / CLAIM)
