"""Where the numbers of two runs part: batches and lines of the log."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segjax.report import metrics_log


@dataclasses.dataclass(frozen=True)
class Unequal:
    """The first number that is not as it was: at `step`, `what`, `then` and `now`."""

    step: int
    what: str
    then: Any
    now: Any


def rows(path: Path, start: int, end: int) -> dict[tuple[int, str], dict[str, Any]]:
    """`(step, kind)` -> the line, of the steps after `start` up to `end`."""
    return {
        (row["step"], row["kind"]): row
        for row in metrics_log.read(path)
        if start < row["step"] <= end
    }


def unequal_rows(
    then: Mapping[tuple[int, str], dict], now: Mapping[tuple[int, str], dict]
) -> list[Unequal]:
    """The first unequal value of each line; `loss` is named before all others."""
    found = []
    for at in sorted(then.keys() | now.keys()):
        step, kind = at
        if at not in then or at not in now:
            there = ["a line" if at in rows else "none" for rows in (then, now)]
            found.append(Unequal(step, f"log of {kind}", *there))
            continue
        names = sorted(then[at].keys() | now[at].keys(), key=lambda n: (n != "loss", n))
        for name in names:
            old, new = then[at].get(name), now[at].get(name)
            if old != new and not (old != old and new != new):  # both may be NaN
                found.append(Unequal(step, name, old, new))
                break
    return found


def unequal_batches(pairs: Sequence[tuple[dict, dict]]) -> list[Unequal]:
    """The first batch that is not the same, by its samples or by its pixels."""
    for step, (old, new) in enumerate(pairs, start=1):
        if old["index"] != new["index"]:
            return [Unequal(step, "samples", old["index"], new["index"])]
        if old["sha256"] != new["sha256"]:
            return [Unequal(step, "pixels", old["sha256"], new["sha256"])]
    return []
