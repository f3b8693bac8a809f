"""What the steps of a run on a CPU leave behind in memory."""

import os
import pathlib

import jax

from segjax.core import heap
from segjax.train.step import StepFn

GROWN = 2**28
"""Bytes; to give back what a process takes anew every few steps would cost time."""

PATIENCE = 3
"""Steps in a row behind which memory is given back; what is taken again is needed."""

_RESIDENT = pathlib.Path("/proc/self/statm")


def watched(step: StepFn) -> StepFn:
    """The step; where the process has grown by one, free memory is given back.

    A step takes its temporary memory in one aligned piece, for which glibc looks for a
    little more than that. Where something small has come to lie beside the piece that
    the step before has freed, it is too small and stays free, and another is taken: now
    and then, up to five in place of one. Given back, they are addresses alone.

    One step at most is sent ahead of the one that runs, so that the memory is seen as
    steps leave it. Only on a CPU, and where freed memory is kept (see `core.heap`).

    Args:
      step: compiled, `(state, batch) -> (state, scalars)`.
    """
    on_cpu = jax.default_backend() == "cpu"
    if not on_cpu or heap.left_alone() or not _RESIDENT.exists():
        return step
    most, times, running = None, 0, None

    def called(state, batch):
        nonlocal most, times, running
        state, scalars = step(state, batch)
        before, running = running, scalars
        if before is None:
            return state, scalars
        jax.block_until_ready(before)
        now = _resident()
        if most is None or times == PATIENCE:
            most, times = now, 0
        elif now > most + GROWN:
            heap.give_back()
            times += 1
        else:
            times = 0
        return state, scalars

    return called


def _resident() -> int:
    """Bytes of this process that are in memory."""
    return int(_RESIDENT.read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
