"""A run's first weights from elsewhere: a checkpoint of segjax, or another's file."""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from segjax.checkpoint import arrays, state_dict
from segjax.checkpoint.foreign import Carried, carry
from segjax.checkpoint.leaves import Leaf, flatten, shapes
from segjax.checkpoint.ledger import Ledger, bare, refuse_unnamed, unused
from segjax.checkpoint.manifest import MANIFEST
from segjax.checkpoint.weights import empty, find, of_weights
from segjax.core.errors import UserError
from segjax.core.names import Names
from segjax.core.state import TrainState


def init_from(
    path: str | Path,
    state: TrainState,
    *,
    meta: Mapping[str, Any] | None = None,
    which: str = "best",
    foreign: tuple[Names, ...] = (),
    allow: tuple[str, ...] = (),
    under: str = "",
) -> tuple[TrainState, Ledger]:
    """Replace weights of a fresh `state` by others, and account for every array.

    Of a segjax checkpoint, arrays of the same path, shape and dtype are taken: the
    averaged ones (EMA) if it has them. Of a file, those that one project's rules bring
    to a path; the project is the one whose rules bring the most. Step and optimizer
    stay as they are; an average in `state` starts from the loaded weights too. Print
    `format_ledger` of the result.

    Args:
      path: run folder, its `checkpoints`, a set in it or one checkpoint; or a file
        (`.pth`, `.pt`, `.safetensors`).
      meta: the new run's own, to note a different class list.
      which: "best" or "latest", where `path` leaves it open.
      foreign: what other projects call the model's arrays; a part of the model, if the
        rules are of that part, such as its backbone.
      allow: regular expressions for arrays that may stay without a counterpart, found
        in their path here (`head/kernel`) or in their name there (`fc.weight`).
      under: module of the model that the checkpoint is of, such as the image model
        within a recurrent one; "" for the whole.

    Raises:
      UserError: there are no whole weights, nothing fits, or something is left that
        `allow` does not name. What lies outside the part that the weights are of need
        not be named.
      EnvironmentFault: the disk cannot be read.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise UserError(
            f"config.init_from={str(path)!r}: no such file or folder. Give a run "
            "folder or a checkpoint of segjax, or a .pth or .safetensors file."
        )
    target = shapes({"params": state.params, "batch_stats": state.batch_stats})
    if path.is_file():
        if under:
            raise UserError(
                f"config.init_under={under!r}: is for runs of segjax; where the arrays "
                f"of {path} belong follows from the model. Remove it."
            )
        values, ledger = _from_file(path, foreign, target)
    else:
        values, ledger = _from_run(path, which, target, under, meta or {})
    refuse_unnamed(ledger, allow)
    idle = unused(ledger, allow)
    notes = [f"config.init_allow: {pattern!r} names nothing here" for pattern in idle]
    ledger = dataclasses.replace(ledger, notes=(*ledger.notes, *notes))
    state = state.replace(
        params=_filled(state.params, "params/", values),
        batch_stats=_filled(state.batch_stats, "batch_stats/", values),
        ema=_filled(state.ema, "", values),
    )
    return state, ledger


def _from_run(
    path: Path, which: str, target: Mapping[str, Leaf], under: str, meta: Mapping
) -> tuple[dict[str, np.ndarray], Ledger]:
    where, saved = find(path, which)
    stored, prefix = of_weights(saved, use_ema=True)
    place = {p: _within(p, under) for p in sorted(stored)}
    why = {p: _reason(stored[p], target.get(place[p])) for p in place}
    loaded = [p for p in place if not why[p]]
    if not loaded:
        raise UserError(
            f"{where}: none of its {len(stored)} arrays fits the model by name and "
            f"shape (it holds {saved.meta.get('model', 'an unnamed model')!r}). "
            "Choose a checkpoint of the same architecture."
        )
    found = arrays.read(where, {prefix + p: empty(stored[p]) for p in loaded})
    values = {place[p]: found[prefix + p] for p in loaded}
    new = tuple(p for p in sorted(target) if p not in values)
    inside = f"{under}/" if under else ""
    ledger = Ledger(
        path=where,
        sha256=hashlib.sha256((where / MANIFEST).read_bytes()).hexdigest(),
        loaded=tuple(values),
        skipped=tuple((p, why[p]) for p in place if why[p]),
        new=new,
        unfilled=tuple(p for p in new if bare(p).startswith(inside)),
        step=saved.step,
        averaged=bool(prefix),
        notes=_notes(saved.meta, meta),
    )
    return values, ledger


def _from_file(
    path: Path, foreign: tuple[Names, ...], target: Mapping[str, Leaf]
) -> tuple[dict[str, np.ndarray], Ledger]:
    if not foreign:
        raise UserError(
            f"{path}: the model has no rules for the names of other projects. Give a "
            "run of segjax, or a model that stands on a backbone."
        )
    file = state_dict.read(path)
    tried = [(carry(file.arrays, names, target), names) for names in foreign]
    carried, names = max(tried, key=_matched)
    if not carried.values:
        words = ", ".join(list(file.arrays)[:4])
        projects = ", ".join(dict.fromkeys(n.project for n in foreign))
        raise UserError(
            f"{path}: none of its {len(file.arrays)} arrays ({words}, ...) fits the "
            f"model; names of {projects} are known. Choose weights of the same "
            "architecture."
        )
    notes = list(file.notes)
    if carried.dropped:
        some = ", ".join(_kinds(carried.dropped))
        notes.append(f"{len(carried.dropped)} arrays have no use here: {some}")
    ledger = Ledger(
        path=path.absolute(),
        sha256=file.sha256,
        loaded=tuple(sorted(carried.values)),
        skipped=tuple(carried.unmatched.items()),
        new=tuple(p for p in sorted(target) if p not in carried.values),
        unfilled=tuple(sorted(carried.unfilled)),
        project=names.project,
        notes=tuple(notes),
    )
    return carried.values, ledger


def _matched(tried: tuple[Carried, Names]) -> tuple[int, int]:
    """The most arrays with a place; of those, the rules that leave the fewest."""
    carried, _ = tried
    return len(carried.values), -len(carried.unmatched) - len(carried.unfilled)


def _kinds(names: tuple[str, ...]) -> list[str]:
    """Names by what repeats: all counters of batch norms are one."""
    counters = [n for n in names if n.endswith("num_batches_tracked")]
    others = [n for n in names if n not in counters]
    shown = others[:4] + (["..."] if others[4:] else [])
    return shown + (["num_batches_tracked"] if counters else [])


def _within(path: str, under: str) -> str:
    """`params/a/kernel` -> `params/UNDER/a/kernel`."""
    collection, _, rest = path.partition("/")
    return f"{collection}/{under}/{rest}" if under else path


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
