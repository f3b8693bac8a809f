"""What `segjax export` writes is the run, says what it is, and tells no secrets."""

import json
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from segjax import parts as all_parts
from segjax.cli import main
from segjax.core.errors import UserError
from segjax.core.keys import IMAGE, INDEX
from segjax.predict.whole import prepare
from segjax.serve import bundle, check, provenance
from segjax.serve.load import load


@pytest.fixture(scope="module")
def parts(run_folder):
    return all_parts.load(run_folder)


def example(parts, i):
    one = parts.source("val")[i]
    return prepare({**one, INDEX: np.int64(0)}, parts.host_ops)


def test_an_answer_is_the_runs_own(model, parts):
    parts, variables, _ = parts
    predict = parts.predict(None, 1, parts.protocol(model.about.protocol))
    for i in range(3):
        (theirs,) = predict(variables, [example(parts, i)])
        ours = model.answer(parts.source("val")[i][IMAGE])
        np.testing.assert_array_equal(ours.ids, theirs.ids)


def test_any_size_is_answered_at_its_own(model):
    rng = np.random.default_rng(0)
    for size in ((1, 1), (40, 56), (56, 40), (70, 200)):
        image = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
        answer = model.answer(image, probabilities=True)
        assert answer.ids.shape == size
        assert answer.probabilities.shape == (*size, 11)
        np.testing.assert_array_equal(answer.probabilities.argmax(-1), answer.ids)


def test_other_images_are_refused(model):
    for wrong in (np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3), np.float32)):
        with pytest.raises(UserError, match="takes"):
            model.answer(wrong)


def test_the_check_passes_here_and_fails_for_other_numbers(model, exported, tmp_path):
    assert model.check().equal
    with bundle.Bundle(exported) as opened:
        manifest = opened.manifest
        members = {name: opened.read(name) for name in opened.names()}
    for name in members:
        if name.startswith("parameters/"):
            with bundle.Bundle(exported) as opened:
                members[name] = bundle.npy(1.5 * opened.array(name) + 0.1)
    bundle.write(tmp_path / "other.segjax", manifest, members)
    with pytest.raises(UserError, match="computes something else"):
        load(tmp_path / "other.segjax")
    load(tmp_path / "other.segjax", checked=False)


@pytest.mark.parametrize(
    ("share", "by", "close"),
    [(0.0, 0, True), (0.05, 1, True), (0.2, 1, False), (1.0, 0.01, False)],
)
def test_a_few_pixels_may_be_off_as_tied_maxima_are(model, share, by, close):
    expected = dict(model._vector)
    logits = expected["logits"].copy()
    pixels = logits.reshape(-1, logits.shape[-1])
    pixels[: round(share * len(pixels))] += by * np.abs(logits).max()
    found = check.compare(
        model.network, model.variables, model.about, {**expected, "logits": logits}
    )
    assert found.close == close and found.off == pytest.approx(share, abs=0.01)
    assert found.equal == (share == 0)


def test_what_is_no_number_is_not_close(model):
    expected = dict(model._vector)
    logits = np.full_like(expected["logits"], np.nan)
    assert np.isinf(check.errors_of(logits, expected["logits"])).all()


def test_the_scores_are_those_of_the_same_protocol(model, exported, parts, tmp_path):
    parts, variables, step = parts
    source, protocol = parts.source("val"), parts.protocol(model.about.protocol)
    expected = parts.evaluate(
        parts.predict(None, None, protocol),
        variables,
        source,
        split_name="val",
        step=step,
        protocol=protocol,
    )
    scores = model.manifest["scores"]
    np.testing.assert_array_equal(scores["counts"], expected.counts)
    assert scores["summary"]["miou"] == pytest.approx(expected.summary()["miou"])
    assert scores["fingerprint"] == source.fingerprint()
    assert scores["run_id"] == parts.run_id == model.manifest["run"]["run_id"]
    assert scores["protocol"] == protocol.name
    assert model.manifest["parity"]["differ"] == 0

    out = tmp_path / "evaluated"
    words = ["evaluate", str(exported), "--out", str(out), "--json"]
    assert main(words) == 0
    again = json.loads((out / "evaluation/val.json").read_text())
    assert again["counts"] == scores["counts"]
    assert again["protocol"] == scores["protocol"]
    assert again["run_id"] == scores["run_id"]


