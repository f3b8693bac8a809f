"""Panels and sheets: sizes, colours at known places, legends, small files."""

import numpy as np
import pytest
from PIL import Image

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE
from segjax.report import colour, drawing, panel

INFO = DatasetInfo(
    "toy", ("sky", "road", "never"), ((120, 160, 220), (120, 60, 120), (1, 250, 1))
)


def _row(seed=0, height=60, width=80, name="0001TP_006690"):
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 255, width)[None, :, None] * np.ones((height, 1, 3))
    image = np.clip(ramp + rng.normal(0, 20, ramp.shape), 0, 255).astype(np.uint8)
    truth = np.zeros((height, width), np.uint8)
    truth[height // 2 :] = 1
    prediction = truth.copy()
    prediction[:, : width // 2] = 0
    return panel.Row(name, image, truth, prediction, 0.5)


def _colours(path):
    picture = Image.open(path).convert("RGB")
    return {c for _, c in picture.getcolors(1 << 24)}, np.asarray(picture)


def test_panel_shows_exact_colours_in_its_columns(tmp_path):
    path = tmp_path / "new" / "panel.png"
    panel.panel([_row(), _row(1)], INFO, path)
    found, pixels = _colours(path)
    assert pixels.shape[1] == 1200
    sky, road = INFO.class_colours[:2]
    assert {sky, road, colour.CORRECT, colour.WRONG} <= found
    quarter = 1200 // 4
    starts = range(20, 1200, quarter)
    columns = [pixels[80:200, start : start + quarter - 40] for start in starts]
    assert (columns[1] == sky).all(-1).any() and (columns[2] == sky).all(-1).any()
    assert (columns[3] == colour.WRONG).all(-1).any()
    assert not (columns[2] == colour.WRONG).all(-1).any()
    assert path.stat().st_size < 300_000


def test_the_legend_names_what_occurs():
    row = _row()
    entries = drawing.class_entries([row.truth], INFO)
    assert [name for name, _ in entries] == ["sky", "road"]
    row.truth[0, 0] = IGNORE
    entries = drawing.class_entries([row.truth], INFO)
    assert entries[-1] == ("ignored", (0, 0, 0))


def test_a_long_legend_wraps_into_its_width():
    entries = [(f"class number {i}", (i, i, i)) for i in range(60)]
    picture = drawing.legend(entries, 600)
    assert picture.width == 600 and picture.height > 10 * 17
    right_edge = np.asarray(picture)[:, -1]
    assert (right_edge == 255).all()


def test_text_is_cut_at_its_width():
    picture = Image.new("RGB", (400, 40), drawing.PAPER)
    drawing.text(picture, (0, 20), "a very long name " * 20, 17, width=200)
    inked = (np.asarray(picture) != 255).any(-1).any(0)
    assert 150 < np.flatnonzero(inked).max() < 210


@pytest.mark.parametrize("shape", [(8, 8), (300, 40), (40, 300), (1, 1)])
def test_any_shape_of_image(tmp_path, shape):
    panel.panel([_row(0, *shape, name="<naïve> 図")], INFO, tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").width == 1200


def test_nothing_labelled(tmp_path):
    row = _row()._replace(truth=np.full((60, 80), IGNORE, np.uint8), miou=float("nan"))
    panel.panel([row], INFO, tmp_path / "a.png")
    found, _ = _colours(tmp_path / "a.png")
    assert colour.IGNORE_COLOUR in found


def test_photos_and_text_fit_one_palette(tmp_path):
    panel.panel([_row(i) for i in range(4)], INFO, tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").mode == "P"


def test_sizes_must_agree(tmp_path):
    row = _row()._replace(prediction=np.zeros((30, 40), np.uint8))
    with pytest.raises(UserError, match=r"0001TP_006690: .*\(30, 40\)"):
        panel.panel([row], INFO, tmp_path / "a.png")
    with pytest.raises(UserError, match="at least one"):
        panel.panel([], INFO, tmp_path / "a.png")


@pytest.mark.parametrize("count", [1, 3, 8])
def test_sheet(tmp_path, count):
    examples = [
        {"image": r.image, "label": r.truth, "index": np.int64(i)}
        for i, r in enumerate(_row(i) for i in range(count))
    ]
    panel.sheet(examples, INFO, tmp_path / "a.png")
    picture = Image.open(tmp_path / "a.png")
    assert picture.width == 1200
    assert (tmp_path / "a.png").stat().st_size < 300_000
    with pytest.raises(UserError, match="at least one"):
        panel.sheet([], INFO, tmp_path / "a.png")


def test_a_saved_picture_is_what_was_drawn(tmp_path):
    rng = np.random.default_rng(0)
    for number in (2, 256, 257):
        table = rng.integers(0, 256, (number, 3), np.uint8)
        pixels = table[rng.integers(0, number, (50, 60))]
        drawing.save(Image.fromarray(pixels), tmp_path / "a.png")
        again = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
        np.testing.assert_array_equal(again, pixels)
