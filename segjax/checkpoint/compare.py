"""Whether a checkpoint fits the run that wants it, said before an array is read."""

from collections.abc import Iterable, Mapping
from typing import Any

from segjax.checkpoint.leaves import Leaf, describe, host_arrays

MUST_AGREE = ("model", "task", "class_names", "class_digest", "normalize", "pixels")
"""Keys of `meta` that a run and the checkpoint that it resumes from have in common."""

BEFORE = {"pixels": {"channels": 3, "depth": "uint8"}}
"""What a checkpoint from before a key was kept stands for."""

SHOWN = 6
"""Differences of one kind that are listed; the rest is counted."""


def meta_problems(
    where: str, saved: Mapping[str, Any], wanted: Mapping[str, Any]
) -> list[str]:
    """How the keys of `MUST_AGREE` differ; those of one side alone are passed.

    A checkpoint without a key of `BEFORE` has the value there.
    """
    found, saved = [], {**BEFORE, **saved}
    for key in MUST_AGREE:
        if key in saved and key in wanted and not _same(saved[key], wanted[key]):
            found.append(
                f"{where}: {_difference(key, saved[key], wanted[key])}. "
                "Use the config of that run, or start from its weights alone."
            )
    return found


def leaf_problems(
    where: str, saved: Mapping[str, Leaf], wanted: Mapping[str, Leaf]
) -> list[str]:
    """How the arrays differ in path, shape or dtype; one message a kind."""
    differ = [
        f"{path} {saved[path]} saved, {wanted[path]} wanted"
        for path in sorted(saved.keys() & wanted.keys())
        if (saved[path].shape, saved[path].dtype)
        != (wanted[path].shape, wanted[path].dtype)
    ]
    kinds = [
        ("of the checkpoint are not in the model", saved.keys() - wanted.keys()),
        ("of the model are not in the checkpoint", wanted.keys() - saved.keys()),
        ("differ", differ),
    ]
    return [
        f"{where}: {len(items)} arrays {kind}: {capped(sorted(items))}."
        for kind, items in kinds
        if items
    ]


def damage(saved: Mapping[str, Leaf], found: Mapping[str, Any]) -> str | None:
    """The first array that is not, bit for bit, the one that was saved."""
    read = describe(host_arrays(dict(found)))
    for path, leaf in saved.items():
        if leaf.sha256 and read[path].sha256 and read[path].sha256 != leaf.sha256:
            return (
                f"array {path}: sha256 {leaf.sha256[:12]}... expected, "
                f"found {read[path].sha256[:12]}..."
            )
    return None


def capped(items: Iterable[str]) -> str:
    """The first few of a list and the count of the rest."""
    items = list(items)
    rest = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + rest


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return list(a) == list(b)
    return a == b


def _difference(key: str, saved: Any, wanted: Any) -> str:
    if key != "class_names":
        return f"{key} {saved!r} saved, {wanted!r} wanted"
    if len(saved) != len(wanted):
        return f"{len(saved)} classes saved, {len(wanted)} wanted"
    pairs = enumerate(zip(saved, wanted, strict=True))
    names = [f"class {i} {a!r} saved, {b!r} wanted" for i, (a, b) in pairs if a != b]
    return capped(names)
