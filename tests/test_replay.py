"""A run once more: equal where it is, and what is said where something was planted."""

import json
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from segjax import parallel, replay, run
from segjax.core.errors import UserError
from segjax.report import record
from segjax.report.files import write_json


@pytest.fixture(scope="module", autouse=True)
def one_device():
    """Quicker to compile for."""
    make, one = parallel.make_mesh, jax.devices()[:1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "make_mesh", lambda devices=None: make(one))
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory, settings, one_device):
    """A run of 7 steps; lines at 3, 6, 7, evaluations at 5 and 7, states every 2."""
    workdir = tmp_path_factory.mktemp("replayed") / "run"
    run.train(settings(), workdir=workdir, cluster=(None,) * 3, argv=["launch.py"])
    return workdir


@pytest.fixture(scope="module")
def repeated(finished, tmp_path_factory):
    """`(verdict, folder)` of the run's second half, from its checkpoint of step 6."""
    out = tmp_path_factory.mktemp("replayed") / "again"
    return replay.again(finished, steps=100, start=6, out=out), out


@pytest.fixture
def copied(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copy")


def contents(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_run_gives_the_same_bits_again(finished, repeated):
    verdict, out = repeated
    assert verdict.equal
    assert verdict.sentence == "equal bits for 1 steps"
    assert (verdict.start, verdict.end) == (6, 7)
    assert verdict.states == (6, 7)  # that of step 6 is what it began from
    assert verdict.lines == 2
    assert verdict.differences == ()
    assert verdict.run_id == record.read(finished)["run_id"]
    assert record.read(out)["run_id"] != verdict.run_id


def test_the_run_is_only_read(finished):
    before = contents(finished)
    found = replay.surroundings(finished)
    assert found.differences == ()
    assert {"program", "normalize"} == set(found.unknown)
    assert contents(finished) == before


def test_a_planted_seed_and_planted_data_are_found(copied, settings, tmp_path):
    root = shutil.copytree(settings()["data"]["root"], tmp_path / "moved")
    for path in sorted(root.glob("images/*.png")):
        pixels = np.array(Image.open(path))
        pixels[0, 0] ^= 1
        Image.fromarray(pixels).save(path)
    config = record.read_config(copied)
    write_json(copied / "config.json", config | {"seed": 2})
    before = contents(copied)
    verdict = replay.again(copied, steps=4, root=str(root))
    assert contents(copied) == before
    assert not verdict.equal
    assert verdict.end == 4  # the last step up to there that left something
    assert verdict.first.step == 0  # the state at the start
    assert verdict.sentence.startswith("different from the start: state ")
    moving = {d.what for d in verdict.differences if not d.inert}
    assert {"data.train", "data.val", "seeds.seed", "config.json"} <= moving
    assert "data.train" in verdict.sentence
    inert = {d.what for d in verdict.differences if d.inert}
    assert inert == {"config.data.root"}


def plant_version(written):
    written["attempts"][0]["versions"]["jaxlib"] = "0.0.1"


def plant_commit(written):
    written["attempts"][0]["code"] = {"commit": "ab" * 20, "dirty": False}


def plant_flag(written):
    written["attempts"][0]["environment"]["SEGJAX_ONEDNN"] = "0"


def plant_job(written):
    written["attempts"][0]["environment"]["SLURM_JOB_ID"] = "7"


def plant_machine(written):
    written["attempts"][0] |= {"cpu": "Another CPU", "cores": 99, "devices": ["tpu:0"]}


def plant_device_after_a_resume(written):
    later = json.loads(json.dumps(written["attempts"][0]))
    written["attempts"].append(later | {"start_step": 4, "cpu": "Another CPU"})


@pytest.mark.parametrize(
    ("plant", "what", "then"),
    [
        (plant_version, "versions.jaxlib", "0.0.1"),
        (plant_commit, "code.commit", "ab" * 20),
        (plant_flag, "environment.SEGJAX_ONEDNN", "0"),
        (plant_job, "environment.SLURM_JOB_ID", "7"),
        (plant_machine, "cpu", "Another CPU"),
        (plant_device_after_a_resume, "cpu", ", later Another CPU"),
    ],
)
def test_what_else_differs_is_said(finished, copied, plant, what, then):
    written = record.read(copied)
    plant(written)
    verdict = replay._compared(written, copied, finished, 0, 7)
    found = {d.what: d for d in verdict.differences}
    assert found[what].then.endswith(then)
    assert verdict.equal
    assert verdict.states == (0, 2, 4, 5, 6, 7)
    said = f"though these differ: {', '.join(d for d in found if not found[d].inert)}"
    assert verdict.sentence == "equal bits for 7 steps" + (
        "" if found[what].inert else f", {said}"
    )


def test_an_unequal_line_is_found(finished, copied):
    path = copied / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[2]["loss"] += 1e-12
    lines[3]["loss"] += 1
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    verdict = replay._compared(record.read(copied), copied, finished, 0, 7)
    assert (verdict.first.step, verdict.first.what) == (6, "loss")
    assert "first difference at step 6: loss" in verdict.sentence
    assert "nothing else that is recorded differs" in verdict.sentence
    assert replay._compared(record.read(copied), copied, finished, 0, 5).equal


@pytest.mark.parametrize(
    ("change", "what"),
    [({"index": [0]}, "samples"), ({"sha256": "ab"}, "pixels")],
)
def test_unequal_batches_are_found(finished, copied, change, what):
    written = record.read(copied)
    written["attempts"][0]["trace"]["batches"][1] |= change
    verdict = replay._compared(written, copied, finished, 0, 7)
    assert (verdict.first.step, verdict.first.what) == (2, what)


def test_an_unequal_state_is_found_when_its_checkpoint_is_gone(finished, copied):
    path = copied / "checkpoints" / "digests.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4, 5, 6, 7]
    rows[1]["state"] = "ab" * 32
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"torn')
    verdict = replay._compared(record.read(copied), copied, finished, 0, 7)
    assert (verdict.first.step, verdict.first.what) == (4, "state")


def test_a_run_of_an_earlier_segjax_is_compared_by_its_log(finished, copied):
    written = record.read(copied)
    del written["run_id"]
    for name in ("trace", "cpu", "cores"):
        del written["attempts"][0][name]
    shutil.rmtree(copied / "checkpoints")
    verdict = replay._compared(written, copied, finished, 0, 7)
    assert verdict.sentence == "equal lines of the log for 7 steps"
    assert {"cpu", "cores", "program"} == set(verdict.unknown)
    assert verdict.states == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 1}, r"--steps=1: .* 2 or more steps are needed"),
        ({"steps": 4, "start": 3}, r"--from=3: .* there are (5, )?6, 7, and 0"),
        ({"steps": 4, "start": 7}, "no line of the log and no saved state after"),
        ({"steps": 4, "out": "."}, "name a new or empty folder"),
    ],
)
def test_what_cannot_be_compared_is_refused(finished, options, message):
    from pathlib import Path

    if "out" in options:
        options = options | {"out": Path(options["out"])}
    with pytest.raises(UserError, match=message):
        replay.again(finished, **options)


def test_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no run"):
        replay.again(tmp_path, steps=3)
