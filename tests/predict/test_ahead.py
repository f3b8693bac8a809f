"""Work on threads is in order, and over when it says so."""

import os
import signal
import threading
import time

import pytest

from segjax.core.errors import UserError
from segjax.predict.ahead import ahead


def test_it_is_map_and_waits_for_its_taker():
    begun, gate = [], threading.Event()

    def work(i):
        begun.append(i)
        gate.wait(5)
        return i * i

    stream = ahead(work, iter(range(100)), threads=2)
    gate.set()
    assert next(stream) == 0
    assert len(begun) <= 5
    assert list(stream) == [i * i for i in range(1, 100)]


def test_errors_come_through():
    def work(i):
        if i == 3:
            raise UserError("three.")
        return i

    with pytest.raises(UserError):
        list(ahead(work, range(10), threads=2))


@pytest.fixture
def interruptible():
    """Ctrl-C is heard, which a shell's background jobs ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_no_thread_works_on_after_an_interrupt(interruptible):
    """Not even one whose start was interrupted, of which a pool does not know."""
    for _ in range(20):
        begun, done = [], []

        def work(item, begun=begun, done=done):
            begun.append(item)
            if item == 0:
                os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            done.append(item)

        with pytest.raises(KeyboardInterrupt):
            list(ahead(work, range(3), threads=2))
        assert begun and sorted(begun) == sorted(done)
