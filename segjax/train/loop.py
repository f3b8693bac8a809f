"""The train loop: the page that everyone reads.

Order within a step, which resuming depends on:

1. the update, which makes the step number `s`;
2. the log line of the last `log_every` steps;
3. the evaluation, of the state after the update;
4. the checkpoint, with all lines up to `s` already in the log;
5. the stop, if a signal asked for it: always right after a checkpoint.

A run resumed from the checkpoint of step `s` cuts its log back to `s` and asks for the
batches from `s` on, so that it goes through the same numbers as one never stopped.
"""

import functools
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jax.sharding import Mesh

from segjax import parallel
from segjax.core.errors import DivergedError, Stopped
from segjax.core.state import TrainState
from segjax.train.feed import Feed
from segjax.train.step import StepFn
from segjax.train.window import Window

AGREE_EVERY = 10
"""Steps between the moments at which several processes ask each other about signals."""


@runtime_checkable
class Journal(Protocol):
    """Where the loop writes; see `report.journal`."""

    def train(
        self,
        step: int,
        scalars: dict[str, float],
        images_per_s: float,
        wait_share: float,
    ) -> None:
        """One line about the last `log_every` steps."""

    def advance(self, step: int) -> None:
        """A step was sent to the devices."""


def run(
    state: TrainState,
    *,
    step: StepFn,
    batches: Callable[[int], Iterator[dict[str, np.ndarray]]],
    evaluate: Callable[[TrainState, int], dict[str, float]],
    save: Callable[[int, TrainState, dict[str, float], dict[str, Any]], None],
    poll: Callable[[], None],
    journal: Journal,
    learning_rate: Callable[[int], Any],
    stop_requested: Callable[[], int],
    name: Callable[[int], str],
    window: Window,
    mesh: Mesh,
    batch_size: int,
    num_steps: int,
    log_every: int,
    eval_every: int,
    save_every: int,
    max_skipped_steps: int,
    stop_at: int | None = None,
) -> TrainState:
    """Train from `state.step` to `num_steps`.

    Args:
      step: compiled update; batches of another shape than the first are refused.
      batches: first step -> this process's part of the batches from there on.
      evaluate: scores of the validation split, which it also logs.
      save: keeps (step, state, scores, what the loop must remember).
      poll: raises if an earlier save has failed in the background.
      learning_rate: step -> learning rate, for the log.
      stop_requested: the number of the signal that asked to stop, else 0.
      name: example index -> name, for messages.
      window: what the interrupted run had not logged yet; empty for a new run.
      stop_at: a step at which to stop as if SIGTERM had come.

    Raises:
      DivergedError: `max_skipped_steps` updates in a row were not finite.
      Stopped: a signal came, or `stop_at`; the state is saved.
    """
    at = int(state.step)
    stream = batches(at)
    pending: list[tuple[int, np.ndarray, dict[str, jax.Array]]] = []
    watch = _Divergence(max_skipped_steps, name, int(state.skipped_in_row))
    clock, since, waited, scalars = time.perf_counter(), at, 0.0, None
    with Feed(stream, functools.partial(parallel.put_batch, mesh)) as feed:
        while at < num_steps:
            indices, batch, seconds = feed.take(scalars)
            waited += seconds
            state, scalars = step(state, batch)
            at += 1
            pending.append((at, indices, scalars))
            journal.advance(at)
            poll()

            last = at == num_steps
            signum = signal.SIGTERM if at == stop_at else _stop(stop_requested, at)
            log_due = at % log_every == 0 or last
            eval_due = at % eval_every == 0 or last
            save_due = at % save_every == 0 or eval_due or bool(signum)

            if log_due or save_due:
                _flush(pending, window, watch)
            if log_due:
                passed = time.perf_counter() - clock
                line = {**window.means(), "learning_rate": float(learning_rate(at - 1))}
                speed = (at - since) * batch_size / passed
                journal.train(at, line, speed, waited / passed)
                window.reset()
                clock, since, waited = time.perf_counter(), at, 0.0
            scores = {}
            if eval_due:
                scores = evaluate(state, at)
                clock, since, waited = time.perf_counter(), at, 0.0
            if save_due:
                save(at, state, scores, {"window": window.to_json()})
            if signum and not last:
                raise Stopped(signum, f"stopped at step {at} of {num_steps}, saved.")
    return state


def _flush(pending: list, window: Window, watch: "_Divergence") -> None:
    """Bring the scalars of the steps since the last flush to the host."""
    values = jax.device_get([scalars for _, _, scalars in pending])
    for (at, indices, _), scalars in zip(pending, values, strict=True):
        window.add(scalars)
        watch.see(at, indices, bool(scalars["finite"]))
    pending.clear()


def _stop(requested: Callable[[], int], at: int) -> int:
    if jax.process_count() == 1:
        return requested()
    return parallel.agree(requested()) if at % AGREE_EVERY == 0 else 0


class _Divergence:
    """Remembers the skipped steps in a row and their samples."""

    def __init__(self, limit: int, name: Callable[[int], str], before: int):
        self._limit, self._name = limit, name
        self._before = before  # of the row, in the run that this one resumes
        self._row: list[tuple[int, np.ndarray]] = []

    def see(self, at: int, indices: np.ndarray, finite: bool) -> None:
        if finite:
            self._row.clear()
            self._before = 0
            return
        self._row.append((at, indices))
        length = self._before + len(self._row)
        if length < self._limit:
            return
        first, last = at - length + 1, at
        names = [self._name(int(i)) for _, row in self._row[-3:] for i in row]
        raise DivergedError(
            f"training: loss or gradient was not finite at steps {first} to {last} "
            f"({length} in a row, config.train.max_skipped_steps="
            f"{self._limit}); samples of the last of them: {', '.join(names[:12])}. "
            "Lower config.optim.learning_rate or set config.optim.clip_norm."
        )
