"""What became of each array when a run started from other weights."""

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from segjax.core.errors import UserError

SHOWN = 20
"""Arrays of one kind that the table lists; the rest is counted."""

GROUPS = 8
"""Groups of arrays that the error names; the rest is counted."""


@dataclasses.dataclass(frozen=True)
class Ledger:
    """What became of each array when a run started from other weights.

    Attributes:
      path: folder of the checkpoint, or the file.
      sha256: hex digest of the file, or of the checkpoint's manifest, which holds the
        digests of all its files.
      loaded: paths that now hold the other numbers.
      skipped: (name there, why) of arrays that were not taken.
      new: paths of the model that keep their initial numbers.
      unfilled: those of `new` that should have got other numbers.
      step: of the checkpoint; None for a file of another project.
      averaged: whether the checkpoint's averaged weights (EMA) were taken.
      project: whose names a file has; "" for a checkpoint of segjax.
      notes: what else one should know.
    """

    path: Path
    sha256: str
    loaded: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    new: tuple[str, ...]
    unfilled: tuple[str, ...]
    step: int | None = None
    averaged: bool = False
    project: str = ""
    notes: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """What the record of a run keeps of it, as plain data."""
        return {
            "path": str(self.path),
            "sha256": self.sha256,
            "project": self.project or "segjax",
            "step": self.step,
            "averaged": self.averaged,
            "loaded": len(self.loaded),
            "skipped": [name for name, _ in self.skipped],
            "new": list(self.new),
            "notes": list(self.notes),
        }


def format_ledger(ledger: Ledger) -> str:
    """A table for a person: counts by module, then the arrays that were not loaded."""
    groups = {
        "loaded": Counter(map(_module, ledger.loaded)),
        "skipped": Counter(_module(name) for name, _ in ledger.skipped),
        "new": Counter(map(_module, ledger.new)),
    }
    modules = sorted(set().union(*groups.values()))
    width = max(map(len, ["module", *modules]))
    if ledger.project:
        what = f"names of {ledger.project}"
    else:
        what = f"step {ledger.step}{', averaged' if ledger.averaged else ''}"
    lines = [
        f"weights from {ledger.path} ({what})",
        f"sha256 {ledger.sha256}",
        f"{'module':{width}}  " + "  ".join(f"{kind:>7}" for kind in groups),
    ]
    lines += [
        f"{m:{width}}  " + "  ".join(f"{g[m] or '-':>7}" for g in groups.values())
        for m in modules
    ]
    totals = "  ".join(f"{g.total():>7}" for g in groups.values())
    lines.append(f"{'all':{width}}  {totals}")
    lines += _first(f"skipped  {name}: {why}" for name, why in ledger.skipped)
    lines += _first(f"new      {path}: keeps its initial value" for path in ledger.new)
    lines += [f"note     {note}" for note in ledger.notes]
    return "\n".join(lines)


def refuse_unnamed(ledger: Ledger, allow: tuple[str, ...]) -> None:
    """Stop if an array was not taken, or got nothing, and no pattern names it.

    Args:
      allow: regular expressions; one must be found in a path of the model
        (`head/kernel`) or in a name there (`fc.weight`).

    Raises:
      UserError: with the arrays in groups, and what to write to go on without them.
    """
    named = _finder(allow)
    skipped = [(name, why) for name, why in ledger.skipped if not named(name)]
    unfilled = [path for path in ledger.unfilled if not named(path)]
    if not skipped and not unfilled:
        return
    groups = _grouped(
        [(name, f"{name} {why}") for name, why in skipped]
        + [(path, f"{path} gets nothing") for path in unfilled]
    )
    lines = [
        f"  {pattern}: {texts[0]}" + (f", and {len(texts) - 1} more" * (len(texts) > 1))
        for pattern, texts in list(groups.items())[:GROUPS]
    ]
    more = [f"  and {len(groups) - GROUPS} more"] * (len(groups) > GROUPS)
    wanted = "".join(f"{pattern!r}, " for pattern in list(groups)[:GROUPS])
    raise UserError(
        "\n".join(
            [
                f"config.init_from={str(ledger.path)!r}: {len(skipped)} of its arrays "
                f"were not taken and {len(unfilled)} of the model got none "
                f"({len(ledger.loaded)} were loaded); both must be named. To go on "
                f"without them: config.init_allow=({wanted.removesuffix(' ')})",
                *lines,
                *more,
            ]
        )
    )


def unused(ledger: Ledger, allow: tuple[str, ...]) -> list[str]:
    """The patterns of `allow` that name nothing that was left."""
    left = [name for name, _ in ledger.skipped] + list(ledger.new)
    return [p for p in allow if not any(map(_finder((p,)), left))]


def bare(path: str) -> str:
    """A path without its collection, a name there as it is."""
    return re.sub(r"^(params|batch_stats)/", "", path)


def _finder(allow: tuple[str, ...]) -> Callable[[str], bool]:
    search = [re.compile(pattern).search for pattern in allow]
    return lambda name: any(find(bare(name)) for find in search)


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Pattern of a group -> texts of its arrays; a group is an outermost module."""
    groups: dict[str, list[str]] = {}
    for name, text in pairs:
        mark = "/" if "/" in bare(name) else "."
        first, there, _ = bare(name).partition(mark)
        end = ("/" if mark == "/" else r"\.") if there else "$"
        groups.setdefault(f"^{re.escape(first)}{end}", []).append(text)
    return groups


def _first(lines: Iterable[str]) -> list[str]:
    every = list(lines)
    more = len(every) - SHOWN
    return every if more <= 0 else [*every[:SHOWN], f"         and {more} more"]


def _module(path: str) -> str:
    if "/" not in path:
        return path.partition(".")[0]
    return "/".join(path.split("/")[:2])
