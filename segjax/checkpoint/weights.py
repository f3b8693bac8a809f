"""Weights without the run: to start another run from, to evaluate or to serve."""

import dataclasses
import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from segjax.checkpoint import arrays, folder, manifest
from segjax.checkpoint.leaves import Leaf, flatten, nest, shapes
from segjax.checkpoint.manifest import MANIFEST, Damaged, Manifest
from segjax.core.errors import UserError
from segjax.core.state import TrainState

_COLLECTIONS = ("params", "batch_stats")
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Weights:
    """The weights of a checkpoint, as numpy arrays.

    Attributes:
      variables: `{"params", "batch_stats"}`, nested by module.
      averaged: whether they are the averaged ones (EMA).
      step: steps taken.
      meta: what the run kept beside them: model, task, class names.
      path: folder of the checkpoint.
    """

    variables: dict[str, Any]
    averaged: bool
    step: int
    meta: dict[str, Any]
    path: Path


@dataclasses.dataclass(frozen=True)
class Ledger:
    """What became of each array when a run started from other weights.

    Attributes:
      path: folder of the checkpoint.
      step: its step.
      averaged: whether its averaged weights (EMA) were taken.
      loaded: paths that now hold the checkpoint's numbers.
      skipped: (path, why) of arrays of the checkpoint that were not taken.
      new: paths of the model that keep their initial numbers.
      notes: what else one should know.
    """

    path: Path
    step: int
    averaged: bool
    loaded: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    new: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_weights(
    path: str | Path, *, which: str = "best", use_ema: bool = True
) -> Weights:
    """The verified weights of a run, no model needed.

    Args:
      path: run folder, its `checkpoints`, a set in it, or one checkpoint.
      which: "best" or "latest", where `path` leaves it open; the other one is taken
        if that set is empty.
      use_ema: take the averaged weights where there are any.

    Raises:
      UserError: no whole checkpoint is there.
      EnvironmentFault: the disk cannot be read.
    """
    where, saved = _find(Path(path), which)
    stored, prefix = _weights(saved, use_ema)
    found = arrays.read(where, {prefix + p: _empty(leaf) for p, leaf in stored.items()})
    variables = nest({p: found[prefix + p] for p in stored})
    variables = {key: {} for key in _COLLECTIONS} | variables
    return Weights(variables, bool(prefix), saved.step, saved.meta, where)


def init_from(
    path: str | Path,
    state: TrainState,
    *,
    meta: Mapping[str, Any] | None = None,
    which: str = "best",
) -> tuple[TrainState, Ledger]:
    """Replace weights of a fresh `state` by those of a checkpoint, name by name.

    Arrays of the same path, shape and dtype are taken: the averaged ones (EMA) if the
    checkpoint has them. Step and optimizer stay as they are; an average in `state`
    starts from the loaded weights too. Print `format_ledger` of the result.

    Args:
      path: run folder, its `checkpoints`, a set in it, or one checkpoint.
      meta: the new run's own, to note a different class list.
      which: "best" or "latest", where `path` leaves it open.

    Raises:
      UserError: no whole checkpoint is there, or nothing in it fits.
      EnvironmentFault: the disk cannot be read.
    """
    where, saved = _find(Path(path), which)
    stored, prefix = _weights(saved, use_ema=True)
    target = shapes({"params": state.params, "batch_stats": state.batch_stats})
    loaded = [p for p in sorted(stored) if _fits(stored[p], target.get(p))]
    if not loaded:
        raise UserError(
            f"{where}: none of its {len(stored)} arrays fits the model by name and "
            f"shape (it holds {saved.meta.get('model', 'an unnamed model')!r}). "
            "Choose a checkpoint of the same architecture."
        )
    found = arrays.read(where, {prefix + p: _empty(stored[p]) for p in loaded})
    values = {p: found[prefix + p] for p in loaded}
    ledger = Ledger(
        path=where,
        step=saved.step,
        averaged=bool(prefix),
        loaded=tuple(loaded),
        skipped=tuple(
            (p, _reason(stored[p], target.get(p)))
            for p in sorted(stored)
            if p not in values
        ),
        new=tuple(p for p in sorted(target) if p not in values),
        notes=_notes(saved.meta, meta or {}),
    )
    state = state.replace(
        params=_filled(state.params, "params/", values),
        batch_stats=_filled(state.batch_stats, "batch_stats/", values),
        ema=_filled(state.ema, "", values),
    )
    return state, ledger


