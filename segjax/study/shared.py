"""Points that differ in the section `evaluate` alone, and so can share one training.

A point that begins when such a sibling has finished takes over its checkpoints and its
log, and scores its best weights by its own config; one that begins before trains. The
weights are the same either way: while any of them trains it is validated by the section
of the first of them in the study, without post-processing, so that all choose the same
checkpoint as the best.
"""

import logging
import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from segjax.checkpoint import manifest
from segjax.checkpoint.folder import QUARANTINE, TEMPORARY
from segjax.report import metrics_log, record
from segjax.report.events import FOLDER
from segjax.report.files import read_json, write_json
from segjax.study import claim, points
from segjax.study.folder import FINISHED, Point, Study, ended

CHECKPOINTS = "checkpoints"
NOTE = "taken_over.json"
"""In the folder of a point that did not train: the facts of the run that did."""

_log = logging.getLogger(__name__)


def siblings(study: Study, point: Point) -> list[Point]:
    """The points that train as `point` does, itself among them, in their order."""
    own = _training(study, point)
    return [p for p in study.points if _training(study, p) == own]


def validation(study: Study, point: Point) -> dict[str, Any] | None:
    """The section `evaluate` that holds while a point trains; None for its own."""
    first = siblings(study, point)[0]
    if first == point:
        return None
    return points.settings(study.base, first).get("evaluate", {})


def take_over(study: Study, point: Point) -> dict[str, Any]:
    """Take what a finished sibling has trained, if there is one and nothing is here.

    Killed at any moment it is done again, or was done. Hold the point's claim.

    Returns:
      What the record is to say: `{"taken_over": ...}`, or nothing for a point that
      trains itself.

    Raises:
      OSError: the disk refuses.
    """
    place = study.place(point)
    if not (place / CHECKPOINTS).exists():
        for sibling in siblings(study, point):
            there = study.place(sibling)
            if sibling != point and ended(there) == FINISHED:
                if _copy(there, place):
                    break
                _log.warning("%s: its checkpoints are damaged; not taken over", there)
    if (place / NOTE).exists() and (place / CHECKPOINTS).exists():
        return {"taken_over": read_json(place / NOTE)}
    return {}


def waits(study: Study, point: Point, started: Collection[Point] = ()) -> bool:
    """Whether a sibling trains just now what the point can take over in a while.

    Args:
      study: as written.
      point: what is about to start.
      started: points whose processes have begun and may hold no claim yet.
    """
    if (study.place(point) / CHECKPOINTS).exists():
        return False
    others = [p for p in siblings(study, point) if p != point]
    if any(ended(study.place(p)) == FINISHED for p in others):
        return False
    return any(p in started or claim.is_held(study.place(p)) for p in others)


def _training(study: Study, point: Point) -> dict[str, Any]:
    """The config of a point without what its training does not depend on."""
    settings = points.settings(study.base, point)
    return {name: value for name, value in settings.items() if name != "evaluate"}


def _copy(there: Path, place: Path) -> bool:
    """Copy a run to the folder of a sibling, the checkpoints last; False if damaged."""
    note = place / NOTE
    note.unlink(missing_ok=True)
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy2(there / metrics_log.METRICS, place)
    shutil.copytree(there / FOLDER, place / FOLDER, dirs_exist_ok=True)
    new = place / (CHECKPOINTS + TEMPORARY)
    shutil.rmtree(new, ignore_errors=True)
    ignored = shutil.ignore_patterns(f"*{TEMPORARY}", QUARANTINE)
    shutil.copytree(there / CHECKPOINTS, new, ignore=ignored, copy_function=_link)
    try:
        for checkpoint in new.glob("*/*/"):
            manifest.verify(checkpoint)
    except manifest.Damaged:
        shutil.rmtree(new)
        return False
    write_json(note, _facts(there))
    os.rename(new, place / CHECKPOINTS)
    return True


def _facts(there: Path) -> dict[str, Any]:
    """Which run trained, and for how long."""
    if (there / NOTE).exists():
        return read_json(there / NOTE)
    written = record.read(there)
    seconds = sum(a.get("wall_seconds", 0) for a in written["attempts"])
    return {
        "run_id": record.run_id(written),
        "folder": there.name,
        "wall_seconds": round(seconds, 3),
    }


def _link(source: str, target: str) -> None:
    """A second name for arrays, which nobody writes to again; copies of the rest."""
    if f"{os.sep}arrays{os.sep}" in source:
        try:
            os.link(source, target)
            return
        except OSError:  # a disk without such names
            pass
    shutil.copy2(source, target)
