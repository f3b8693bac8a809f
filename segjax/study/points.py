"""Points of a study: a name, a folder and a config each."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from segjax import config
from segjax.core.errors import UserError, raise_problems
from segjax.report import record
from segjax.report.files import digest, plain
from segjax.study.folder import Point
from segjax.study.sweep import ARM, SEED

PLAIN = re.compile(r"[A-Za-z0-9._+=-]+")
"""What the name of an arm may be: it is a part of a folder's name, too."""


def make(
    sweep: Sequence[Mapping[str, Any]], base: Mapping[str, Any]
) -> tuple[Point, ...]:
    """The points of a sweep, every one of them with a config that holds.

    Raises:
      UserError: with all problems of all points, and points that are the same run.
    """
    if not sweep:
        raise UserError("sweep: has no point. Return at least one.")
    found, configs, problems = [], [], {}
    for index, fields in enumerate(sweep):
        overrides = {k: plain(v) for k, v in fields.items() if k != ARM}
        seed = overrides.get(SEED, base.get(SEED, 0))
        arm = str(fields.get(ARM) or _name(overrides))
        name = f"{index:03}_{arm}_seed{seed}"
        point = Point(index, arm, seed, overrides, f"points/{name}")
        if not PLAIN.fullmatch(arm):
            problems.setdefault(
                f"arm {arm!r}: is no name; letters, digits and . _ + = - are allowed, "
                "as it names a folder. Rename it.",
                [],
            ).append(index)
        try:
            configs.append(config.resolve(settings(base, point)).plain)
        except UserError as error:
            for problem in error.problems:
                problems.setdefault(problem, []).append(index)
        found.append(point)
    raise_problems(
        [f"{_indices(at, len(sweep))}{problem}" for problem, at in problems.items()]
        or _repeated(found, configs)
    )
    return tuple(found)


def settings(base: Mapping[str, Any], point: Point) -> dict[str, Any]:
    """The config of a point, as plain nested dicts with tuples.

    Whole sections are replaced before single fields are set.
    """
    found = config.tuples(base)
    for field in sorted(point.overrides, key=lambda name: name.count(".")):
        *sections, last = field.split(".")
        place = found
        for name in sections:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise UserError(f"config.{field}: {name!r} is no section. Correct it.")
        place[last] = config.tuples(point.overrides[field])
    return found


def _name(overrides: Mapping[str, Any]) -> str:
    """A name for an arm that was given none: `width=8,depth=3` without its comma."""
    words = [
        f"{field.rpartition('.')[2]}={_short(value)}"
        for field, value in overrides.items()
        if field != SEED
    ]
    return "_".join(words) or "base"


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        value = value.get("name", "-".join(value))
    if isinstance(value, list):
        value = "-".join(map(str, value))
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", str(value)).strip("-")


def _indices(at: Sequence[int], count: int) -> str:
    """Which points a problem is of; nothing if it is of them all."""
    if len(at) == count:
        return ""
    return f"point{'s' * (len(at) > 1)} {', '.join(map(str, at))}: "


def _repeated(points: Sequence[Point], configs: Sequence[dict]) -> list[str]:
    """Points that are the same run, or whose names are equal and their runs are not."""
    runs, names, arms, problems = {}, {}, {}, []
    for point, whole in zip(points, configs, strict=True):
        same = runs.setdefault(digest(whole), point)
        named = names.setdefault((point.arm, point.seed), point)
        without = record.flat(plain({**whole, SEED: 0}))
        first, fields = arms.setdefault(point.arm, (point, without))
        if same is not point:
            problems.append(
                f"points {same.index} and {point.index}: are the same run, "
                f"{same} and {point}. Remove one."
            )
        elif named is not point:
            problems.append(
                f"points {named.index} and {point.index}: are both called {point} and "
                "are different runs. Name them by arms({...})."
            )
        elif fields != without:
            problems.append(
                f"points {first.index} and {point.index}: are both of the arm "
                f"{point.arm!r} and differ in more than the seed: "
                f"{'; '.join(record.config_changes(fields, without))}. Name them apart."
            )
    return problems