def format_ledger(ledger: Ledger) -> str:
    """A table for a person: counts by module, then each array that was not loaded."""
    groups = {
        "loaded": Counter(map(_module, ledger.loaded)),
        "skipped": Counter(_module(path) for path, _ in ledger.skipped),
        "new": Counter(map(_module, ledger.new)),
    }
    modules = sorted(set().union(*groups.values()))
    width = max(map(len, ["module", *modules]))
    lines = [
        f"weights from {ledger.path} (step {ledger.step}"
        f"{', averaged' if ledger.averaged else ''})",
        f"{'module':{width}}  " + "  ".join(f"{kind:>7}" for kind in groups),
    ]
    lines += [
        f"{m:{width}}  " + "  ".join(f"{g[m] or '-':>7}" for g in groups.values())
        for m in modules
    ]
    totals = "  ".join(f"{g.total():>7}" for g in groups.values())
    lines.append(f"{'all':{width}}  {totals}")
    lines += [f"skipped  {path}: {why}" for path, why in ledger.skipped]
    lines += [f"new      {path}: keeps its initial value" for path in ledger.new]
    lines += [f"note     {note}" for note in ledger.notes]
    return "\n".join(lines)


def _find(path: Path, which: str) -> tuple[Path, Manifest]:
    """The checkpoint that `path` means, and its verified manifest."""
    if not path.is_dir():
        raise UserError(f"{path}: no such folder; give a run folder or a checkpoint.")
    path = path.absolute()
    if (path / MANIFEST).is_file():
        candidates = [path]
    else:
        root = path / "checkpoints" if (path / "checkpoints").is_dir() else path
        rooms = [root / name for name in sorted(("best", "latest"), key=which.__ne__)]
        candidates = [
            room / folder.name(step)
            for room in [*rooms, root]
            for step in folder.steps(room)
        ]
    for candidate in candidates:
        try:
            return candidate, manifest.verify(candidate)
        except Damaged as damage:
            _log.warning("%s: damaged, not used: %s", candidate, damage)
    raise UserError(
        f"{path}: holds no {'whole ' if candidates else ''}checkpoint; give a run "
        "folder, its checkpoints folder or one checkpoint."
    )


def _weights(saved: Manifest, use_ema: bool) -> tuple[dict[str, Leaf], str]:
    """Path -> leaf of the weights, and what stands before the paths in the file."""
    prefix = (
        "ema/" if use_ema and any(p.startswith("ema/") for p in saved.leaves) else ""
    )
    starts = tuple(f"{prefix}{name}/" for name in _COLLECTIONS)
    return {
        p.removeprefix(prefix): x
        for p, x in saved.leaves.items()
        if p.startswith(starts)
    }, prefix


def _empty(leaf: Leaf) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)


def _fits(stored: Leaf, target: Leaf | None) -> bool:
    return target is not None and not _reason(stored, target)


def _reason(stored: Leaf, target: Leaf | None) -> str:
    if target is None:
        return "is not in the model"
    if (stored.shape, stored.dtype) != (target.shape, target.dtype):
        return f"is {stored}, the model has {target}"
    return ""


def _notes(saved: Mapping[str, Any], own: Mapping[str, Any]) -> tuple[str, ...]:
    theirs, ours = saved.get("class_names"), own.get("class_names")
    if theirs is None or ours is None or list(theirs) == list(ours):
        return ()
    return (
        f"the class lists differ ({len(theirs)} and {len(ours)} classes): a head that "
        "was loaded stands for other classes.",
    )


def _filled(tree: Any, prefix: str, values: Mapping[str, np.ndarray]) -> Any:
    """`tree` with the arrays that `values` has, on the devices of the old ones."""
    filled = [
        _placed(values[prefix + path], old) if prefix + path in values else old
        for path, old in flatten(tree).items()
    ]
    return jax.tree.unflatten(jax.tree.structure(tree), filled)


def _placed(value: np.ndarray, old: Any) -> Any:
    # Copied each time: weights and average must not share memory, both are donated.
    if not isinstance(old, jax.Array):
        return np.array(value)
    return jax.make_array_from_callback(
        old.shape, old.sharding, lambda index: np.array(value[index])
    )


def _module(path: str) -> str:
    return "/".join(path.split("/")[:2])
