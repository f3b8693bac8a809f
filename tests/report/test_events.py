"""TensorBoard reads what is written, and a resumed run hides what came too far."""

import numpy as np
import pytest

from segjax.report.events import FOLDER, Events

accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator",
    reason="reading events back needs tensorboard",
)


def _read(workdir):
    found = accumulator.EventAccumulator(str(workdir / FOLDER))
    found.Reload()
    return found


def test_scalars_and_pictures(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
    with Events(tmp_path) as events:
        values = {"loss": np.float32(0.5), "note": "text", "bad": float("nan")}
        events.scalars(1, "train", values)
        events.scalars(2, "train", {"loss": 0.25})
        events.image(2, "panel", image)
    found = _read(tmp_path)
    assert found.Tags()["scalars"] == ["train/loss"]
    assert [(s.step, s.value) for s in found.Scalars("train/loss")] == [
        (1, 0.5),
        (2, 0.25),
    ]
    (picture,) = found.Images("panel")
    assert (picture.width, picture.height, picture.step) == (9, 6, 2)


def test_a_resume_purges_later_steps(tmp_path):
    with Events(tmp_path) as events:
        for step in range(1, 9):
            events.scalars(step, "train", {"loss": float(step)})
    with Events(tmp_path, start_step=5) as events:
        events.scalars(6, "train", {"loss": 60.0})
    steps = [(s.step, s.value) for s in _read(tmp_path).Scalars("train/loss")]
    assert steps == [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 60)]
