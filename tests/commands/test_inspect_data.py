"""`segjax inspect data`: words, JSON, page and exit code."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CONFIG = Path(__file__).parents[2] / "configs/folder_unet.py"


@pytest.fixture
def folder(tmp_path):
    """Four pairs with a ramp; the mask is one half of the picture."""
    root = tmp_path / "data"
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
    for i in range(4):
        rng = np.random.default_rng(i)
        image = rng.integers(0, 100, (24, 32, 3), np.uint8)
        mask = np.zeros((24, 32), np.uint8)
        mask[4 * i + 2 :] = 1
        image[mask == 1] += 120
        Image.fromarray(image).save(root / f"images/{i}.png")
        Image.fromarray(mask).save(root / f"masks/{i}.png")
    return root


def words(root, out):
    options = ["--option", "classes=('land', 'sea')", "--split", "all"]
    return ["--dataset", "folder", "--root", root, *options, "--out", out]


def test_a_clean_set(folder, tmp_path, call):
    code, out, _ = call("inspect", "data", *words(folder, tmp_path / "out"))
    assert code == 0
    assert out.startswith("folder: 4 all") and "Nothing was found." in out
    found = json.loads((tmp_path / "out/audit.json").read_text())
    assert found["findings"] == [] and found["refused"] is False
    assert "Nothing was found." in (tmp_path / "out/index.html").read_text()


def test_what_is_wrong_is_printed_written_and_drawn(folder, tmp_path, call):
    mask = folder / "masks/1.png"
    Image.open(mask).crop((0, 0, 32, 20)).save(mask)
    os.remove(folder / "masks/2.png")
    (folder / "images/3.png").write_bytes(b"<html>")
    out = tmp_path / "out"
    code, found, err = call("inspect", "data", *words(folder, out), "--json")
    assert code == 2
    assert set(found["counts"]) == {"size_mismatch", "missing_mask", "not_a_picture"}
    assert json.loads((out / "audit.json").read_text())["counts"] == found["counts"]
    assert "masks/1.png: mask is 20x32 and its image images/1.png is 24x32" in err
    assert "Found: 3 to correct." in err
    page = (out / "index.html").read_text()
    assert {p.name for p in (out / "pictures").iterdir()} == {
        "size_mismatch_0.png",
        "missing_mask_0.png",
    }
    assert "pictures/size_mismatch_0.png" in page and "http" not in page
    assert call("inspect", "data", *words(folder, out), "--json")[1] == found


def test_a_config_names_the_data(folder, tmp_path, call, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, found, _ = call(
        "inspect",
        "data",
        f"--config={CONFIG}",
        f"--config.data.root={folder}",
        "--config.data.classes=('land', 'sea')",
        "--json",
    )
    assert code == 0
    assert sum(found["examples"].values()) == 4
    assert (tmp_path / "audit_folder/index.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "--config --dataset is required"),
        (["--dataset", "foldr"], "Did you mean 'folder'?"),
        (["--dataset", "camvid", "--root", "/nowhere"], "no such folder"),
        (["--dataset", "streets"], "not made of image and mask files"),
        (["--dataset", "streets", "--group", "("], "no regular expression"),
        (["--dataset", "streets", "stray"], "stray: no such argument"),
    ],
)
def test_mistakes(arguments, expected, tmp_path, call, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call("inspect", "data", *arguments)
    assert code == 2 and expected in err and out == ""
    assert not list(tmp_path.iterdir())
