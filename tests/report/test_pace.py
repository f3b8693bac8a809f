"""Where the time goes: each second counted once."""

import itertools

import pytest

from segjax.report import pace


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until `clock(seconds)`."""
    now = [0.0]
    monkeypatch.setattr(pace.time, "perf_counter", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def test_what_waits_for_what(clock):
    compiled = [0]
    told = pace.Pace(lambda: compiled[0])

    def read():
        for i in range(3):
            clock(1.0)
            yield i

    def predict(examples):
        for i in examples:
            clock(10.0 if i else 50.0)
            compiled[0] += not i
            yield i

    def write(found):
        for i in found:
            clock(0.5)
            yield i

    stream = told.through(pace.READING, read())
    stream = told.through(pace.NETWORK, predict(stream))
    for _ in told.through(pace.WRITING, write(stream)):
        clock(0.25)  # what the loop does is nobody's
    assert told.seconds == {
        pace.READING: 3.0,
        pace.NETWORK: 20.0,
        pace.COMPILING: 50.0,
        pace.WRITING: 1.5,
    }
    document = told.document(3)
    assert document["seconds"] == 75.25
    assert document["per_second"] == pytest.approx(3 / 75.25)
    assert document["per_second_compiled"] == pytest.approx(3 / 25.25)
    words = told.words(3)
    assert "3 in 75.2 s" in words and "0.1 a second without 50.0 s" in words
    assert "79 % network, 12 % waiting for reading, 6 % waiting for writing" in words
    assert told.words(0) == ""


def test_work_of_threads_is_added_up(clock):
    told = pace.Pace()
    work = told.worked("writing", lambda seconds: clock(seconds))
    for seconds in (1.0, 2.0):
        work(seconds)
    with pytest.raises(TypeError):
        told.worked("writing", lambda: clock(4.0) or 1 + "")()
    assert told.threads == {"writing": 7.0}


def test_the_items_pass():
    told = pace.Pace()
    stream = told.through("network", itertools.count())
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    assert list(told.through("network", [])) == []
