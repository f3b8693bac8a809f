"""What the steps of a run on a CPU leave behind in memory."""

import jax

from segjax.core import heap, ram
from segjax.train.step import StepFn

GROWN = 2**28
"""Bytes that a process may grow by, however little is left."""

PATIENCE = 3
"""Steps in a row behind which memory is given back; what is taken again is needed."""


def watched(step: StepFn) -> StepFn:
    """The step; where memory is scarce and the process grows, it is given back.

    A step takes its temporary memory in one aligned piece, for which glibc looks for a
    little more than that. Where something small has come to lie beside the piece that
    the step before has freed, it is too small and stays free, and another is taken: now
    and then, up to five in place of one. Given back, they are addresses alone; but to
    touch them anew takes time, a tenth of some steps. So it is done where the machine
    has less left than the process holds.

    One step at most is sent ahead of the one that runs, so that the memory is seen as
    steps leave it. Only on a CPU, and where freed memory is kept (see `core.heap`).

    Args:
      step: compiled, `(state, batch) -> (state, scalars)`.
    """
    if jax.default_backend() != "cpu" or heap.left_alone():
        return step
    most, times, running = None, 0, None

    def called(state, batch):
        nonlocal most, times, running
        state, scalars = step(state, batch)
        before, running = running, scalars
        if before is None:
            return state, scalars
        jax.block_until_ready(before)
        now = ram.taken()
        if most is None or times == PATIENCE:
            most, times = now, 0
        elif now > most + GROWN and now > ram.left():
            heap.give_back()
            times += 1
        else:
            times = 0
        return state, scalars

    return called
