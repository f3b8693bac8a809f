"""Run folders, studies and baselines as they lie on a disk, as plain values.

A folder that cannot be compared is no error here: it becomes `Missing`, with the
reason, so that a report can count what it does not show.
"""

import dataclasses
import functools
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segjax.core.errors import UserError, raise_problems
from segjax.report import metrics_log, record
from segjax.report.files import read_json

STUDY = "study.json"
STUDY_FORMAT = "segjax study 1"
KINDS = ("run", "baseline", "annotator")
"""What made the predictions: training, a classical method, a second person."""

SHARED: dict[str, tuple[str, str]] = {
    "dataset": ("data set", "another data set"),
    "classes": ("class table", "another class table"),
    "files": ("evaluated files", "other files of the split"),
    "protocol": ("evaluation protocol", "another evaluation protocol"),
    "convention": ("convention of means", "trained with another convention of means"),
    "postprocess": ("post-processing", "other post-processing"),
}
"""What runs must share, as `--allow` names it: what it is, and the mark of another."""

ELSEWHERE = ("data.root", "seed")
"""Config values that do not make another arm: the data have their fingerprint."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a run should lie, and what is known of it beforehand.

    Attributes:
      folder: the run folder.
      id: its path as the report writes it, no other run's.
      arm: the arm's name by its study; "" where there is none.
      study: the folder of its study, if any.
    """

    folder: Path
    id: str
    arm: str = ""
    study: Path | None = None


@dataclasses.dataclass(frozen=True)
class Missing:
    """A run that is not in the numbers, and why."""

    place: Place
    why: str


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """A finished run with its scores on one split.

    Attributes:
      place: where it lies.
      record: its `record.json`.
      config: its `config.json`; empty for a baseline.
      evaluation: its `evaluation/SPLIT.json`.
      images: `N` names.
      groups: `N` names of the clip, city or patient; "" where unknown.
      counts: `(N, K, P)` int64 confusion counts of each image.
    """

    place: Place
    record: Mapping[str, Any]
    config: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    images: tuple[str, ...]
    groups: tuple[str, ...]
    counts: np.ndarray

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        return _kind(self.record)

    @property
    def name(self) -> str:
        """What a baseline calls itself; "" for a run."""
        return self.record.get("name", "")

    @property
    def seed(self) -> int | None:
        """The seed, where there is one."""
        return self.config.get("seed", 0) if self.kind == "run" else None

    @property
    def val_split(self) -> str:
        """The split by which its best weights were chosen."""
        return self.config.get("data", {}).get("val_split", "val")

    @property
    def attempts(self) -> list[dict[str, Any]]:
        """The starts, oldest first."""
        return self.record.get("attempts") or []

    @property
    def last(self) -> dict[str, Any]:
        """The newest start; empty where none is recorded."""
        return self.attempts[-1] if self.attempts else {}

    @property
    def dataset(self) -> dict[str, Any]:
        """The data set's part of the record."""
        return self.record.get("dataset") or {}

    @property
    def class_names(self) -> tuple[str, ...]:
        """`K` names, in the order of the counts."""
        return tuple(c["name"] for c in self.evaluation["classes"])

    @functools.cached_property
    def settings(self) -> dict[str, Any]:
        """The flat config without what does not make another arm."""
        flat = record.flat(self.config)
        return {k: v for k, v in flat.items() if k not in ELSEWHERE}

    def fingerprint(self, split: str) -> str:
        """sha256 of the files of a split; "" where it is not recorded."""
        splits = self.dataset.get("splits") or {}
        return (splits.get(split) or {}).get("fingerprint", "")

    @functools.cached_property
    def log(self) -> list[dict[str, Any]]:
        """The rows of `metrics.jsonl`."""
        return metrics_log.read(self.place.folder / metrics_log.METRICS)

    @functools.cached_property
    def timing(self) -> list[dict[str, Any]]:
        """The rows of `timing.jsonl`."""
        return metrics_log.read(self.place.folder / metrics_log.TIMING)

    def fact(self, name: str) -> Any:
        """A value of the newest start or of the record; None where it is not known."""
        return self.last.get(name, self.record.get(name))

    @property
    def training(self) -> str:
        """The id of the run that trained its weights: its own, or one taken over."""
        taken = self.fact("taken_over")
        return taken["run_id"] if taken else record.run_id(self.record)

    def seconds(self) -> float | None:
        """Wall time of all starts and of a training taken over, or of a fit."""
        if self.kind != "run":
            return self.fact("fit_seconds")
        found = [a["wall_seconds"] for a in self.attempts if "wall_seconds" in a]
        found += [t["wall_seconds"] for t in [self.fact("taken_over")] if t]
        return float(sum(found)) if found else None

    def joules(self) -> float | None:
        """Energy of all starts, or of a baseline's fit; None if one is not known."""
        found = [e.get("joules") for e in self._energies()]
        return None if None in found or not found else float(sum(found))

    def energy_of(self) -> str:
        """What the energy is of, or why it is not known."""
        found = self._energies()
        blank = [e for e in found if e.get("joules") is None]
        return (blank or found or [{}])[-1].get("of", "not known: not recorded")

    def _energies(self) -> list[dict[str, Any]]:
        counted = self.attempts if self.kind == "run" else self.attempts[-1:]
        return [a.get("energy") or {} for a in counted]

    def images_per_s(self) -> float | None:
        """Images scored a second: reading, prediction and counting together.

        The median evaluation of a run after its first one, which compiles; that of the
        best weights, where it has steps behind the network that others have not.
        """
        if (known := self.fact("images_per_s")) is not None:
            return known
        if self.kind != "run":
            seconds = self.fact("predict_seconds")
            return len(self.images) / seconds if seconds else None
        found = [r["seconds"] for r in self.timing if r["kind"] == "val"][1:]
        if not found or not (seconds := statistics.median(found)):
            return None
        logged = [r for r in self.log if r["kind"] == "val"]
        return len(self.images) / seconds if logged else None


