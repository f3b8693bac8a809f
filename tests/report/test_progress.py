"""Lines and the bar."""

import io

import numpy as np
import pytest

from segjax.report import progress


def test_line():
    values = {"loss": np.float32(0.8121), "miou(train)": 0.41, "images_per_s": 34.123}
    assert progress.line(200, 2000, values, 83) == (
        "step 200/2000  loss 0.812  miou(train) 0.410  34.1 images/s  1:23 left"
    )
    small = {"learning_rate": 2e-5, "skipped": 0, "loss": float("nan")}
    assert progress.line(1, 2, small) == (
        "step 1/2  learning_rate 2.00e-05  skipped 0  loss nan"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0:00"),
        (59.6, "1:00"),
        (83, "1:23"),
        (3600, "1:00:00"),
        (36061, "10:01:01"),
    ],
)
def test_duration(seconds, words):
    assert progress.duration(seconds) == words


def test_plain_lines_every_so_often(monkeypatch):
    clock = iter(range(0, 1000, 2))  # two seconds a step
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    stream = io.StringIO()
    with progress.Progress(12, start_step=2, every=6, stream=stream) as shown:
        for step in range(3, 13):
            shown.update(step, {"loss": 1.0} if step % 2 == 0 else None)
            if step == 10:
                shown.say("val miou [0.5]")
    assert stream.getvalue().splitlines() == [
        "step 8/12  loss 1.000  0:08 left",
        "val miou [0.5]",
        "step 12/12  loss 1.000  0:00 left",
    ]


def test_bar():
    stream = io.StringIO()
    with progress.Progress(10, stream=stream, terminal=True) as shown:
        shown.update(5, {"loss": 0.25, "images_per_s": 3})
        shown.say("a [bracketed] line")
        shown.update(10)
    written = stream.getvalue()
    assert "step 5/10  loss 0.250  3.0 images/s" in written
    assert "a [bracketed] line" in written
