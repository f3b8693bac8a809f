"""`segjax predict`: what evaluation sees, in files of the pictures' own sizes."""

import contextlib
import csv
import io
import json
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from pycocotools.coco import COCO

from segjax.commands import predict_flow
from segjax.core.errors import EnvironmentFault
from segjax.data import decode
from segjax.report import colour, maps, png

pytestmark = pytest.mark.filterwarnings("ignore:__array__")  # pycocotools


def test_ids_give_the_counts_of_evaluate(predicted, evaluation, source, read_ids):
    K = source.info.num_classes
    counts = np.zeros((K, K), np.int64)
    for i in range(len(source)):
        ids = read_ids(predicted.folder / f"{i if i else 'deep/0'}_ids.png")
        label = source[i]["label"]
        valid = label < K
        np.add.at(counts, (label[valid], ids[valid]), 1)
    assert counts.tolist() == evaluation.out["counts"]
    assert len(np.flatnonzero(counts.sum(0))) > 1  # a net that says one thing shows nil


def test_the_three_files_agree(predicted, photos, source, read_ids):
    ids = read_ids(predicted.folder / "1_ids.png")
    expected = source.info.palette()[ids]
    assert np.array_equal(decode.read_image(predicted.folder / "1_ids.png"), expected)
    assert np.array_equal(decode.read_label(predicted.folder / "1_ids.png"), ids)
    assert np.array_equal(
        decode.read_image(predicted.folder / "1_colour.png"), expected
    )
    tinted = colour.overlay(source[1]["image"], ids, source.info)
    assert np.array_equal(decode.read_image(predicted.folder / "1_overlay.png"), tinted)
    names = {p.name for p in predicted.folder.rglob("*") if p.is_file()}
    assert len(names) == 3 * len(source) + 1 and "areas.csv" in names
    assert predicted.code == 0 and "5 of 5 pictures predicted" in predicted.out
    assert "1.png  40x56  " in predicted.out


def test_sizes_formats_and_bad_files(run_folder, tmp_path, call, read_ids):
    rng = np.random.default_rng(0)
    pictures, out = tmp_path / "in", tmp_path / "out"
    pictures.mkdir()
    rgb = rng.integers(0, 256, (21, 13, 3), np.uint8)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(rgb).save(pictures / "turned.jpg", exif=turned)
    Image.fromarray(rng.integers(0, 65536, (9, 30), np.uint16)).save(pictures / "d.png")
    Image.fromarray(rgb[..., 0].T).convert("1").save(pictures / "d.gif")
    (pictures / "bad.png").write_bytes(b"no picture")
    (pictures / "notes.txt").write_text("left alone")
    words = ["predict", run_folder, pictures, tmp_path / "missing.png", "--json"]
    words += ["--write", "ids,colour", "--out", out]
    code, document, err = call(*words)
    assert code == 2
    assert "bad.png: is not a picture" in err
    assert {f["input"] for f in document["failures"]} == {
        str(pictures / "bad.png"),
        str(tmp_path / "missing.png"),
    }
    assert err.count("missing.png") == err.count("bad.png") == 1
    sizes = {p["input"][-8:]: (p["height"], p["width"]) for p in document["pictures"]}
    assert sizes == {
        "in/d.gif": (13, 21),
        "in/d.png": (9, 30),
        "rned.jpg": (13, 21),
    }
    for entry in document["pictures"]:
        assert set(entry["files"]) == {"ids", "colour"}
        size = entry["height"], entry["width"]
        ids = read_ids(entry["files"]["ids"])
        assert ids.shape == size
        for k, share in enumerate(entry["shares"].values()):
            assert share == pytest.approx(np.mean(ids == k))
    assert sorted(p.name for p in out.iterdir()) == [
        f"{name}_{kind}.png"
        for name in ("d.gif", "d.png", "turned")
        for kind in ("colour", "ids")
    ]


