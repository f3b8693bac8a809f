"""Files of a prediction: what is in them, and what an earlier call has left."""

import csv
import json
import os

import numpy as np
import pytest
from PIL import Image

from segjax.core.errors import EnvironmentFault, UserError
from segjax.core.info import DatasetInfo
from segjax.data import decode
from segjax.report import areas, colour, maps, results

INFO = DatasetInfo("drawn", ("ground", "car"), ((10, 20, 30), (250, 100, 50)))
RNG = np.random.default_rng(0)
SHARES = RNG.random((9, 12, 1)).astype(np.float32)
SHARES = np.concatenate([1 - SHARES, SHARES], axis=2)
IDS = SHARES.argmax(2).astype(np.uint8)
IMAGE = RNG.integers(0, 256, (9, 12, 3)).astype(np.uint8)
STAMP = {"run": "r1", "step": 3}
ALL = tuple(kind for kind in results.KINDS if kind != "instances")


def made(kinds=ALL, **options):
    return results.Results(kinds, INFO, {**STAMP, **options})


def written(folder, kinds=ALL):
    how = made(kinds)
    paths = how.paths(folder / "a.b")
    answer = how.answer(IDS, SHARES if how.probabilities else None)
    return how.write(answer, paths, lambda: IMAGE), paths


def test_each_kind_holds_what_it_says(tmp_path):
    found, paths = written(tmp_path)
    assert found.files == paths and found.size == (9, 12) and not found.skipped
    assert found.pixels.tolist() == np.bincount(IDS.ravel()).tolist()
    assert {p.name for p in tmp_path.iterdir()} == {
        f"a.b{results.KINDS[kind]}" for kind in ALL
    }
    with Image.open(paths["ids"]) as picture:
        assert picture.mode == "P" and np.array_equal(np.array(picture), IDS)
        assert json.loads(picture.info["segjax"]) == STAMP
    colours = np.array(INFO.class_colours, np.uint8)[IDS]
    assert np.array_equal(decode.read_image(paths["colour"]), colours)
    tinted = colour.overlay(IMAGE, IDS, INFO)
    assert np.array_equal(decode.read_image(paths["overlay"]), tinted)
    with Image.open(paths["confidence"]) as picture:
        assert picture.mode == "L"
        assert np.array_equal(np.array(picture), np.round(255 * SHARES.max(2)))
    with np.load(paths["probabilities"]) as arrays:
        assert arrays["probabilities"].dtype == np.float16
        assert np.abs(arrays["probabilities"] - SHARES).max() <= 0.0005
        assert arrays["class_names"].tolist() == ["ground", "car"]
    collection = json.loads(paths["polygons"].read_text())
    sums = np.zeros(2)
    for feature in collection["features"]:
        mine = feature["properties"]
        sums[mine["class_id"]] += mine["area"] * mine["confidence"]
    sure = np.round(255 * SHARES.max(2)) / 255
    assert sums == pytest.approx([sure[k == IDS].sum() for k in (0, 1)], abs=1e-2)


def test_confidence_is_of_the_class_that_was_written():
    other = 1 - IDS  # as after a step of post-processing
    assert (maps.confidence(other, SHARES) < 128).all()


def test_of_kinds_that_are_not_asked_for_there_is_nothing(tmp_path):
    how = made(("ids",))
    assert not how.probabilities
    paths = how.paths(tmp_path / "a")
    found = how.write(how.answer(IDS, None), paths, lambda: pytest.fail("not needed"))
    assert [p.name for p in tmp_path.iterdir()] == ["a_ids.png"]
    assert not found.annotations


@pytest.mark.parametrize(
    ("change", "there"),
    [
        (lambda folder, source: None, True),
        (lambda folder, source: (folder / "a.b_overlay.png").unlink(), False),
        (lambda folder, source: (folder / "a.b_ids.png").write_bytes(b"cut"), False),
        (lambda folder, source: os.utime(source), False),  # it is newer now
        (lambda folder, source: source.unlink(), False),
    ],
)
def test_what_is_there_already(change, there, tmp_path):
    source = tmp_path / "a.b.jpg"
    source.write_text("")
    os.utime(source, (1, 1))
    found, paths = written(tmp_path)
    os.utime(paths["ids"], (100, 100))
    change(tmp_path, source)
    assert made().has(paths, source) == there
    if there:
        assert not made(step=4).has(paths, source)
        assert made(protocol="whole()").has(paths, source) is False
        old = made().read(paths)
        assert old.skipped and old.files == paths and old.size == found.size
        assert old.pixels.tolist() == found.pixels.tolist()


def test_annotations_of_what_is_there_are_the_same(tmp_path):
    kinds = ("ids", "confidence", "coco")
    found, paths = written(tmp_path, kinds)
    assert (
        found.annotations and made(kinds).read(paths).annotations == found.annotations
    )


def test_kinds_are_named():
    assert results.parse("coco, ids", "--write") == ("ids", "coco")
    with pytest.raises(UserError) as error:
        results.parse("ids,colours,oco", "--write")
    assert len(error.value.problems) == 2
    assert "Did you mean 'colour'" in error.value.problems[0]


def test_a_name_that_is_too_long_is_the_pictures_fault(tmp_path):
    with pytest.raises(UserError, match="shorter"):
        maps.write(b"", tmp_path / ("a" * 300))
    assert not list(tmp_path.iterdir())


def test_a_disk_that_refuses(tmp_path, monkeypatch):
    def full(self, content):
        open(self, "wb").close()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(tmp_path), "write_bytes", full)
    with pytest.raises(EnvironmentFault, match=r"No space left.*--skip-existing"):
        maps.write(b"", tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_the_table_of_areas(tmp_path):
    rows = [
        areas.Areas("x/a.png", "", (2, 5), np.array([7, 3])),
        areas.Areas("odd \udcff, name.mp4", "0", (2, 5), np.array([10, 0])),
    ]
    areas.write(rows, INFO, tmp_path, 0.5)
    with open(tmp_path / "areas.csv", newline="", errors="surrogateescape") as file:
        first, second = csv.DictReader(file)
    assert [first[key] for key in ("input", "height", "width")] == ["x/a.png", "2", "5"]
    assert (first["car pixels"], first["car share"]) == ("3", "0.300000")
    assert float(first["car square metres"]) == 0.75
    assert second["input"] == rows[1].source and second["frame"] == "0"
    words = areas.summary(rows, INFO, 0.5).splitlines()
    assert " ".join(words[0].split()) == (
        "class share, % pixels in pictures square metres"
    )
    assert words[2].split() == ["ground", "85.00", "17", "2", "4.25"]
    assert words[3].split() == ["car", "15.00", "3", "1", "0.75"]
    areas.write(rows, INFO, tmp_path, None)
    assert "metres" not in (tmp_path / "areas.csv").read_text(errors="ignore")


def test_objects_are_numbered(tmp_path):
    pytest.importorskip("segjax.postprocess.instances")
    ids = np.zeros((6, 9), np.uint8)
    ids[1:3, 1:3] = ids[3:5, 3:5] = ids[1:4, 6:8] = 1  # the first two touch at a corner
    maps.write_instances(ids, (1,), tmp_path / "a.png")
    numbers = decode.read_label(tmp_path / "a.png")
    assert numbers.dtype == np.uint16 and np.array_equal(numbers > 0, ids == 1)
    assert numbers[1, 1] == numbers[4, 4] == 1 and numbers[1, 6] == 2
    many = np.zeros((520, 520), np.uint8)
    many[::2, ::2] = 1
    with pytest.raises(UserError, match="67600 objects"):
        maps.write_instances(many, (1,), tmp_path / "b.png")
