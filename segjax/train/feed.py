"""Batches put on the devices while the devices compute.

A thread takes batches from the loader and puts them on the devices, `DEPTH` ahead of
the step that is sent next. So the train loop never copies, and knows how long the
devices had nothing to do for want of data.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from segjax.core.errors import UserError
from segjax.core.keys import IMAGE, INDEX

DEPTH = 2
"""Batches on the devices that wait for their step."""

Batch = Mapping[str, np.ndarray]


class Feed:
    """Takes batches ahead; use it in a `with` block, which closes the stream.

    Args:
      stream: batches of the host, with `close()`.
      place: puts one on the devices.
    """

    def __init__(
        self, stream: Iterator[Batch], place: Callable[[Batch], dict[str, jax.Array]]
    ):
        self._stream, self._place = stream, place
        self._ready: queue.Queue = queue.Queue(DEPTH)
        self._closing = threading.Event()
        self._shape: tuple[int, ...] | None = None
        self._thread = threading.Thread(target=self._work, name="feed", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Feed":
        return self

    def __exit__(self, *_: Any) -> None:
        self._closing.set()
        while self._thread.is_alive():  # it may be waiting for a place
            self._drain()
            self._thread.join(0.05)

    def take(self, computing: Any = None) -> tuple[np.ndarray, dict, float]:
        """`(indices of the examples, the batch on the devices, seconds waited)`.

        Args:
          computing: what the devices were sent last. The time that they still need
            for it is not waiting.

        Raises:
          Exception: whatever the stream raised.
        """
        waited = 0.0
        if self._ready.empty():
            jax.block_until_ready(computing)
            begin = time.perf_counter()
            item = self._ready.get()
            waited = time.perf_counter() - begin
        else:
            item = self._ready.get()
        if isinstance(item, BaseException):
            raise item
        return *item, waited

    def _work(self) -> None:
        try:
            for batch in self._stream:
                self._put((batch[INDEX], self._place(self._of_one_shape(batch))))
                if self._closing.is_set():
                    return
        except BaseException as error:  # to be raised where the batch is asked for
            self._put(error)
        finally:
            self._stream.close()

    def _put(self, item: Any) -> None:
        while not self._closing.is_set():
            try:
                return self._ready.put(item, timeout=0.1)
            except queue.Full:
                continue

    def _drain(self) -> None:
        while not self._ready.empty():
            self._ready.get_nowait()

    def _of_one_shape(self, batch: Batch) -> Batch:
        """The batch; one of another shape would be compiled for, which takes long."""
        shape = batch[IMAGE].shape
        if shape != (self._shape or shape):
            before, now = ("x".join(map(str, s)) for s in (self._shape, shape))
            raise UserError(
                f"config.input.train_ops: give batches of {now} after one of {before}; "
                "all must be equal, as the step is compiled for one size. End with "
                "crop(height, width) or resize(height, width)."
            )
        self._shape = shape
        return batch
