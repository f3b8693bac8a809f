"""Weights without the run: to evaluate, to serve or to start another run from."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import jax

from segjax.checkpoint import arrays, folder, manifest
from segjax.checkpoint.leaves import Leaf, nest
from segjax.checkpoint.manifest import MANIFEST, Damaged, Manifest
from segjax.core.errors import UserError

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
    where, saved = find(Path(path), which)
    stored, prefix = of_weights(saved, use_ema)
    found = arrays.read(where, {prefix + p: empty(leaf) for p, leaf in stored.items()})
    variables = nest({p: found[prefix + p] for p in stored})
    variables = {key: {} for key in _COLLECTIONS} | variables
    return Weights(variables, bool(prefix), saved.step, saved.meta, where)


def find(path: Path, which: str) -> tuple[Path, Manifest]:
    """The checkpoint that `path` means, and its verified manifest.

    Raises:
      UserError: no whole checkpoint is there.
    """
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


def of_weights(saved: Manifest, use_ema: bool) -> tuple[dict[str, Leaf], str]:
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


def empty(leaf: Leaf) -> jax.ShapeDtypeStruct:
    """Shape and dtype of an array that is read as numpy."""
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
