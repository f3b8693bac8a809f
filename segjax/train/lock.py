"""One live run per workdir.

The kernel holds the lock for the process (see `core.locks`). A note beside it says who
holds it.
"""

import contextlib
import datetime
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from segjax.core import locks
from segjax.core.errors import EnvironmentFault, UserError

LOCK = ".lock"
NOTE = ".lock.json"
PATIENCE_S = 2.0
"""Workers of a killed run may hold its lock until they notice that it is gone."""


@contextlib.contextmanager
def hold(workdir: str | Path, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Be the only run in `workdir`, which is made if absent, until the block ends.

    With several processes only the one that writes (process 0) takes the lock.

    Raises:
      UserError: another run holds it.
      EnvironmentFault: the folder cannot be written, or has no file locks.
    """
    workdir = Path(workdir)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locks.hold(workdir / LOCK, patience_s))
            _write_note(workdir / NOTE)
        except locks.HeldElsewhere:
            raise UserError(
                f"{workdir}: another run works here ({_holder(workdir / NOTE)}); one "
                "run a workdir is allowed. Stop that one or set another --workdir."
            ) from None
        except OSError as error:
            raise EnvironmentFault(
                f"{workdir}: cannot be locked ({error}); a run needs a folder that it "
                "can write, on a disk with file locks. Choose another --workdir."
            ) from error
        stack.callback((workdir / NOTE).unlink, missing_ok=True)
        yield


def _write_note(path: Path) -> None:
    """Who holds the lock, from when on; replaced at once, for a reader beside us."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    note = {"host": socket.gethostname(), "pid": os.getpid(), "start": now}
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(note))
    os.replace(temporary, path)


def _holder(path: Path) -> str:
    try:
        note = json.loads(path.read_text())
        return f"host {note['host']}, pid {note['pid']}, since {note['start']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it left no note"
