"""`segjax inspect`: counts that agree with the labels, problems, a sheet."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segjax.data import datasets, decode

STREETS = Path(__file__).parents[2] / "configs/streets_unet.py"


def test_a_config_with_overrides(tmp_path, call):
    code, found, err = call(
        "inspect",
        "--config",
        f"{STREETS}:quick",
        "--config.data.num_train=3",
        "--config.seed",
        "5",
        "--samples",
        "4",
        "--out",
        tmp_path,
        "--json",
    )
    assert code == 0
    source = datasets.make(
        name="streets", split="train", size=(96, 128), num_train=3, num_val=3
    )
    labels = np.stack([source[i]["label"] for i in range(3)])
    for k, entry in enumerate(found["classes"]):
        assert entry["pixels"] == (labels == k).sum()
        assert entry["images"] == (labels == k).any((1, 2)).sum()
        share = entry["pixels"] / (labels != 255).sum()
        assert entry["pixel_share"] == pytest.approx(share)
    assert found["ignored_share"] == pytest.approx(np.mean(labels == 255))
    assert found["sizes"] == [[96, 128, 3]]
    assert json.loads((tmp_path / "train.json").read_text()) == found
    assert decode.read_image(tmp_path / "train.png").shape[1] == 1200
    assert "No problems." in err and "█" in err


def test_the_speed_of_a_config(tmp_path, call):
    code, found, err = call(
        *("inspect", "--config", f"{STREETS}:quick", "--config.input.batch_size=8"),
        *("--samples", "1", "--speed", "--out", tmp_path, "--json"),
    )
    assert code == 0
    speed = found["speed"]
    assert speed["ratio"] == pytest.approx(speed["loader"] / speed["step"])
    assert speed["loader"] > 0 and speed["step"] > 0
    line = next(line for line in err.splitlines() if line.startswith("loader "))
    assert f"ratio {speed['ratio']:.1f}: " in line
    assert ("never waits" in line) == (speed["ratio"] >= 1.5)


def test_speed_is_that_of_a_config(call):
    code, found, _ = call("inspect", "--dataset", "streets", "--speed", "--json")
    assert code == 2
    assert "--config" in found["errors"][0]


def folder(tmp_path, values):
    """A folder data set of one image a value; the mask holds 0 and the value."""
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    for i, value in enumerate(values):
        mask = np.zeros((6, 8), np.uint8)
        mask[2:, 3:] = value
        image = np.full((6, 8, 3), 40 * i, np.uint8)
        Image.fromarray(image).save(tmp_path / f"data/images/{i}.png")
        Image.fromarray(mask).save(tmp_path / f"data/masks/{i}.png")
    root = tmp_path / "data"
    return ["inspect", "--dataset", "folder", "--root", root, "--split", "all"]


def test_a_folder_with_options_and_an_unused_class(tmp_path, call):
    words = folder(tmp_path, (1, 0))
    options = ["--option", "classes=['land', 'sea', 'ice']", "--option", "skip=('9',)"]
    code, out, _ = call(*words, *options, "--images", "--out", tmp_path / "out")
    assert code == 0
    assert "examples  2, 2 of them readable" in out
    assert "Never used: ice." in out
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"all.json", "all.png"}


def test_the_ops_are_drawn_where_asked_for(tmp_path, call):
    words = [*folder(tmp_path, (1, 1, 1)), "--option", "classes=('land', 'sea')"]
    code, found, _ = call(*words, "--ops", "--out", tmp_path / "out", "--json")
    assert code == 0 and found["written"][-1].endswith("all_ops.png")
    assert decode.read_image(tmp_path / "out/all_ops.png").shape[1] == 1200


def test_all_problems_and_exit_code_2(tmp_path, call):
    words = [*folder(tmp_path, (1, 7, 9)), "--option", "classes=('land', 'sea')"]
    code, found, err = call(*words, "--out", tmp_path / "out", "--json")
    assert code == 2
    assert len(found["problems"]) == 2
    assert "masks/1.png" in found["problems"][0]
    assert "2 problems:" in err and "masks/2.png" in err
    assert not (tmp_path / "out/all.png").exists()


def test_images_finds_what_heads_hide(tmp_path, call):
    words = [*folder(tmp_path, (1, 1)), "--option", "classes=('land', 'sea')"]
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    path = tmp_path / "data/images/1.png"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:80])
    assert call(*words, "--images", "--out", tmp_path / "out")[0] == 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--dataset", "camvit"], "Did you mean 'camvid'?"),
        (["--dataset", "camvid"], "data.root: is missing"),
        (["--dataset", "camvid", "--root", "/nowhere"], "no such folder"),
        (["--dataset", "streets", "--option", "siez=3"], "Did you mean 'size'?"),
        (["--dataset", "streets", "--option", "size"], "has no '='"),
        (["--dataset", "streets", "--option", "seed='x'"], "int is allowed"),
        (["--dataset", "streets", "--config.data.seed=1"], "goes with --config"),
        (["--config", str(STREETS), "--root", "x"], "--config.data.root=VALUE"),
        (["--config", "nowhere.py"], "nowhere.py"),
        (["--config", f"{STREETS}:quik"], "no such variant"),
        (["--config", str(STREETS), "--config.data.sed=1"], "sed"),
        (["--config", str(STREETS), "--split", "tset"], "no such split"),
    ],
)
def test_mistakes(words, expected, tmp_path, call, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call("inspect", *words)
    assert code == 2 and expected in err and out == ""
    assert not list(tmp_path.iterdir())