def find(paths: Sequence[Path]) -> tuple[list[Place], list[dict[str, Any]]]:
    """The runs that folders stand for, each once, and the studies among them.

    A folder is a run, a study (`study.json`) or holds runs directly below it.

    Raises:
      UserError: a folder is none of these; all such are named.
    """
    places: list[Place] = []
    studies: list[dict[str, Any]] = []
    problems: list[str] = []
    for path in paths:
        if (path / STUDY).exists():
            study = _study(path, problems)
            studies.append(study)
            places += [
                Place(path / p["folder"], p["folder"], p["arm"], path)
                for p in study["points"]
            ]
        elif (path / record.RECORD).exists():
            places.append(Place(path, path.name or path.resolve().name))
        elif found := sorted(p.parent for p in path.glob(f"*/{record.RECORD}")):
            places += [Place(p, p.name) for p in found]
        else:
            problems.append(
                f"{path}: holds no run ({record.RECORD}), no study ({STUDY}) and no "
                "folder with a run. Name the folders that training made."
            )
    raise_problems(problems)
    once = {p.folder.resolve(): p for p in reversed(places)}
    kept = [p for p in places if once[p.folder.resolve()] is p]
    return _distinct(kept), studies


def read(place: Place, split: str) -> Run | Missing:
    """The run at a place, with its scores on `split`; or why it is not there."""
    try:
        return _read(place, split)
    except UserError as error:
        return Missing(place, "; ".join(error.problems))


def _read(place: Place, split: str) -> Run | Missing:
    folder = place.folder
    if not (folder / record.RECORD).exists():
        return Missing(place, "not started")
    facts = record.read(folder)
    kind = _kind(facts)
    if kind not in KINDS:
        return Missing(place, f"is of a kind that is not known: {kind!r}")
    attempts = facts.get("attempts") or ([{}] if kind == "run" else [])
    if attempts and (why := _unfinished(attempts)):
        return Missing(place, why)
    path = folder / "evaluation" / f"{split}.json"
    rows_path = path.with_name(f"{split}_images.jsonl")
    if not path.exists() or not rows_path.exists():
        have = sorted(
            p.stem.removesuffix("_images") for p in path.parent.glob("*_images.jsonl")
        )
        others = f"; it has {', '.join(have)}" if have else ""
        return Missing(place, f"has no scores on {split!r}{others}")
    rows = _images(rows_path)
    counts = np.asarray([r["counts"] for r in rows], np.int64)
    config = record.read_config(folder) if (folder / record.CONFIG).exists() else {}
    return Run(
        place=place,
        record=facts,
        config=config,
        evaluation=read_json(path),
        images=tuple(str(r["name"]) for r in rows),
        groups=tuple(r.get("group") or "" for r in rows),
        counts=counts,
    )


def _kind(facts: Mapping[str, Any]) -> str:
    kind = facts.get("kind", "run")
    annotator = kind == "baseline" and facts.get("name") == "annotator"
    return "annotator" if annotator else kind


def _unfinished(attempts: Sequence[Mapping[str, Any]]) -> str:
    last = attempts[-1]
    if "end" not in last:
        return "running, or killed without a word"
    if last.get("exit_code") != 0:
        return f"ended early: {last.get('reason')} (exit code {last.get('exit_code')})"
    return ""


def _images(path: Path) -> list[dict[str, Any]]:
    """The rows of images, in the order of the data set."""
    try:
        rows = [json.loads(line) for line in path.read_text().splitlines() if line]
        rows.sort(key=lambda row: row["index"])
        if rows and all("name" in row and "counts" in row for row in rows):
            return rows
    except (ValueError, KeyError, TypeError):
        pass
    raise UserError(
        f"{path}: a line holds no image's counts; `segjax evaluate` writes it anew."
    )


def _study(path: Path, problems: list[str]) -> dict[str, Any]:
    study = read_json(path / STUDY)
    if study.get("format") != STUDY_FORMAT:
        problems.append(
            f"{path / STUDY}: its format is {study.get('format')!r}; this segjax reads "
            f"{STUDY_FORMAT!r}. Use the segjax that wrote it."
        )
        return {"points": [], "path": path}
    return {**study, "path": path}


def _distinct(places: Sequence[Place]) -> list[Place]:
    """The same with ids that no two share: by more of their paths where needed."""
    ids = [p.id for p in places]
    return [
        dataclasses.replace(p, id=str(p.folder)) if ids.count(p.id) > 1 else p
        for p in places
    ]