def test_the_statistics_are_of_the_right_splits(model):
    images, answers = (model.statistics[k]["values"] for k in ("images", "answers"))
    assert {len(v) for v in images.values()} == {40}
    assert {len(v) for v in answers.values()} == {8}
    assert "luminance" in images and "share of road" in answers
    shares = [v for k, v in answers.items() if k.startswith("share of")]
    np.testing.assert_allclose(np.sum(shares, axis=0), 1, atol=1e-3)


def test_equal_inputs_give_equal_bytes_but_for_the_time(
    run_folder, tmp_path, monkeypatch
):
    def words(name):
        rest = "--without-data", "--sizes", "24x32", "--platforms", "cpu"
        return ["export", str(run_folder), "--out", str(tmp_path / name), *rest]

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first, second, later = "model.segjax", "second/model.segjax", "later/model.segjax"
    assert main(words(first)) == 0
    (tmp_path / "second").mkdir()
    fresh = [sys.executable, "-m", "segjax", *words(second)]  # with nothing traced yet
    subprocess.run(fresh, check=True, capture_output=True)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000001")
    (tmp_path / "later").mkdir()
    assert main(words(later)) == 0
    one, two, three = ((tmp_path / n).read_bytes() for n in (first, second, later))
    assert one == two != three


def test_nothing_of_this_machine_goes_along(exported, run_folder):
    places = (str(run_folder), str(run_folder.parent), "hush", "/site-packages/")
    with zipfile.ZipFile(exported) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            found = [p for p in places if p.encode() in content]
            assert not found, name
            if name.startswith("programs/"):
                assert b".py" not in content


def test_a_config_is_cleaned():
    config = {
        "data": {
            "name": "folder",
            "root": "data/mine",
            "split_file": "/home/me/split.json",
            "images": "images/{}.png",
            "data_dir": "C:\\me",
        },
        "init_from": "../weights/first.pth",
        "input": {"train_ops": "crop(1, 1) | normalize()"},
        "optim": {"freeze": ("^backbone/",), "hf_token": "abc"},
    }
    found = provenance.cleaned(config)
    assert found["data"] == {
        "name": "folder",
        "root": "DIR",
        "split_file": "split.json",
        "images": "images/{}.png",
        "data_dir": "DIR",
    }
    assert found["init_from"] == "first.pth"
    assert found["optim"] == {"freeze": ["^backbone/"], "hf_token": "***"}
    assert found["input"] == config["input"]


def test_the_card_says_what_it_must(model):
    scores = model.manifest["scores"]
    for text in (
        *model.info.class_names,
        "CC0-1.0",
        scores["protocol"],
        scores["convention_sentence"],
        model.manifest["run"]["run_id"],
        model.manifest["run"]["splits"]["train"]["fingerprint"][:16],
        "model.segjax",
        "seeds: seed 0",
        "divided by 255, less the mean 0.485",
        "in the smallest of these windows",
        "not calibrated",
    ):
        assert text in model.card
    for unfilled in ("None", "nan", "{", "not known"):
        assert unfilled not in model.card


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--without-data",), "Name --sizes"),
        (("--without-data", "--sizes", "24x32", "--limit", "3"), "no data are read"),
        (("--sizes", "24"), "no size"),
        (("--sizes", "25x32"), "Use 24 or 28"),
        (("--sizes", "24x32", "--platforms", "cpu,gpu"), "no such platform"),
        (("--sizes", "24x32", "--platforms", ","), "is empty"),
        (("--sizes", "24x32", "--protocol", "whole()"), "any size"),
        (("--sizes", "24x32", "--protocol", "slide(32, 32)"), "takes"),
        (("--sizes", "24x32", "--postprocess", "median(3)"), "two classes"),
        (("--sizes", "24x32", "--protocol", "sideways()"), "no such protocol"),
    ],
)
def test_what_cannot_be_is_refused_at_once(run_folder, words, message, capsys):
    assert main(["export", str(run_folder), *words]) == 2
    assert message in capsys.readouterr().err


def test_ops_that_cannot_travel_are_refused(run_folder, tmp_path, capsys):
    folder = shutil.copytree(run_folder, tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    config["input"]["eval_ops"] = "stretch() | normalize()"
    (folder / "config.json").write_text(json.dumps(config))
    assert main(["export", str(folder)]) == 2
    error = capsys.readouterr().err
    assert "stretch(" in error and "rescale, resize can" in error
