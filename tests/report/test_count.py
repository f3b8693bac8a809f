"""The progress of a pass: quiet when short, few lines in a log, a bar on a terminal."""

import io

from segjax.report import count


def test_a_short_pass_says_nothing():
    stream = io.StringIO()
    with count.shown("reading", stream) as update:
        for i in range(5):
            update(i + 1, 5)
    assert stream.getvalue() == ""


def test_a_long_pass_ends_with_its_total(monkeypatch):
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr(count.time, "monotonic", lambda: float(next(clock)))
    stream = io.StringIO()
    with count.shown("reading", stream) as update:
        for i in range(7):
            update(i + 1, 7)
    lines = stream.getvalue().splitlines()
    assert lines == ["reading: 3/7", "reading: 6/7", "reading: 7/7"]


def test_a_terminal_gets_a_bar():
    stream = io.StringIO()
    with count.shown("reading", stream, terminal=True) as update:
        update(3, 7)
    assert "reading" in stream.getvalue() and "3/7" in stream.getvalue()
