"""Batches in order, ahead of the step; what is waited for; errors; the end."""

import threading
import time

import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.core.keys import IMAGE, INDEX
from segjax.train.feed import DEPTH, Feed


class Loader:
    """Numbered batches; remembers how many were asked for and that it was closed."""

    def __init__(self, pause=0.0, error_at=None, other_shape_at=None):
        self.pause, self.error_at = pause, error_at
        self.other_shape_at = other_shape_at
        self.given, self.closed = 0, False

    def __iter__(self):
        return self

    def __next__(self):
        time.sleep(self.pause)
        if self.given == self.error_at:
            raise UserError("train/3: is damaged.")
        width = 8 + (self.given == self.other_shape_at)
        self.given += 1
        image = np.zeros((2, 4, width, 3), np.uint8)
        return {IMAGE: image, INDEX: np.full(2, self.given - 1)}

    def close(self):
        self.closed = True


def place(batch):
    return {key: jnp.asarray(value) for key, value in batch.items()}


def test_batches_come_in_order_and_lie_on_the_device():
    loader = Loader()
    with Feed(loader, place) as feed:
        for at in range(7):
            indices, batch, _ = feed.take()
            assert indices.tolist() == batch[INDEX].tolist() == [at, at]
            assert batch[IMAGE].dtype == jnp.uint8
    assert loader.closed


def test_it_reads_ahead_and_no_further():
    loader, placed = Loader(), []

    def counted(batch):
        placed.append(batch[INDEX][0])
        return place(batch)

    with Feed(loader, counted) as feed:
        feed.take()
        deadline = time.monotonic() + 5
        while len(placed) < DEPTH + 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        assert len(placed) == DEPTH + 2  # taken, on the device, and one in the hand
    assert loader.closed


def test_waiting_is_what_a_slow_loader_costs():
    with Feed(Loader(pause=0.1), place) as feed:
        waited = sum(feed.take()[2] for _ in range(5))
    assert 0.3 < waited < 5


def test_nothing_is_waited_for_while_the_device_computes():
    class Computing:
        """Scalars of a step that takes half a second."""

        def block_until_ready(self):
            time.sleep(0.5)

    with Feed(Loader(pause=0.1), place) as feed:
        assert feed.take(Computing())[2] < 0.1


def test_a_fast_loader_is_never_waited_for():
    with Feed(Loader(), place) as feed:
        feed.take()
        time.sleep(0.2)
        assert [feed.take()[2] for _ in range(DEPTH)] == [0.0] * DEPTH


def test_an_error_of_the_loader_is_raised_in_its_turn():
    loader = Loader(error_at=3)
    with (
        pytest.raises(UserError, match="is damaged"),
        Feed(loader, place) as feed,
    ):
        for at in range(4):
            assert feed.take()[0][0] == at
    assert loader.closed


def test_a_batch_of_another_shape_is_refused():
    with (
        pytest.raises(UserError, match="2x4x9x3 after one of 2x4x8x3"),
        Feed(Loader(other_shape_at=2), place) as feed,
    ):
        for at in range(3):
            assert feed.take()[0][0] == at


def test_leaving_ends_the_thread():
    before = threading.active_count()
    with Feed(Loader(), place):
        pass
    assert threading.active_count() == before
