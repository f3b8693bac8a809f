"""Batches for training and examples for evaluation, read ahead by threads or processes.

The training batch at step `s` is a pure function of (seed, s): not of the number of
threads, worker processes or hosts, nor of where a run was resumed. So a checkpoint
holds no state of the data: `start_step` says it all, in constant time.
"""

import dataclasses
import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import grain
import numpy as np
from absl import flags

from segjax.core.errors import EnvironmentFault, SegjaxError, UserError
from segjax.core.keys import IMAGE, INDEX, LABEL, ORIGINAL
from segjax.data.ops import is_mixing, is_random
from segjax.data.sampling import Draw
from segjax.data.source import Source


def train_batches(
    source: Source,
    ops: Sequence[Any],
    *,
    seed: int,
    batch_size: int,
    start_step: int = 0,
    process_index: int = 0,
    process_count: int = 1,
    workers: int = 0,
    threads: int = 4,
    prefetch: int = 8,
    draw: Draw | None = None,
) -> Iterator[dict[str, np.ndarray]]:
    """Endless batches: each epoch shuffled anew, each example augmented anew.

    Args:
      source: the split to train on.
      ops: host ops, in order; must end in one size for all.
      seed: of the order and of the augmentation; adding an op leaves the order.
      batch_size: `B` over all hosts.
      start_step: the first step; `n` skips `n` global batches at no cost.
      process_index: which of the `process_count` hosts this is; host `p` gets the
        examples `p, p + process_count, ...` of the global batch.
      process_count: how many hosts share each batch.
      workers: processes that decode and augment; 0 for threads alone.
      threads: threads in this process, or in each worker.
      prefetch: batches to read ahead, in this process or in each worker; at least one
        a thread.
      draw: which examples come more often; None for each once an epoch.

    Returns:
      An iterator with `close()` over `{image: (b, H, W, 3) uint8, label: (b, H, W)
      uint8, index: (b,) int64}` where `b = batch_size / process_count`; the images of
      clips are `(b, T, H, W, 3)`.

    Raises:
      UserError: on a bad argument, at once; later on an example, naming it and the op.
      EnvironmentFault: (from the iterator) a worker process died or a disk failed.
    """
    problems = []
    if len(source) == 0:
        problems.append(f"{source!r}: is empty; training needs an example.")
    if batch_size < 1 or batch_size % process_count:
        problems.append(
            f"config.input.batch_size={batch_size}: must be a positive multiple of the "
            f"{process_count} processes. Use {-(-batch_size // process_count)} x "
            f"{process_count}."
        )
    if problems:
        raise UserError(problems)
    data = grain.MapDataset.range(len(source))
    if draw is None:
        data = data.shuffle(seed=_derived(seed, "shuffle") % 2**32).repeat(None)
    else:
        data = data.repeat(None)
        data = data.random_map(draw.random_map, seed=_derived(seed, "draw"))
    data = data.map(_Reader(source).__getitem__)
    for place, op in enumerate(ops):
        step, own_seed = _Step(op, source), _derived(seed, f"op{place}")
        if is_mixing(op):
            data = data.map_with_index(_Mix(step, data, len(source), own_seed))
        elif is_random(op):
            data = data.random_map(step.random_map, seed=own_seed)
        else:
            data = data.map(step.map)
    # Only here, after the random ops: they are keyed on the place in the global order.
    data = data[process_index::process_count]
    data = data.batch(batch_size // process_count, drop_remainder=True, batch_fn=_stack)
    data = data[start_step:]
    stream = data.to_iter_dataset(grain.ReadOptions(threads, max(threads, prefetch)))
    if workers:
        if not flags.FLAGS.is_parsed():  # grain reads them when it starts workers
            flags.FLAGS.mark_as_parsed()
        stream = stream.mp_prefetch(
            grain.MultiprocessingOptions(workers, per_worker_buffer_size=2),
            worker_init_fn=_init_worker,
        )
    cv2.setNumThreads(0)  # one example a thread; more would fight for the cores
    return _read(stream)


def examples(
    source: Source,
    ops: Sequence[Any] = (),
    *,
    indices: Sequence[int] | None = None,
    threads: int = 4,
    prefetch: int = 8,
) -> Iterator[dict[str, np.ndarray]]:
    """Each example once and in order, for evaluation; `close()` ends it early.

    The ops are applied to the image alone: the label keeps its own size, since scores
    are computed where the labels are.

    Args:
      source: the split to evaluate on.
      ops: fixed host ops.
      indices: which examples, in what order; None for all.
      threads: threads that decode.
      prefetch: examples to read ahead.

    Returns:
      An iterator over `{image: (h, w, 3) uint8, label: (H, W) uint8, index: int64}`,
      with the `original` image where there are ops.

    Raises:
      UserError: an op is random; or (from the iterator) an example is bad.
    """
    if random := [op for op in ops if is_random(op)]:
        raise UserError(
            f"config.input.eval_ops: {random[0]} is random; evaluation takes fixed ops "
            "such as resize, rescale and pad. Leave it out."
        )
    indices = range(len(source)) if indices is None else indices
    data = grain.MapDataset.source(indices).map(_Reader(source).__getitem__)
    if ops:
        data = data.map(_with_original)
    for op in ops:
        data = data.map(_Step(op, source).map_image)
    cv2.setNumThreads(0)
    return _read(
        data.to_iter_dataset(grain.ReadOptions(threads, max(threads, prefetch)))
    )


@dataclasses.dataclass(frozen=True)
class _Reader:
    """A source as grain reads it: errors name the example."""

    source: Source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, i: int) -> dict[str, Any]:
        try:
            example = self.source[int(i)]
        except Exception as error:
            raise _explained(error, self.source, int(i), "") from error
        return {**example, INDEX: np.int64(i)}


