"""One set of checkpoints on the disk: which there are, which are whole."""

import json
import logging
import shutil
from collections.abc import Collection
from pathlib import Path

from segjax.checkpoint import folder, manifest
from segjax.checkpoint.arrays import first_line
from segjax.checkpoint.leaves import digest_of
from segjax.checkpoint.manifest import Damaged, Manifest
from segjax.core.errors import EnvironmentFault

NONE, DAMAGED = -1, -2
"""Instead of a step: there is no checkpoint; there are only damaged ones."""

DIGESTS = "digests.jsonl"
"""Digest of the state of every step that was saved, also of those deleted since."""

_log = logging.getLogger(__name__)


def committed(shelf: Path) -> dict[int, Manifest]:
    """Step -> manifest, newest first, of those whose manifest is valid."""
    found = {}
    for step in folder.steps(shelf):
        try:
            found[step] = manifest.read(shelf / folder.name(step))
        except Damaged:
            continue
    return found


def newest(shelf: Path) -> int:
    """The newest step with a valid manifest, `NONE` or `DAMAGED`."""
    found = committed(shelf)
    if found:
        return max(found)
    return DAMAGED if folder.steps(shelf) or folder.quarantined(shelf) else NONE


def first_whole(
    shelf: Path, step: int | None, rejected: Collection[int], *, read_only: bool
) -> int:
    """The newest step that verifies, or `step` if it does; else `NONE` or `DAMAGED`.

    Args:
      step: the only one to look at, or None for all.
      rejected: steps that were found to be damaged in another way.
      read_only: leave the damaged ones where they are.

    Raises:
      OSError: the disk cannot be read.
    """
    damaged = bool(rejected)
    for candidate in folder.steps(shelf):
        if candidate in rejected or step not in (None, candidate):
            continue
        path = shelf / folder.name(candidate)
        try:
            manifest.verify(path)
            return candidate
        except Damaged as damage:
            discard(path, str(damage), read_only=read_only)
            damaged = True
    if step is None:
        damaged = damaged or bool(folder.quarantined(shelf))
    return DAMAGED if damaged else NONE


def note(directory: Path, saved: Manifest) -> None:
    """Keep the digest of a committed state for good, in `DIGESTS`."""
    row = {"step": saved.step, "state": digest_of(saved.leaves)}
    with open(directory / DIGESTS, "ab", buffering=0) as file:
        file.write(f"{json.dumps(row)}\n".encode())


def noted(directory: Path) -> dict[int, str]:
    """Step -> digest of its state, of all steps whose state was ever saved.

    Runs from before digests were kept have those of the checkpoints that are there.
    """
    found = {
        step: digest_of(saved.leaves)
        for which in ("latest", "best")
        for step, saved in committed(directory / which).items()
    }
    path = directory / DIGESTS
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            row = json.loads(line)
            found[row["step"]] = row["state"]
        except (ValueError, KeyError, TypeError):  # torn by a kill
            continue
    return found


def discard(path: Path, damage: str, *, read_only: bool = False) -> None:
    """Move a damaged checkpoint to the quarantine, and say so."""
    if read_only:
        _log.warning("%s: damaged, not used: %s", path, damage)
    else:
        target = folder.quarantine(path)
        _log.warning("%s: damaged, moved to %s: %s", path, target, damage)


def warn_of_full_disk(path: Path) -> None:
    """Say it one save early if the disk has no room for two more like `path`."""
    free, size = shutil.disk_usage(path).free, folder.size(path)
    if free < 2 * size:
        _log.warning("%s: %d bytes are free, it has %d itself", path, free, size)


def fault(directory: Path, what: str, error: BaseException) -> EnvironmentFault:
    """The error for a disk that refuses; names the folder and its free bytes."""
    while not directory.is_dir() and directory != directory.parent:
        directory = directory.parent
    free = shutil.disk_usage(directory).free
    return EnvironmentFault(
        f"{directory}: {what} ({first_line(error)}); {free:,} bytes are free there. "
        "Mend the disk and start again: the run resumes from the newest checkpoint."
    )
