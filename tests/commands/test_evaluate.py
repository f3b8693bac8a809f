"""`segjax evaluate`: the same integers whatever the batch and the devices."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from segjax.metrics import scores
from segjax.report import record


def counts_of(folder, split="val"):
    return np.array(
        json.loads((folder / f"evaluation/{split}.json").read_text())["counts"]
    )


def test_every_labelled_pixel_is_counted_once(evaluation, source):
    labels = np.stack([source[i]["label"] for i in range(len(source))])
    truth = [(labels == k).sum() for k in range(source.info.num_classes)]
    assert counts_of(evaluation.folder).sum(1).tolist() == truth
    rows = (evaluation.folder / "evaluation/val_images.jsonl").read_text().splitlines()
    assert [json.loads(r)["name"] for r in rows] == [
        source.name(i) for i in range(len(source))
    ]
    assert {p.name for p in (evaluation.folder / "pictures").iterdir()} == {
        "panel.png",
        "best.png",
        "worst.png",
    }


def test_batches_and_devices_move_no_integer(run_folder, evaluation, tmp_path):
    """Eight devices here; in a process of its own one device, batches of 1 and 7."""
    script = (
        "import sys; from segjax.cli import main\n"
        "run, out = sys.argv[1:]\n"
        "for n in '17':\n"
        "    assert main(['evaluate', run, '--batch-size', n, '--out', out + n]) == 0\n"
        "import jax; assert jax.device_count() == 1"
    )
    environment = os.environ | {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
    out = str(tmp_path / "by")
    done = subprocess.run(
        [sys.executable, "-c", script, str(run_folder), out],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    expected = (evaluation.folder / "evaluation/val_images.jsonl").read_text()
    for n in "17":
        here = tmp_path / f"by{n}"
        assert np.array_equal(counts_of(here), counts_of(evaluation.folder))
        assert (here / "evaluation/val_images.jsonl").read_text() == expected


def test_the_document_and_the_words(evaluation):
    counts, document = counts_of(evaluation.folder), evaluation.out
    assert evaluation.code == 0
    assert np.array_equal(document["counts"], counts)
    assert document["data_as_recorded"] is True
    rows = (evaluation.folder / "evaluation/val_images.jsonl").read_text().splitlines()
    images = np.array([json.loads(row)["counts"] for row in rows])
    for name, sentence in scores.CONVENTIONS.items():
        expected = scores.miou(images, name)
        found = float(document["miou_by_convention"][name])
        assert found == pytest.approx(expected, nan_ok=True)
        assert f"{name} " in evaluation.err and sentence in evaluation.err


def test_another_split_into_the_run_folder(run_folder, changed, call):
    def forge(dataset):
        dataset["splits"]["train"] = {"num_images": 6, "fingerprint": "0" * 64}

    changed(forge)
    code, out, _ = call("evaluate", run_folder, "--split", "train")
    assert code == 0 and "train of streets, 6 images" in out
    assert "Note: train is not the data that the run recorded as train" in out
    assert (run_folder / "evaluation/train.json").exists()
    assert (run_folder / "evaluation/train_pictures/panel.png").exists()
    assert not (run_folder / "pictures/panel.png").exists()
    assert "train" in (run_folder / "index.html").read_text()


def test_a_protocol_stands_beside_its_numbers(
    run_folder, evaluation, photos, tmp_path, call, read_ids, source
):
    """And `segjax predict` answers by it what `segjax evaluate` counts."""
    name = 'slide(16, 16, overlap=0.5, weights="gaussian") | flip()'
    words = ["--protocol", "slide(16,16)|flip()", "--out"]
    code, said, _ = call("evaluate", run_folder, *words, tmp_path / "scores")
    assert code == 0 and f", by {name}:" in said
    counts = counts_of(tmp_path / "scores")
    assert (counts != counts_of(evaluation.folder)).any()
    assert evaluation.out["protocol"] == "whole()"
    written = json.loads((tmp_path / "scores/evaluation/val.json").read_text())
    assert written["protocol"] == name
    words = [*words, tmp_path / "ids", "--json"]
    code, document, _ = call("predict", run_folder, photos, *words)
    assert code == 0 and document["protocol"] == name
    predicted = np.zeros_like(counts)
    for i in range(len(source)):
        ids = read_ids(tmp_path / f"ids/{i if i else 'deep/0'}_ids.png")
        label = source[i]["label"]
        valid = label < len(counts)
        np.add.at(predicted, (label[valid], ids[valid]), 1)
    np.testing.assert_array_equal(predicted, counts)


def test_steps_are_chosen_on_the_validation_split(run_folder, tmp_path, call):
    run_folder = shutil.copytree(run_folder, tmp_path / "run")
    shutil.rmtree(run_folder / "evaluation", ignore_errors=True)
    steps = ["--postprocess", "mode(3)"]
    code, _, err = call("evaluate", run_folder, "--split", "test", *steps)
    assert code == 2 and "--postprocess='mode(3)': val was scored by '' last" in err
    code, said, _ = call("evaluate", run_folder, *steps)
    assert code == 0 and "by whole(), then mode(3)" in said
    code, said, _ = call("evaluate", run_folder, "--split", "test", *steps)
    assert code == 0 and "test of streets" in said
    assert call("evaluate", run_folder, "--split", "test")[0] == 0  # the run's own
    code, _, err = call(
        "evaluate", run_folder, "--split", "test", "--postprocess", "mode(5)"
    )
    assert code == 2 and "segjax evaluate" in err and '--postprocess "mode(5)"' in err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--split", "vla"], "no such split"),
        (["--root", "."], "config.data.root: no such option"),
        (["--convention", "mean"], "no such convention"),
        (["--protocol", "slid(9, 9)"], "--protocol: slid(9, 9): no such protocol"),
        (["--protocol", "slide(9, 16)"], "has the height 9"),
        (["--stream", "--protocol", "slide(8, 8)"], "shows whole frames once"),
        (["--measures", "bondary()"], "--measures: bondary(): no such measure"),
    ],
)
def test_mistakes(words, expected, run_folder, call):
    code, _, err = call("evaluate", run_folder, *words)
    assert code == 2 and expected in err


def test_measures_beside_the_counts(run_folder, evaluation, tmp_path, call):
    words = "probabilities(bins=32) | surface()"
    code, out, _ = call("evaluate", run_folder, "--measures", words, "--out", tmp_path)
    assert code == 0
    assert "probabilities(bins=32)\n  ece 0." in out and "surface(tolerance=2.0)" in out
    assert np.array_equal(counts_of(tmp_path), counts_of(evaluation.folder))
    written = json.loads((tmp_path / "evaluation/val.json").read_text())
    assert set(written["measures"]) == {"probabilities", "surface"}
    assert float(written["summary"]["ece"]) > 0
    arrays = np.load(tmp_path / "evaluation/val_measures.npz")
    pixels = counts_of(evaluation.folder).sum()
    assert arrays["confidence"].sum() == pixels
    assert (tmp_path / "pictures/roc.png").exists()


def test_no_run(tmp_path, call):
    code, _, err = call("evaluate", tmp_path)
    assert code == 2 and "holds no run" in err


@pytest.fixture
def changed(run_folder, tmp_path):
    """Changes the record of the run for a test."""
    saved = (run_folder / record.RECORD).read_text()

    def change(edit):
        document = json.loads(saved)
        edit(document["dataset"])
        (run_folder / record.RECORD).write_text(json.dumps(document))

    yield change
    (run_folder / record.RECORD).write_text(saved)


def test_other_classes_are_refused(run_folder, changed, tmp_path, call):
    def rename(dataset):
        dataset["classes"][3]["name"] = "river"

    changed(rename)
    code, _, err = call("evaluate", run_folder, "--out", tmp_path)
    assert code == 2 and "3 is 'road' there and 'river' in the run" in err
    assert not list(tmp_path.iterdir())
