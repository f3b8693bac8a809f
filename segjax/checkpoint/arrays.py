"""The calls to orbax: arrays to a folder, and back onto any devices."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from segjax.checkpoint.leaves import flatten, nest
from segjax.core.errors import EnvironmentFault

ARRAYS = "arrays"
TIMEOUT_S = 600
FAULTS = (OSError, ValueError, RuntimeError)
"""What orbax and tensorstore raise when a disk is full or broken."""


def make_checkpointer() -> ocp.AsyncCheckpointer:
    """Stores trees in the background; without compression.

    Trained weights shrink by 7 %, which costs ten times the processor time of the save.
    """
    return ocp.AsyncCheckpointer(
        ocp.PyTreeCheckpointHandler(use_compression=False),
        async_options=ocp.AsyncOptions(timeout_secs=TIMEOUT_S),
    )


def write(checkpointer: ocp.AsyncCheckpointer, folder: Path, tree: Any) -> None:
    """Start to store `tree`; it may be donated as soon as this returns."""
    stored = nest(flatten(tree))
    checkpointer.save(folder / ARRAYS, args=ocp.args.PyTreeSave(stored))


def read(folder: Path, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays at the paths of `wanted`, each on the devices of its target.

    Args:
      folder: a checkpoint that was compared with `wanted` before.
      wanted: path -> array or `jax.ShapeDtypeStruct`; one without sharding gives a
        numpy array.

    Raises:
      EnvironmentFault: the files cannot be read.
    """
    args = nest({path: _restore_args(x) for path, x in wanted.items()})
    item = nest(dict.fromkeys(wanted, 0))
    checkpointer = ocp.Checkpointer(ocp.PyTreeCheckpointHandler())
    try:
        stored = checkpointer.restore(
            folder / ARRAYS,
            args=ocp.args.PyTreeRestore(
                item=item, restore_args=args, partial_restore=True
            ),
        )
    except FAULTS as error:
        raise EnvironmentFault(
            f"{folder}: is whole but could not be read ({first_line(error)}); check "
            "memory and disk, and try again."
        ) from error
    finally:
        checkpointer.close()
    found = flatten(stored)
    return {path: found[path] for path in wanted}


def first_line(error: BaseException) -> str:
    """The first line of an error, at most 200 characters."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]


def _restore_args(x: Any) -> ocp.RestoreArgs:
    sharding = getattr(x, "sharding", None)
    if not isinstance(x, (jax.Array, jax.ShapeDtypeStruct)) or sharding is None:
        return ocp.RestoreArgs(restore_type=np.ndarray)
    return ocp.ArrayRestoreArgs(sharding=sharding, global_shape=x.shape, dtype=x.dtype)
