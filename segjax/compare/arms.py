"""Arms: runs that differ in the seed alone; and what all of them must share.

Numbers of other data, classes, predicting or averaging are not comparable, so a run of
another kind than the rest is refused by name, or marked where that was allowed.
"""

import collections
import dataclasses
import functools
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segjax.compare import notes, runs
from segjax.compare.runs import Missing, Run
from segjax.compare.statistics import Arm as Sample
from segjax.compare.statistics import clusters_of
from segjax.core.errors import UserError, raise_problems
from segjax.core.tables import unknown
from segjax.report.files import digest

UNPAIRED = {"dataset", "classes", "files"}
"""Marks of arms whose images are not those of the rest, so that none can be paired."""

STEPS = "evaluate.postprocess"
"""The field of the config that holds the steps behind the network."""


@dataclasses.dataclass(frozen=True, eq=False)
class Arm:
    """Runs of one experiment, a seed each; or one baseline.

    Attributes:
      name: short, no other arm's.
      runs: by seed.
      marks: names in `runs.SHARED` in which it is unlike the rest.
    """

    name: str
    runs: tuple[Run, ...]
    marks: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """One of `runs.KINDS`."""
        return self.runs[0].kind

    @property
    def paired(self) -> bool:
        """Whether its images are those of the other arms."""
        return not UNPAIRED & set(self.marks)

    @functools.cached_property
    def sample(self) -> Sample:
        """Its counts for the statistics, `(S, N, K, P)`."""
        counts = np.stack([run.counts for run in self.runs])
        trainings = tuple(run.training for run in self.runs)
        known = trainings if all(trainings) else ()
        return Sample(self.name, counts, self.runs[0].groups, known)


