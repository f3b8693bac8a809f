"""Means between two log lines."""

import json
import math

import numpy as np

from segjax.train.window import Window

COUNTS = np.array([[3, 1], [2, 4]], np.int32)


def scalars(loss: float, finite: bool = True) -> dict:
    return {
        "loss": np.float32(loss),
        "grad_norm": np.float32(2 * loss),
        "finite": np.bool_(finite),
        "counts": COUNTS,
    }


def filled(*values: float) -> Window:
    window = Window(2)
    for value in values:
        window.add(scalars(value, math.isfinite(value)))
    return window


def test_means_are_of_the_good_steps():
    means = filled(1.0, math.nan, 3.0).means()
    assert (means["loss"], means["grad_norm"], means["skipped"]) == (2.0, 4.0, 1)
    assert means["miou"] == (3 / 6 + 4 / 7) / 2  # of the summed counts, by hand
    assert "skipped" not in filled(1.0).means()


def test_a_window_of_bad_steps_has_no_loss():
    means = filled(math.nan).means()
    assert means["skipped"] == 1
    assert math.isnan(means.get("loss", math.nan))


def test_json_keeps_every_bit():
    values = list(np.random.default_rng(0).random(7).astype(np.float32) / 3)
    resumed = Window(2)
    resumed.from_json(json.loads(json.dumps(filled(*values[:4]).to_json())))
    for value in values[4:]:
        resumed.add(scalars(value))
    assert resumed.means() == filled(*values).means()


def test_reset_forgets():
    window = filled(1.0, math.nan)
    window.reset()
    window.add(scalars(5.0))
    assert window.means() == filled(5.0).means()
