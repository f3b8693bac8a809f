"""The folder of a study: `study.json`, a run folder a point, and how each stands.

    study.json                      the question, the base config, the points
    points/000_unet_seed0/          an ordinary run folder, with the run's `log.txt`

All paths in it are relative to it, so it may be moved. JAX is not imported here.
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segjax.core.errors import UserError
from segjax.report import metrics_log, record
from segjax.report.files import number, plain, read_json, write_json
from segjax.study import claim

STUDY = "study.json"
FORMAT = "segjax study 1"
LOG = "log.txt"

FINISHED, DIVERGED = "finished", "diverged"
OVER = (FINISHED, DIVERGED)
"""States in which a point is not run again."""

ENDS = {0: FINISHED, 3: DIVERGED, 130: "stopped", 143: "stopped"}
"""Exit code of a run's newest start -> its state; any other one is `failed`."""


@dataclasses.dataclass(frozen=True)
class Point:
    """One run of a study.

    Attributes:
      index: its place in the sweep, from 0.
      arm: name of what it tries; points of one arm differ in the seed alone.
      seed: of the run.
      overrides: dotted field, or a whole section, to its value; plain data.
      folder: its run folder, relative to the study's.
    """

    index: int
    arm: str
    seed: int
    overrides: dict[str, Any]
    folder: str

    def __str__(self) -> str:
        return f"{self.arm} seed {self.seed}"


@dataclasses.dataclass(frozen=True)
class Study:
    """What is asked, and of which runs.

    Attributes:
      folder: where it lies.
      name: of the study.
      question: the first words of the config's docstring.
      config: path of the config file, as it was given.
      base: the config that the points change, plain data.
      points: in the order in which they are run.
    """

    folder: Path
    name: str
    question: str
    config: str
    base: dict[str, Any]
    points: tuple[Point, ...]

    def place(self, point: Point) -> Path:
        """The run folder of a point."""
        return self.folder / point.folder


@dataclasses.dataclass(frozen=True)
class Standing:
    """How far a point is.

    Attributes:
      state: `finished`, `diverged`, `failed`, `stopped`, `killed`, `running` or
        `waiting`.
      step: the last one in its log.
      num_steps: of the whole run.
      seconds: that all of its starts took, where they have ended.
      miou: of the best weights on the validation split, nan if there is none.
      reason: why its newest start ended.
    """

    state: str
    step: int
    num_steps: int
    seconds: float
    miou: float
    reason: str = ""


def write(study: Study) -> None:
    """Write `study.json`, unless the very same study stands there.

    A study may grow: points may be added behind those that it has.

    Raises:
      UserError: see `refuse_other`.
      EnvironmentFault: the disk refuses.
    """
    refuse_other(study)
    path = study.folder / STUDY
    if path.exists() and len(read(study.folder).points) == len(study.points):
        return
    fields = {f.name: getattr(study, f.name) for f in dataclasses.fields(study)}
    fields["points"] = [dataclasses.asdict(point) for point in study.points]
    del fields["folder"]
    write_json(path, {"format": FORMAT, **fields})


def refuse_other(study: Study) -> None:
    """A folder takes one study.

    Raises:
      UserError: the folder is of another base or other points, and says which, or of
        a single run.
    """
    if (study.folder / STUDY).exists():
        differences = _differences(read(study.folder), study)
        if differences:
            raise UserError(
                f"{study.folder}: holds another study ({'; '.join(differences)}). "
                "Give another --workdir, or the old values to go on."
            )
    elif (study.folder / record.RECORD).exists():
        raise UserError(
            f"{study.folder}: holds a single run, and a study has a folder of its own. "
            "Give another --workdir."
        )


def read(folder: Path) -> Study:
    """The study in a folder.

    Raises:
      UserError: the folder holds none, or one of another format.
    """
    if not (folder / STUDY).exists():
        raise UserError(
            f"{folder}: holds no study (no {STUDY}). Name the folder of one."
        )
    fields = read_json(folder / STUDY)
    if fields.pop("format", None) != FORMAT:
        raise UserError(
            f"{folder / STUDY}: is not of the format {FORMAT!r}. Use the version of "
            "segjax that wrote it."
        )
    fields["points"] = tuple(Point(**point) for point in fields["points"])
    return Study(folder=folder, **fields)


def standing(study: Study, point: Point) -> Standing:
    """How a point stands, by its folder alone."""
    place = study.place(point)
    attempts = record.read(place).get("attempts", [])
    rows = metrics_log.read(place / metrics_log.METRICS)
    state = "running" if claim.is_held(place) else ended(place)
    config = record.read_config(place) if attempts else study.base
    return Standing(
        state=state,
        step=rows[-1]["step"] if rows else 0,
        num_steps=config["train"]["num_steps"],
        seconds=float(sum(a.get("wall_seconds", 0) for a in attempts)),
        miou=_miou(place, config) if attempts else math.nan,
        reason=attempts[-1].get("reason", "") if attempts else "",
    )


def ended(place: Path) -> str:
    """How the newest start in a run folder ended, whether or not another one runs."""
    attempts = record.read(place).get("attempts", [])
    if not attempts:
        return "failed" if (place / LOG).exists() else "waiting"
    if "exit_code" not in attempts[-1]:
        return "killed"
    return ENDS.get(attempts[-1]["exit_code"], "failed")


def _miou(place: Path, config: Mapping[str, Any]) -> float:
    split = config["data"].get("val_split", "val")
    path = place / "evaluation" / f"{split}.json"
    if not path.exists():
        return math.nan
    return number(read_json(path)["summary"]["miou"])


def _differences(old: Study, new: Study) -> list[str]:
    """What keeps `new` from going on in the folder of `old`."""
    found = [
        f"base.{change}" for change in record.config_changes(old.base, plain(new.base))
    ]
    for was, now in zip(old.points, new.points, strict=False):
        if was != now:
            changes = record.config_changes(_fields(was), _fields(now))
            found += [f"point {was.index}: {change}" for change in changes]
    if len(new.points) < len(old.points):
        found.append(f"points: {len(old.points)} -> {len(new.points)}")
    return found


def _fields(point: Point) -> dict[str, Any]:
    overrides = record.flat(point.overrides)
    return {"arm": point.arm, "seed": point.seed, **overrides}