def test_inputs_are_never_overwritten(run_folder, tmp_path, call):
    for name in ("a.png", "a_ids.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    before = (tmp_path / "a_ids.png").read_bytes()
    inputs = [tmp_path / "a.png", tmp_path / "a_ids.png"]
    code, _, err = call("predict", run_folder, *inputs, "--out", tmp_path)
    assert code == 2 and "a_ids.png would overwrite an input" in err
    code, _, err = call("predict", run_folder, tmp_path, "--out", tmp_path)
    assert code == 2 and "is an input too" in err
    assert (tmp_path / "a_ids.png").read_bytes() == before


def test_a_file_in_the_place_of_the_folder(run_folder, photos, tmp_path, call):
    (tmp_path / "out").write_text("")
    code, _, err = call("predict", run_folder, photos, "--out", tmp_path / "out")
    assert code == 2 and "is a file" in err


@pytest.fixture
def few(photos, tmp_path):
    """A folder with three of the photos."""
    folder = tmp_path / "few"
    folder.mkdir()
    for i in (1, 2, 3):
        (folder / f"{i}.png").write_bytes((photos / f"{i}.png").read_bytes())
    return folder


def test_all_kinds_at_once(run_folder, few, tmp_path, call, read_ids):
    kinds = "ids,confidence,probabilities,polygons,coco,areas"
    words = ["--out", tmp_path / "out", "--write", kinds, "--pixel-size", "2"]
    code, document, _ = call("predict", run_folder, few, *words, "--json")
    assert code == 0 and len(document["pictures"]) == 3
    assert document["speed"]["pictures"] == 3
    with contextlib.redirect_stdout(io.StringIO()):
        file = COCO(document["tables"]["coco"])
    with open(document["tables"]["areas"], newline="") as table:
        rows = list(csv.DictReader(table))
    for i, (entry, row) in enumerate(zip(document["pictures"], rows, strict=True), 1):
        ids = read_ids(entry["files"]["ids"])
        with np.load(entry["files"]["probabilities"]) as arrays:
            shares = arrays["probabilities"].astype(np.float32)
        assert np.abs(shares.sum(2) - 1).max() < 0.01
        own = np.take_along_axis(shares, ids[..., None], axis=2)[..., 0]
        assert (own >= shares.max(2) - 0.001).all()
        sure = decode.read_label(entry["files"]["confidence"])
        assert np.abs(sure / 255 - own).max() < 0.003
        collection = json.loads(Path(entry["files"]["polygons"]).read_text())
        areas = np.zeros(len(document["class_names"]))
        for feature in collection["features"]:
            areas[feature["properties"]["class_id"]] += feature["properties"]["area"]
        assert areas.tolist() == np.bincount(ids.ravel(), minlength=len(areas)).tolist()
        assert file.loadImgs(i)[0]["file_name"] == entry["input"] == row["input"]
        drawn = np.full(ids.shape, 255)
        for found in file.loadAnns(file.getAnnIds(imgIds=i)):
            drawn[file.annToMask(found) == 1] = found["category_id"]
        assert np.array_equal(drawn, ids)
        for name, area in zip(document["class_names"], areas, strict=True):
            assert float(row[f"{name} square metres"]) == 4 * area
            assert entry["shares"][name] == pytest.approx(area / ids.size)


def test_polygons_of_a_geotiff_lie_on_the_map(run_folder, source, tmp_path, call):
    keys = (1, 1, 0, 1, 3072, 0, 1, 32633)
    tags = [
        (33550, "d", 3, (10.0, 10.0, 0.0), True),
        (33922, "d", 6, (0.0, 0.0, 0.0, 500000.0, 5400000.0, 0.0), True),
        (34735, "H", len(keys), keys, True),
    ]
    tifffile.imwrite(tmp_path / "a.tif", source[1]["image"], extratags=tags)
    words = ["--out", tmp_path, "--write", "polygons", "--simplify", "1"]
    code, _, _ = call("predict", run_folder, tmp_path / "a.tif", *words)
    assert code == 0
    whole = json.loads((tmp_path / "a_polygons.geojson").read_text())
    assert whole["crs"]["properties"]["name"].endswith("EPSG::32633")
    corners = [p for f in whole["features"] for p in f["geometry"]["coordinates"][0]]
    east, north = np.array(corners).T
    assert (east.min(), east.max()) == (500000, 500560)
    assert (north.min(), north.max()) == (5399600, 5400000)


def test_it_goes_on_where_it_stopped(run_folder, few, tmp_path, call):
    out = tmp_path / "out"
    kinds = ["--write", "ids,overlay,confidence,areas,coco"]
    words = ["predict", run_folder, few, "--out", out, *kinds, "--json"]
    code, first, _ = call(*words)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    (out / "2_overlay.png").unlink()
    times = {p: os.stat(p).st_mtime_ns for p in out.rglob("*_ids.png")}
    code, again, _ = call(*words, "--skip-existing")
    assert code == 0 and again["speed"]["pictures"] == 1
    assert [p["skipped"] for p in again["pictures"]] == [True, False, True]
    for old, new in zip(first["pictures"], again["pictures"], strict=True):
        assert {**old, "skipped": 0} == {**new, "skipped": 0}
    assert before.keys() == {p for p in out.rglob("*") if p.is_file()}
    for path, content in before.items():
        if path.name != "annotations.json":  # it has the pictures in another order
            assert path.read_bytes() == content
    changed = {p.name for p, t in times.items() if os.stat(p).st_mtime_ns != t}
    assert changed == {"2_ids.png"}
    code, other, _ = call(*words, "--skip-existing", "--postprocess", "mode(3)")
    assert not any(p["skipped"] for p in other["pictures"])


def test_objects(run_folder, few, tmp_path, call, read_ids):
    pytest.importorskip("segjax.postprocess.instances")
    words = ["--out", tmp_path / "out", "--write", "ids,instances"]
    code, document, _ = call(
        "predict", run_folder, few, *words, "--things", "sky,road", "--json"
    )
    assert code == 0
    names = document["class_names"]
    things = [names.index("sky"), names.index("road")]
    for entry in document["pictures"]:
        ids = read_ids(entry["files"]["ids"])
        numbers = decode.read_label(entry["files"]["instances"])
        assert np.array_equal(numbers > 0, np.isin(ids, things))
        for number in range(1, numbers.max() + 1):
            assert len(np.unique(ids[numbers == number])) == 1


def test_patterns_are_matched_without_the_shell(run_folder, few, tmp_path, call):
    words = ["--out", tmp_path / "out", "--write", "ids"]
    code, out, _ = call("predict", run_folder, tmp_path / "**" / "[12].png", *words)
    assert code == 0 and "2 of 2 pictures predicted" in out
    names = sorted(p.name for p in (tmp_path / "out").rglob("*.png"))
    assert names == ["1_ids.png", "2_ids.png"]


def test_pictures_that_find_no_room_are_decoded_again(
    run_folder, few, predicted, tmp_path, call, monkeypatch
):
    monkeypatch.setattr(predict_flow, "KEPT", 40 * 56 * 3 + 1)
    words = ["--out", tmp_path, "--write", "overlay", "--batch-size", "4"]
    assert call("predict", run_folder, few, *words)[0] == 0
    for path in tmp_path.glob("*_overlay.png"):
        assert path.read_bytes() == (predicted.folder / path.name).read_bytes()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--write", "ids,oberlay"], "oberlay"),
        (["--write", ","], "names nothing"),
        (["--write", "overlay", "--skip-existing"], "needs the ids"),
        (["--simplify", "1"], "--simplify: is of polygons"),
        (["--things", "car"], "--things: goes with instances"),
        (["--write", "instances"], "--things: goes with instances"),
        (["--write", "instances", "--things", "cars"], "no such class"),
        (["--pixel-size", "0"], "not a number above 0"),
        (["--fps", "nan"], "not a number above 0"),
    ],
)
def test_mistakes(words, told, run_folder, few, tmp_path, call):
    code, _, err = call("predict", run_folder, few, "--out", tmp_path / "out", *words)
    assert code == 2 and told in err and err.count("error:") == 1
    assert not (tmp_path / "out").exists()


