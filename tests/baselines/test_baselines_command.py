"""`segjax baselines`: folders like those of runs, made once; second annotations."""

import contextlib
import io
import json

import numpy as np
import pytest
from PIL import Image

from segjax.cli import main
from segjax.core.keys import IGNORE
from segjax.data import annotators, datasets
from segjax.predict import ids as predict_ids
from segjax.report import record

CONFIG = "--config=configs/streets_unet.py:quick"
DRIVE = "--config=configs/drive_unet_cpu.py"


def told(*words):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["baselines", *map(str, words)])
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Two baselines of drawn streets, and what was said."""
    out = tmp_path_factory.mktemp("baselines")
    words = [CONFIG, "--names", "majority,kmeans", "--limit", 3, "--out", out]
    words += ["--option", "kmeans.clusters=9"]
    return out, words, *told(*words, "--json")


def test_a_folder_like_that_of_a_run(first):
    out, _, code, document, words = first
    assert code == 0
    rows = {row["name"]: row for row in json.loads(document)["baselines"]}
    for name, row in rows.items():
        folder = out / name
        facts = record.read(folder)
        assert (facts["kind"], facts["name"]) == ("baseline", name)
        assert facts["fitted_on"] == 3 and facts["seed"] == 0
        assert facts["dataset"]["splits"]["train"]["num_images"] == 4
        last = facts["attempts"][-1]
        assert last["exit_code"] == 0 and last["versions"]["scikit-learn"]
        assert last["fit_seconds"] >= 0 and last["predict_seconds"] > 0
        assert last["peak_rss_mb"] > 1
        scores = json.loads((folder / "evaluation/val.json").read_text())
        assert scores["summary"] == row["summary"]
        lines = (folder / "evaluation/val_images.jsonl").read_text().splitlines()
        each = np.asarray([json.loads(line)["counts"] for line in lines])
        assert np.array_equal(each.sum(0), scores["counts"])
        for picture in ("panel", "best", "worst"):
            assert (folder / f"pictures/{picture}.png").exists()
        assert "kmeans" in (folder / "index.html").read_text() or name == "majority"
        assert f"{100 * row['summary']['miou']:.2f}" in words
    assert record.read(out / "kmeans")["arguments"] == {"clusters": 9, "place": 1.0}


def test_the_scores_are_of_the_labels(first):
    """All pixels are of the commonest class, whichever the truth is."""
    out, *_ = first
    data = dict(name="streets", size=(96, 128), num_train=4, num_val=3)
    validation = datasets.make(split="val", **data)
    labels = np.stack([validation[i]["label"] for i in range(3)])
    scores = json.loads((out / "majority/evaluation/val.json").read_text())
    counts = np.asarray(scores["counts"])
    truth = [(labels == k).sum() for k in range(len(counts))]
    assert counts.sum(1).tolist() == truth
    commonest = record.read(out / "majority")["attempts"][-1]["learnt"]["class"]
    k = validation.info.class_names.index(commonest)
    assert counts[:, k].tolist() == truth


def test_what_is_there_is_kept_and_what_changes_is_made(first):
    out, words, *_ = first
    before = (out / "kmeans/evaluation/val.json").stat().st_mtime_ns
    code, said, _ = told(*words)
    assert code == 0 and "kmeans*" in said and "majority*" in said
    assert (out / "kmeans/evaluation/val.json").stat().st_mtime_ns == before
    code, said, _ = told(*words, "--config.seed=1", "--names", "kmeans")
    assert code == 0 and "kmeans*" not in said
    assert (out / "kmeans/evaluation/val.json").stat().st_mtime_ns > before
    assert record.read(out / "kmeans")["seed"] == 1
    assert len(record.read(out / "kmeans")["attempts"]) == 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--names", "ostu"], "no such baseline. Known: annotator, kmeans"),
        (["--names", "otsu,otsu"], "a name stands twice"),
        (["--names", "otsu", "--option", "kmeans.clusters=3"], "is not among --names"),
        (["--names", "otsu", "--option", "otsu.region=3"], "Did you mean 'regions'"),
        (["--names", "otsu", "--option", "otsu.regions=9"], "must be 4 or less"),
        (["--names", "annotator"], "one mask an image and no photograph twice"),
        (["--limit", "0"], "not an integer from 1 up"),
        (["--config.data.size=3"], "config.data.size"),
    ],
)
def test_mistakes(words, expected, tmp_path):
    code, _, err = told(CONFIG, *words, "--out", tmp_path / "out")
    assert code == 2 and expected in err
    assert not (tmp_path / "out").exists()


def test_the_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "otsu").mkdir()
    (tmp_path / "otsu/notes.txt").write_text("mine")
    code, _, err = told(CONFIG, "--names", "otsu", "--out", tmp_path)
    assert code == 2 and "holds something else than a baseline" in err
    assert (tmp_path / "otsu/notes.txt").read_text() == "mine"


@pytest.fixture
def chase(tmp_path):
    """Two children, and two annotators who agree on a half of their vessels."""
    root = tmp_path / "chase"
    root.mkdir()
    one, two = np.zeros((2, 30, 40), bool)
    one[:10], two[5:15] = True, True
    for name in ("Image_01L", "Image_11L"):
        Image.fromarray(np.full((30, 40, 3), 99, np.uint8)).save(root / f"{name}.jpg")
        for ending, mask in (("1stHO", one), ("2ndHO", two)):
            Image.fromarray(mask).save(root / f"{name}_{ending}.png")
    return root


def test_a_second_annotator_is_scored_as_a_prediction(chase, tmp_path):
    data = ["--config.data.name=chase_db1", f"--config.data.root={chase}"]
    data += ["--config.data.folds=0", "--names", "annotator", "--json"]
    code, document, err = told(DRIVE, *data, "--out", tmp_path / "out")
    assert code == 0, err
    (row,) = json.loads(document)["baselines"]
    assert row["num_images"] == 1 and row["learnt"] == {"who": "annotator 2 against 1"}
    scores = json.loads((tmp_path / "out/annotator/evaluation/val.json").read_text())
    assert scores["counts"] == [[600, 200], [200, 200]]
    assert row["classes"][1]["dice"] == 0.5


def test_photographs_that_are_there_twice_are_annotated_twice(tmp_path):
    root = tmp_path / "flood"
    rng = np.random.default_rng(0)
    for folder in ("Image", "Mask"):
        (root / folder).mkdir(parents=True)
    for i in range(6):
        image = np.random.default_rng(i % 5).integers(0, 256, (20, 30, 3))
        Image.fromarray(image.astype(np.uint8)).save(root / f"Image/{i}.jpg")
        mask = np.where(rng.random((20, 30)) < 0.5, 255, 0).astype(np.uint8)
        Image.fromarray(mask).save(root / f"Mask/{i}.png")
    rows = [f"{i}.jpg,{i}.png" for i in range(6)]
    (root / "metadata.csv").write_text("\n".join(["Image,Mask", *rows]))
    options = {"name": "flood_area", "root": str(root), "val_share": 0.2}
    found = annotators.find(options, ("train", "val"))
    assert (found.split, len(found.source)) == ("duplicates", 1)
    assert found.source.name(0) == "0 and 5"
    masks = [np.asarray(Image.open(root / f"Mask/{i}.png")) > 0 for i in (0, 5)]
    assert np.array_equal(found.source[0]["label"], masks[0])
    assert np.array_equal(found.second(0), masks[1])
    assert len(found.source.fingerprint()) == 64


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (16, 16), (30, 41)])
def test_padded_counts_are_plain_ones(shape):
    rng = np.random.default_rng(0)
    label, ids = rng.integers(0, 4, (2, *shape)).astype(np.uint8)
    label[rng.random(shape) < 0.2] = IGNORE
    plain = np.zeros((4, 4), int)
    valid = label != IGNORE
    np.add.at(plain, (label[valid], ids[valid]), 1)
    assert np.array_equal(predict_ids.count(label, ids, 4), plain)
