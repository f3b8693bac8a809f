"""Plots: written at sane sizes for odd input, and they show what they are given."""

import math

import numpy as np
import pytest
from PIL import Image

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.report import plots


def _info(num_classes):
    rng = np.random.default_rng(0)
    colours = rng.integers(30, 226, (num_classes, 3)).tolist()
    names = tuple(f"class {i}" for i in range(num_classes))
    return DatasetInfo("toy", names, tuple(tuple(c) for c in colours))


def _pixels(path):
    picture = Image.open(path)
    assert picture.width <= 1600 and path.stat().st_size < 300_000
    return np.asarray(picture.convert("RGB")).astype(int)


def _near(pixels, rgb, tolerance=6):
    """How many pixels have about this colour (the palette is reduced)."""
    return int((abs(pixels - np.array(rgb)).max(-1) <= tolerance).sum())


ROWS = [
    {"step": 1, "kind": "train", "loss": math.inf, "learning_rate": 0.1},
    {"step": 2, "kind": "train", "loss": 1.0, "learning_rate": 0.05, "miou": 0.1},
    {"step": 2, "kind": "val", "loss": 1.5, "miou": math.nan},
    {"step": 4, "kind": "val", "loss": 1.2, "miou": 0.4},
]


@pytest.mark.parametrize("rows", [ROWS, ROWS[1:2], ROWS[2:3], ROWS[2:], ROWS[:1]])
def test_curves_of_any_log(tmp_path, rows):
    plots.curves(rows, tmp_path / "a.png")
    _pixels(tmp_path / "a.png")


def test_curves_without_numbers_are_refused(tmp_path):
    for rows in ([], [{"step": 1, "kind": "train", "skipped": 0}]):
        with pytest.raises(UserError, match="no loss and no mIoU"):
            plots.curves(rows, tmp_path / "a.png")


def test_the_best_evaluation_is_marked(tmp_path):
    drawn = []
    for rows in (ROWS, ROWS[:3]):
        plots.curves(rows, tmp_path / "a.png")
        drawn.append(_near(_pixels(tmp_path / "a.png"), (0x1B, 0x1B, 0x1E), 12))
    assert drawn[0] > drawn[1]


@pytest.mark.parametrize("num_classes", [2, 11, 30, 171])
def test_confusion_matrix(tmp_path, num_classes):
    counts = np.random.default_rng(0).integers(0, 5, (num_classes, num_classes))
    counts[np.diag_indices(num_classes)] += 2**40
    counts[1] = 0
    plots.confusion_matrix(counts, _info(num_classes), tmp_path / "a.png")
    pixels = _pixels(tmp_path / "a.png")
    assert _near(pixels, (0x08, 0x30, 0x6B)) > 100  # the full blue of 100 percent
    assert _near(pixels, (0xDE, 0xE2, 0xE6)) > 100  # the grey of a row without truth


def test_class_bars_tell_absent_from_zero(tmp_path, monkeypatch):
    words, write = [], plots.Axes.text
    monkeypatch.setattr(
        plots.Axes, "text", lambda *a, **k: words.append(a[3]) or write(*a, **k)
    )
    plots.class_bars([0.5, 0.0, math.nan], _info(3), tmp_path / "a.png")
    assert words == ["0.500", "0.000", "absent"]


def test_class_bars_are_as_long_as_their_scores(tmp_path):
    info = _info(3)
    drawn = {}
    for name, last in (("zero", 0.0), ("full", 1.0)):
        plots.class_bars([0.5, 1.0, last], info, tmp_path / "a.png", mean=0.5)
        drawn[name] = _pixels(tmp_path / "a.png")
    first, second, third = (
        [_near(p, c) for p in drawn.values()] for c in info.class_colours
    )
    assert 1.8 < second[0] / first[0] < 2.2
    assert third[1] > 0.9 * second[0] and third[0] < 0.05 * third[1]


def test_class_bars_read_none_as_absent(tmp_path):
    plots.class_bars([None, "nan"], _info(2), tmp_path / "a.png", mean=math.nan)
    _pixels(tmp_path / "a.png")