@dataclasses.dataclass(frozen=True)
class Material:
    """What is compared.

    Attributes:
      split: name of the split.
      arms: in the order in which they were named.
      missing: runs that are not in the numbers.
      shared: what the runs share, by the names of `runs.SHARED`.
      reference: a run that shares it.
      studies: the `study.json` of each study among the folders.
      notes: what a reader must know before any number.
    """

    split: str
    arms: tuple[Arm, ...]
    missing: tuple[Missing, ...]
    shared: Mapping[str, str]
    reference: Run
    studies: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the reference."""
        return self.reference.class_names

    @property
    def convention(self) -> str:
        """The convention under which all scores are computed from counts."""
        return self.reference.evaluation["convention"]

    @property
    def clusters(self) -> str:
        """What is resampled, in words."""
        return clusters_of(self.reference.groups)[1]

    @property
    def trained(self) -> list[Arm]:
        """The arms that are no baselines."""
        return [a for a in self.arms if a.kind == "run"]


def without_steps(material: Material) -> str | None:
    """The arm that has no post-processing, where the arms differ in that alone."""
    every = [arm.runs[0].settings for arm in material.trained]
    rest = {digest({k: v for k, v in s.items() if k != STEPS}) for s in every}
    plain = [
        a.name for a, s in zip(material.trained, every, strict=True) if not s.get(STEPS)
    ]
    return plain[0] if len(rest) == 1 and len(plain) == 1 < len(every) else None


def gather(paths: Sequence[Path], split: str, allow: Sequence[str] = ()) -> Material:
    """Read, group and check what folders hold.

    Args:
      paths: run folders, studies, baselines, or folders of these.
      split: whose scores are compared.
      allow: names in `runs.SHARED` in which runs may be unlike the rest.

    Raises:
      UserError: with all that forbids the comparison, each run by its name.
    """
    raise_problems(
        [
            unknown("exception", a, runs.SHARED, f"--allow={a}")
            for a in allow
            if a not in runs.SHARED
        ]
    )
    places, studies = runs.find(paths)
    read = [runs.read(place, split) for place in places]
    there = _with_groups([r for r in read if isinstance(r, Run)])
    missing = tuple(r for r in read if isinstance(r, Missing))
    if not there:
        raise UserError(
            [f"{m.place.folder}: {m.why}." for m in missing]
            + ["segjax compare: no finished run to compare. Wait, or name others."]
        )
    values = {key: _values(key, there, split) for key in runs.SHARED}
    usual = {key: _most_common(found) for key, found in values.items()}
    unlike = {
        id(run): tuple(
            key for key in runs.SHARED if values[key][i] not in (None, usual[key])
        )
        for i, run in enumerate(there)
    }
    raise_problems(
        [
            _refusal(run, key, values[key][i], usual[key], len(there))
            for i, run in enumerate(there)
            for key in unlike[id(run)]
            if key not in allow
        ]
    )
    groups = _grouped(there, unlike)
    raise_problems(_twice(groups))
    arms = _named(groups, unlike)
    return Material(
        split=split,
        arms=arms,
        missing=missing,
        shared=usual,
        reference=min(there, key=lambda run: len(unlike[id(run)])),
        studies=tuple(studies),
        notes=notes.of(arms, there, missing, split),
    )


def _with_groups(there: Sequence[Run]) -> list[Run]:
    """The runs, each told the groups of its images that any of them knows."""
    known = {run.images: run.groups for run in there if any(run.groups)}
    return [
        dataclasses.replace(run, groups=known.get(run.images, run.groups))
        for run in there
    ]


def _values(key: str, there: Sequence[Run], split: str) -> list[str | None]:
    """What each run has of a thing that all must share; None where it fits any."""
    get: dict[str, Callable[[Run], str | None]] = {
        "dataset": lambda run: run.dataset.get("name"),
        "classes": lambda run: ", ".join(run.class_names),
        "files": lambda run: _files(run, there, split),
        "protocol": _protocol,
        "convention": lambda run: run.evaluation["convention"],
        "postprocess": lambda run: _postprocess(run, split),
    }
    return [get[key](run) for run in there]


def _files(run: Run, there: Sequence[Run], split: str) -> str:
    """Number, names and files of the images.

    Where a run does not record the files, as of a split that it did not train with,
    those of another run with the same names stand for them.
    """
    same = (r.fingerprint(split) for r in (run, *there) if r.images == run.images)
    files = next(filter(None, same), "not recorded")
    names = digest(list(run.images))
    return f"{len(run.images)} images, files {files[:12]}, names {names[:8]}"


def _protocol(run: Run) -> str | None:
    """How the images were shown to a network; None for what is none."""
    if run.kind != "run":
        return None
    settings = run.config.get("evaluate", {})
    return run.evaluation.get("protocol") or settings.get("protocol", "whole()")


def _postprocess(run: Run, split: str) -> str | None:
    """The steps behind the network; None on the split on which they are chosen."""
    if run.kind != "run" or split == run.val_split:
        return None
    return run.evaluation.get("postprocess", "")


def _most_common(found: Sequence[str | None]) -> str:
    known = [value for value in found if value is not None]
    return collections.Counter(known).most_common(1)[0][0] if known else ""


def _refusal(run: Run, key: str, own: str, usual: str, number: int) -> str:
    thing = runs.SHARED[key][0]
    if key == "classes":
        own, usual = _first_differences(own, usual)
    why = ""
    if key == "postprocess":
        why = f" Steps are chosen on {run.val_split}, so that this split chooses none."
    return (
        f"{run.place.folder}: its {thing} is {own!r}; that of the others among the "
        f"{number} runs is {usual!r}.{why} Leave it out, or show it marked with "
        f"--allow={key}."
    )


def _first_differences(own: str, usual: str) -> tuple[str, str]:
    """Two class tables, cut to where they part."""
    a, b = own.split(", "), usual.split(", ")
    at = next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
    if at is None:
        return f"{len(a)} classes", f"{len(b)} classes"
    return f"{at}: {a[at]}", f"{at}: {b[at]}"


def _grouped(
    there: Sequence[Run], unlike: Mapping[int, tuple[str, ...]]
) -> list[list[Run]]:
    """Runs of one arm together, in the order of their first."""
    groups: dict[Any, list[Run]] = {}
    for run in there:
        if run.kind != "run":
            key = id(run)
        elif run.place.arm:
            key = (run.place.study, run.place.arm, unlike[id(run)])
        else:
            key = (digest(run.settings), unlike[id(run)])
        groups.setdefault(key, []).append(run)
    return [sorted(g, key=lambda run: run.seed or 0) for g in groups.values()]


def _twice(groups: Sequence[Sequence[Run]]) -> list[str]:
    """Runs that are one experiment with one seed: no second sample of anything."""
    return [
        f"{b.place.folder}: is the same experiment with the same seed, {b.seed}, as "
        f"{a.place.folder}; a repetition is no second seed. Leave one out."
        for group in groups
        for a, b in itertools.pairwise(group)
        if a.seed == b.seed
    ]


def _named(
    groups: Sequence[Sequence[Run]], unlike: Mapping[int, tuple[str, ...]]
) -> tuple[Arm, ...]:
    loose = [g for g in groups if g[0].kind == "run" and not g[0].place.arm]
    short = dict(
        zip(map(id, loose), names([g[0].settings for g in loose]), strict=True)
    )
    found = [
        short.get(id(g)) or g[0].place.arm or g[0].name or g[0].place.id for g in groups
    ]
    marked = [
        f"{name} ({g[0].place.study.name if g[0].place.study else g[0].place.id})"
        if found.count(name) > 1
        else name
        for name, g in zip(found, groups, strict=True)
    ]
    seen: collections.Counter[str] = collections.Counter()
    arms = []
    for name, group in zip(marked, groups, strict=True):
        seen[name] += 1
        name = f"{name} {seen[name]}" if seen[name] > 1 else name
        arms.append(Arm(name, tuple(group), unlike[id(group[0])]))
    return tuple(arms)


def names(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Short names of flat configs: what tells them apart, the model first.

    >>> names([{"model.name": "unet", "w": 4}, {"model.name": "unet", "w": 8}])
    ['w=4', 'w=8']
    """
    keys = sorted(set().union(*settings), key=lambda k: (k != "model.name", k))
    texts = {k: [_text(s[k]) if k in s else "" for s in settings] for k in keys}
    chosen: list[str] = []
    parted = 1
    for key in keys:
        tuples = set(zip(*(texts[k] for k in [*chosen, key]), strict=True))
        if len(tuples) > parted:
            chosen.append(key)
            parted = len(tuples)
    if not chosen:
        return [_text(s.get("model.name", "run")) for s in settings]
    return [
        " ".join(
            texts[k][i]
            if k == "model.name"
            else f"{k.rpartition('.')[2]}={texts[k][i]}"
            for k in chosen
            if texts[k][i]
        )
        or "default"
        for i in range(len(settings))
    ]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
