"""What a start leaves in its record, so that a later one can be held against it."""

import concurrent.futures
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from segjax.checkpoint import leaves
from segjax.core.keys import IMAGE, INDEX
from segjax.core.state import TrainState

Batch = Mapping[str, np.ndarray]


def first(
    batches: Callable[..., Iterator[Batch]], examples: int, **options: Any
) -> list[Batch]:
    """The first batches of a run, with so many examples or more.

    Args:
      batches: first step, options -> the batches from there on.
      examples: how many are wanted.
      **options: of `pipeline.train_batches`.
    """
    stream, found = batches(0, **options), []
    while sum(len(batch[IMAGE]) for batch in found) < examples:
        found.append(next(stream))
    stream.close()
    return found


def examples(batches: Sequence[Batch]) -> list[dict[str, Any]]:
    """Each example of some batches by itself."""
    return [
        dict(zip(batch, row, strict=True))
        for batch in batches
        for row in zip(*batch.values(), strict=True)
    ]


def facts(
    batches: Sequence[Batch], state: TrainState, program: concurrent.futures.Future
) -> dict[str, Any]:
    """Digests of the first batches, of the state at the start, and of the program.

    Args:
      batches: those of steps 1, 2, ... as this process has them.
      state: that the run trains from.
      program: the lowered step, which another thread may still be making.

    Returns:
      `batches` (a list of `index`, the examples, and `sha256` of all arrays), `state`
      (as `leaves.digest`) and `program` (sha256 of the lowered step's text).
    """
    return {
        "batches": [
            {"index": batch[INDEX].tolist(), "sha256": _digest(batch)}
            for batch in batches
        ],
        "state": leaves.digest(state),
        "program": hashlib.sha256(program.result().as_text().encode()).hexdigest(),
    }


def _digest(batch: Batch) -> str:
    digest = hashlib.sha256()
    for key in sorted(batch):
        array = np.ascontiguousarray(batch[key])
        digest.update(f"{key} {array.dtype} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8))
    return digest.hexdigest()