def test_if_there_is_nothing_all_of_it_is_told(run_folder, tmp_path, call):
    words = [tmp_path / "a.png", tmp_path / "*.jpg", "--out", tmp_path / "out"]
    code, _, err = call("predict", run_folder, *words)
    assert code == 2 and err.count("error:") == 2
    assert not (tmp_path / "out").exists()


def test_a_full_disk_ends_it_with_one_line(
    run_folder, few, tmp_path, call, monkeypatch
):
    written = []

    def full(content, path):
        written.append(path)
        if len(written) > 3:
            raise maps.refused(path, OSError(28, "No space left on device"))
        real(content, path)

    real = maps.write
    monkeypatch.setattr(maps, "write", full)
    words = ["predict", run_folder, few, "--out", tmp_path / "out"]
    code, _, err = call(*words, "--write", "ids,colour,coco")
    assert code == EnvironmentFault.exit_code
    assert err.count("error:") == 1 and "No space left" in err
    left = sorted(p.name for p in (tmp_path / "out").rglob("*"))
    assert len(left) == 3 and not any(name.startswith(".") for name in left)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_signal_leaves_nothing_half_done(
    number, code, run_folder, few, tmp_path, call, monkeypatch
):
    begun = threading.Event()

    def slow(*args):
        if not begun.is_set():
            begun.set()
            os.kill(os.getpid(), number)
        return real(*args)

    real = png.encode
    monkeypatch.setattr(png, "encode", slow)
    # A shell's background jobs ignore SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    words = ["predict", run_folder, few, "--out", tmp_path / "out", "--batch-size", "1"]
    try:
        found = call(*words, "--write", "ids,coco")[0]
    except SystemExit as error:
        found = error.code
    finally:
        signal.signal(signal.SIGINT, before)
    assert found == code and begun.is_set()
    left = [p.name for p in (tmp_path / "out").rglob("*")]
    assert left and all(name.endswith("_ids.png") for name in left)
    for name in left:
        decode.read_label(tmp_path / "out" / name)
