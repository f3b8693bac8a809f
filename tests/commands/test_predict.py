"""`segjax predict`: what evaluation sees, in files of the pictures' own sizes."""

import numpy as np
import pytest
from PIL import Image

from segjax.data import decode
from segjax.report import colour


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
    assert len(names) == 3 * len(source)
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
    words = ["predict", run_folder, pictures, "--out", out, "--no-overlay", "--json"]
    code, document, err = call(*words)
    assert code == 2
    assert "bad.png: is not a picture" in err
    assert [f["input"] for f in document["failures"]] == [str(pictures / "bad.png")]
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
