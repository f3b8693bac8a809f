"""Folders that are either whole or not there, whatever moment the process dies at.

A checkpoint is built under `<name>.tmp`, brought to the disk and renamed; it is renamed
to a `.tmp` again before it is deleted. So a folder without `.tmp` was committed.
"""

import os
import re
import shutil
from pathlib import Path

TEMPORARY = ".tmp"
QUARANTINE = "quarantine"


def name(step: int) -> str:
    """Name of the folder of a step: eight digits or more, so that they sort."""
    return f"{step:08d}"


def steps(parent: Path) -> list[int]:
    """The steps that have a folder in `parent`, newest first."""
    if not parent.is_dir():
        return []
    names = (p.name for p in parent.iterdir() if p.is_dir())
    return sorted((int(n) for n in names if re.fullmatch(r"\d{8,}", n)), reverse=True)


def publish(temporary: Path, final: Path) -> None:
    """Bring all of `temporary` to the disk, then give it its name; the commit."""
    sync(temporary)
    os.rename(temporary, final)
    _fsync(final.parent)


def sync(root: Path) -> None:
    """fsync every file and folder under `root`, and `root`."""
    for path in root.rglob("*"):
        _fsync(path)
    _fsync(root)


def remove(path: Path) -> None:
    """Delete a committed folder; if killed meanwhile, a `.tmp` is left, not a half."""
    doomed = path.with_name(f"{path.name}.old{TEMPORARY}")
    shutil.rmtree(doomed, ignore_errors=True)
    os.rename(path, doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def clean(parent: Path) -> None:
    """Delete what a killed run left half written or half deleted."""
    for path in parent.glob(f"*{TEMPORARY}"):
        shutil.rmtree(path, ignore_errors=True)


def quarantine(path: Path) -> Path:
    """Move a damaged checkpoint aside, for a person to look at; returns where to."""
    room = path.parent.parent / QUARANTINE
    room.mkdir(exist_ok=True)
    stem, count = f"{path.parent.name}-{path.name}", 0
    while (target := room / (f"{stem}-{count}" if count else stem)).exists():
        count += 1
    os.rename(path, target)
    return target


def quarantined(shelf: Path) -> list[Path]:
    """The damaged checkpoints that were moved aside from this set earlier."""
    return sorted((shelf.parent / QUARANTINE).glob(f"{shelf.name}-*"))


def size(root: Path) -> int:
    """Bytes in the files under `root`."""
    return sum(p.stat().st_size for p in root.rglob("*") if p.is_file())


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