@dataclasses.dataclass(frozen=True)
class _Step:
    """One op; errors name the example and the op."""

    op: Any
    source: Source

    def map(self, example: dict[str, Any]) -> dict[str, Any]:
        return self._guarded(example, self.op.map, example)

    def random_map(
        self, example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        return self._guarded(example, self.op.random_map, example, rng)

    def mix(
        self, examples: Sequence[dict[str, Any]], rng: np.random.Generator
    ) -> dict[str, Any]:
        return self._guarded(examples[0], self.op.mix, examples, rng)

    def map_image(self, example: dict[str, Any]) -> dict[str, Any]:
        alone = {k: v for k, v in example.items() if k != LABEL}
        return {**example, **self._guarded(example, self.op.map, alone)}

    def _guarded(self, example, function, *args):
        try:
            return function(*args)
        except Exception as error:
            index = int(example[INDEX])
            raise _explained(error, self.source, index, f": {self.op}") from error


@dataclasses.dataclass(frozen=True)
class _Mix:
    """An op that mixes: partners come from the same epoch, by place in the order.

    They are read here, so that an error in one names it alone.
    """

    step: _Step
    data: grain.MapDataset
    epoch: int  # its length in examples
    seed: int

    def __call__(self, place: int, example: dict[str, Any]) -> dict[str, Any]:
        rng = np.random.default_rng((self.seed, place))
        if rng.random() >= self.step.op.p:
            return example
        first = place - place % self.epoch
        away = rng.integers(1, max(2, self.epoch), self.step.op.partners)
        places = [first + (place + int(a)) % self.epoch for a in away]
        return self.step.mix([example, *(self.data[i] for i in places)], rng)


def _with_original(example: dict[str, Any]) -> dict[str, Any]:
    return {**example, ORIGINAL: example[IMAGE]}


def _explained(error: Exception, source: Source, i: int, op: str) -> SegjaxError:
    """The same error with the name of the example, of a kind that has an exit code."""
    at = f"{source.info.name} {source.name(i)}{op}"
    if isinstance(error, UserError):
        return UserError([f"{at}: {problem}" for problem in error.problems])
    kind = (
        EnvironmentFault if isinstance(error, (OSError, MemoryError)) else SegjaxError
    )
    return kind(f"{at}: {type(error).__name__}: {error}")


def _stack(batch: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    shapes = [(e[IMAGE].shape[-3:-1], e[LABEL].shape[-2:]) for e in batch]
    sizes = sorted({size for pair in shapes for size in pair})
    if len(sizes) > 1:
        shown = ", ".join(f"{h}x{w}" for h, w in sizes[:4])
        raise UserError(
            "config.input.train_ops: leave images of different sizes in one batch "
            f"({shown}); all must be equal. End with crop(height, width) or "
            "resize(height, width)."
        )
    return {
        IMAGE: np.stack([e[IMAGE] for e in batch]),
        LABEL: np.stack([e[LABEL] for e in batch]),
        INDEX: np.array([e[INDEX] for e in batch], np.int64),
    }


def _read(stream: grain.IterDataset) -> Iterator[dict[str, np.ndarray]]:
    iterator = iter(stream)
    try:
        while True:
            try:
                item = next(iterator)
            except StopIteration:
                return
            except RuntimeError as error:
                if "terminated unexpectedly" not in str(error):
                    raise
                raise EnvironmentFault(
                    f"config.input.workers: a data worker process died ({error}) "
                    "Exit code -9 is often a lack of memory: use fewer workers."
                ) from error
            yield item
    finally:
        iterator.close()


def _derived(seed: int, what: str) -> int:
    """A seed of 63 bits for one use; near seeds and uses give unrelated ones."""
    digest = hashlib.sha256(f"{seed}/{what}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _init_worker(index: int, count: int) -> None:
    """In a worker: leave Ctrl-C and the end of a job to the process that saves."""
    del index, count
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(0)


def _end_with_parent() -> None:
    """A run that is killed cleans up nothing: its workers would wait for good."""
    multiprocessing.parent_process().join()
    os._exit(1)
