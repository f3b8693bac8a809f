"""What a whole process on a CPU takes while it trains: more than XLA plans for a step.

============  =======================================================================
part          how it is known
============  =======================================================================
own           measured: this process with its libraries and a compiled program, when
              what compiling left behind has been given back
step          XLA's plan: arguments, results, temporary arrays
ahead         batches that wait for their step, in the loader and on the device
others        `OTHERS`, measured: what a run has besides, such as the first weights'
              program, the loader's threads, log, events and checkpoints
kept          not known beforehand: pieces of freed memory, where it is kept (see
              `core.heap`). The temporary arrays of a step may not fit the place of
              those before, and then lie elsewhere: measured up to `KEPT` times
============  =======================================================================
"""

import dataclasses
import functools
import inspect
from typing import Any

import jax

from segjax.core import heap, ram
from segjax.data import pipeline
from segjax.train import cost, feed

OTHERS = 48 * 2**20
KEPT = 4


@dataclasses.dataclass(frozen=True)
class Resident:
    """Bytes of a process.

    Attributes:
      own: libraries and programs.
      total: all but what is kept.
      kept: what freed memory may add at most.
    """

    own: int
    total: int
    kept: int


def of(compiled: Any, batch: dict[str, Any]) -> Resident | None:
    """What a run takes whose train step is `compiled`; None where it is not known.

    Args:
      compiled: the step.
      batch: arrays as the loader gives them, or of their shapes.
    """
    if jax.default_backend() != "cpu":
        return None
    own = _own()
    waiting = inspect.signature(pipeline.train_batches).parameters["prefetch"].default
    ahead = (waiting + feed.DEPTH + 1) * sum(x.nbytes for x in batch.values())
    devices = jax.device_count()  # all of them in this process's memory
    temporary = compiled.memory_analysis().temp_size_in_bytes
    return Resident(
        own=own,
        total=own + devices * cost.peak_bytes(compiled) + ahead + OTHERS,
        kept=KEPT * devices * temporary * heap.keep_freed(),
    )


@functools.cache
def _own() -> int:
    """Of this process: measured once, as each further program would add to it."""
    heap.give_back()
    return ram.taken()
