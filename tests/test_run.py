"""A run from its config to its page; resuming; refusals."""

import contextlib
import importlib.util
import io
import json
import os
import pathlib
import re
import shutil

import jax
import jax.numpy as jnp
import pytest
from PIL import Image

from segjax import parallel, run
from segjax.checkpoint import folder, leaves, manifest
from segjax.config import resolve
from segjax.core.errors import Stopped, UserError
from segjax.data import datasets, pipeline
from segjax.report import metrics_log, record
from segjax.train import init, lock, signals, speed

ROOT = pathlib.Path(__file__).resolve().parents[1]
CONFIGS = sorted(ROOT.glob("configs/*.py"))  # studies build on these
OFTEN = {"camvid_deeplab", "flood_unet_cpu", "camvid_convlstm_cpu", "folder_unet"}
"""Run through by the default tests: an image, a binary task, a clip, a folder."""

QUICK = [
    pytest.param(p, marks=() if p.stem in OFTEN else pytest.mark.slow) for p in CONFIGS
]
STEPS = 7
"""Length of the run that the fixture `settings` describes."""


def train(workdir: pathlib.Path, config) -> tuple[int, str]:
    """`(exit code, what was printed)` of a run in this process, on 8 devices."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = run.train(
            config,
            workdir=workdir,
            cluster=(None, None, None),
            argv=["launch.py", "--config=x", "--api_key=12345"],
        )
    return code, said.getvalue()


def contents(workdir: pathlib.Path) -> dict[str, tuple[int, bytes]]:
    """Each file with its time and bytes."""
    return {
        str(p.relative_to(workdir)): (p.stat().st_mtime_ns, p.read_bytes())
        for p in workdir.rglob("*")
        if p.is_file()
    }


def state_digest(workdir: pathlib.Path) -> tuple[int, str]:
    """Step and digest of the newest checkpoint."""
    latest = workdir / "checkpoints" / "latest"
    step = folder.steps(latest)[0]
    return step, leaves.digest_of(manifest.verify(latest / folder.name(step)).leaves)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, settings):
    workdir = tmp_path_factory.mktemp("runs") / "finished"
    code, said = train(workdir, settings())
    assert code == 0
    return workdir, said


@pytest.fixture
def copied(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path / "copy")
    return tmp_path / "copy"


def test_a_run_validates_by_its_protocol(tmp_path, settings):
    changes = {f"train__{field}": 1 for field in ("num_steps", "log_every")}
    text = 'slide(16, 16, overlap=0.5, weights="gaussian")'
    code, said = train(tmp_path, settings(**changes, evaluate__protocol=text))
    assert code == 0 and f"best weights (step 1), by {text}:" in said
    written = json.loads((tmp_path / "evaluation" / "val.json").read_text())
    assert written["protocol"] == text and "loss" not in written["summary"]
    page = (tmp_path / "index.html").read_text()
    assert "by slide(16, 16, overlap=0.5, weights=&#34;gaussian&#34;)" in page
    (attempt,) = record.read(tmp_path)["attempts"]
    assert attempt["compilations"] == {"step": 1, "forward": 1}


def test_the_folder_holds_all_that_a_run_leaves(finished):
    workdir, said = finished
    files = {f"pictures/{name}.png" for name in ("curves", "confusion", "classes")}
    files |= {f"pictures/{name}.png" for name in ("panel", "best", "worst")}
    files |= {"pictures/augmented.png", "evaluation/val.json", "index.html"}
    files |= {"config.json", "record.json", "metrics.jsonl", "timing.jsonl"}
    assert files <= contents(workdir).keys()
    assert list((workdir / "tensorboard").glob("events*"))
    assert folder.steps(workdir / "checkpoints" / "latest") == [7, 6]
    assert folder.steps(workdir / "checkpoints" / "best")[0] in (5, 7)
    assert "mean" in said and "index.html" in said
    for name in files:
        if name.endswith(".png"):
            Image.open(workdir / name).verify()
    assert not list(workdir.rglob("*.tmp"))


def test_the_record_is_enough_to_run_it_again(finished, settings):
    written = record.read(finished[0])
    (attempt,) = written["attempts"]
    assert attempt["argv"] == ["launch.py", "--config=x", "--api_key=***"]
    assert attempt["seeds"] == {"seed": 1}
    assert (attempt["exit_code"], attempt["reason"]) == (0, "done")
    assert len(attempt["devices"]) == 8
    assert attempt["compilations"] == {"step": 1, "forward": 1}
    assert {"jax", "flax", "optax", "python", "segjax"} <= attempt["versions"].keys()
    if (ROOT / ".git").exists():
        assert re.fullmatch("[0-9a-f]{40}", attempt["code"]["commit"])
    data = written["dataset"]
    names = [c["name"] for c in data["classes"]]
    assert names == ["background", "disc", "bar"]
    for split in ("train", "val"):
        source = datasets.make(split=split, **settings()["data"])
        assert data["splits"][split] == {
            "num_images": len(source),
            "fingerprint": source.fingerprint(),
        }
    again = record.read_config(finished[0])
    assert json.loads(json.dumps(settings())) == again


def test_the_log_has_its_lines(finished):
    rows = metrics_log.read(finished[0] / "metrics.jsonl")
    assert [(r["step"], r["kind"]) for r in rows] == [
        (3, "train"),
        (5, "val"),
        (6, "train"),
        (7, "train"),
        (7, "val"),
    ]
    assert {"loss", "loss/cross_entropy", "grad_norm", "miou"} <= rows[0].keys()
    assert "iou/disc" in rows[-1]
    assert not any("second" in k or "images_per" in k for r in rows for k in r)


def test_the_table_and_the_best_checkpoint_agree_with_the_log(finished):
    workdir, said = finished
    written = json.loads((workdir / "evaluation" / "val.json").read_text())
    rows = metrics_log.read(workdir / "metrics.jsonl")
    scores = {r["step"]: r["miou"] for r in rows if r["kind"] == "val"}
    best = max(scores, key=lambda step: (scores[step], -step))
    assert written["step"] == best == folder.steps(workdir / "checkpoints" / "best")[0]
    assert written["summary"]["miou"] == pytest.approx(scores[best], abs=1e-12)
    assert f"step {best}" in said


def test_the_page_refers_to_files_that_exist(finished):
    html = (finished[0] / "index.html").read_text()
    found = re.findall(r'(?:src|href)="([^"#]+)"', html)
    assert sum(name.endswith(".png") for name in found) >= 7
    for name in found:
        assert "//" not in name
        assert (finished[0] / name).exists(), name


def test_a_finished_run_writes_nothing_again(copied, settings):
    before = contents(copied)
    code, said = train(copied, settings())
    assert (code, "nothing to do" in said) == (0, True)
    after = contents(copied)
    assert {k for k in after if after[k] != before.get(k)} <= {".lock"}


def test_a_run_killed_before_its_report_is_reported(copied, settings):
    expected = (copied / "evaluation" / "val.json").read_bytes()
    shutil.rmtree(copied / "evaluation")
    written = record.read(copied)
    for key in ("end", "exit_code", "reason"):
        del written["attempts"][0][key]
    (copied / "record.json").write_text(json.dumps(written))
    log = (copied / "metrics.jsonl").read_bytes()
    assert train(copied, settings())[0] == 0
    assert (copied / "evaluation" / "val.json").read_bytes() == expected
    assert (copied / "metrics.jsonl").read_bytes() == log
    killed, ended = record.read(copied)["attempts"]
    assert "exit_code" not in killed
    assert ended["exit_code"] == 0


@pytest.mark.parametrize("stop_at", [1, 5])
def test_a_stopped_run_ends_as_one_never_stopped(
    finished, tmp_path, monkeypatch, stop_at, settings
):
    @contextlib.contextmanager
    def catch():
        calls = []

        def requested():
            calls.append(1)
            return 15 if len(calls) == stop_at else 0

        yield requested

    workdir = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        patch.setattr(signals, "catch", catch)
        with pytest.raises(Stopped) as caught:
            train(workdir, settings())
    assert caught.value.exit_code == 143
    assert state_digest(workdir)[0] == stop_at
    _, said = train(workdir, settings())
    assert f"resuming at step {stop_at} of {STEPS}" in said
    assert state_digest(workdir) == state_digest(finished[0])
    for name in ("metrics.jsonl", "evaluation/val_images.jsonl"):
        assert (workdir / name).read_bytes() == (finished[0] / name).read_bytes(), name
    ends = [
        json.loads((w / "evaluation/val.json").read_text())
        for w in (workdir, finished[0])
    ]
    ids = [end.pop("run_id") for end in ends]
    assert ids == [record.read(w)["run_id"] for w in (workdir, finished[0])]
    assert ends[0] == ends[1]
    assert ids[0] != ids[1]
    codes = [a["exit_code"] for a in record.read(workdir)["attempts"]]
    assert codes == [143, 0]


def test_another_config_in_the_folder_is_refused(copied, settings):
    before = contents(copied)
    with pytest.raises(UserError, match=r"optim\.learning_rate: 0\.01 -> 0\.02"):
        train(copied, settings(optim__learning_rate=0.02))
    after = contents(copied)
    assert {k for k in after if after[k] != before.get(k)} <= {".lock"}


def test_what_moves_no_number_may_change(copied, settings):
    assert train(copied, settings(input__threads=2))[0] == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model__width": 4}, "differ"),
        ({"model__norm": "group"}, "not in the"),
        ({"classes": 2, "task": "binary", "loss": {"dice": {}}}, "task"),
    ],
)
def test_a_checkpoint_of_another_model_is_refused(copied, changes, message, settings):
    (copied / "config.json").unlink()
    (copied / "record.json").unlink()
    config = settings(**changes)
    with pytest.raises(UserError, match=message):
        train(copied, config)


def test_a_checkpoint_of_other_classes_is_refused(copied, settings):
    (copied / "config.json").unlink()
    (copied / "record.json").unlink()
    with pytest.raises(UserError, match="3 classes saved, 2 wanted"):
        train(copied, settings(2))


def test_a_second_run_in_the_folder_is_refused(copied, settings):
    with lock.hold(copied), pytest.raises(UserError, match=f"pid {os.getpid()}"):
        train(copied, settings())


@pytest.mark.parametrize(("batch_size", "advice"), [(12, "8 or 16"), (3, "Use 8")])
def test_a_batch_that_the_devices_cannot_share_is_refused(
    tmp_path, batch_size, advice, settings
):
    with pytest.raises(UserError, match=advice):
        train(tmp_path / "run", settings(input__batch_size=batch_size))
    assert not (tmp_path / "run" / "record.json").exists()


def test_weights_of_another_run_start_a_new_one(finished, tmp_path, settings):
    config = settings(init_from=str(finished[0]), train__num_steps=1)
    code, said = train(tmp_path / "tuned", config)
    assert code == 0
    ledger = [line for line in said.splitlines() if line.startswith("all ")]
    loaded, skipped, new = map(int, ledger[0].split()[1:])
    assert loaded > 10
    assert (skipped, new) == (0, 0)
    kept = record.read(tmp_path / "tuned")["attempts"][0]["init_from"]
    assert (kept["project"], kept["loaded"]) == ("segjax", loaded)
    assert len(kept["sha256"]) == 64
    start = metrics_log.read(finished[0] / "metrics.jsonl")[0]["loss"]
    tuned = metrics_log.read(tmp_path / "tuned" / "metrics.jsonl")[0]["loss"]
    assert tuned < start


def test_it_learns_a_few_images_by_heart(tmp_path, settings):
    config = settings(
        input__train_ops="crop(24, 32) | normalize()",
        model__width=4,
        model__dropout=0.0,
        train=dict(num_steps=40, log_every=10, eval_every=40, save_every=40),
    )
    assert train(tmp_path / "run", config)[0] == 0
    rows = metrics_log.read(tmp_path / "run" / "metrics.jsonl")
    loss = [r["loss"] for r in rows if r["kind"] == "train"]
    assert loss[-1] < 0.6 * loss[0]
    assert loss == sorted(loss, reverse=True)


def test_a_binary_task_learns_with_one_logit(tmp_path, settings):
    config = settings(
        2,
        task="binary",
        loss=dict(binary_cross_entropy=dict(), dice=dict()),
        model__width=4,
        optim__learning_rate=3e-2,
        train=dict(num_steps=30, log_every=10, eval_every=30, save_every=30),
    )
    workdir = tmp_path / "run"
    assert train(workdir, config)[0] == 0
    latest = manifest.read(workdir / "checkpoints" / "latest" / folder.name(30))
    assert latest.leaves["params/head/bias"].shape == (1,)
    written = json.loads((workdir / "evaluation" / "val.json").read_text())
    assert [c["name"] for c in written["classes"]] == ["background", "disc"]
    assert written["summary"]["miou"] > 0.7


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_the_step_of_every_config_is_traced(path):
    checked = resolve(load(path).get_config("quick"))
    source = datasets.make(split=checked.train_split, **checked.data)
    batches = pipeline.train_batches(
        source, checked.train_ops[0], seed=0, batch_size=2, workers=0, threads=1
    )
    batch = next(batches)
    batches.close()
    mesh = parallel.make_mesh(jax.devices()[:1])
    step, model, tx, options = speed.step_without_data(checked, source.info, mesh)
    state = init.abstract_state(model, tx, **options)
    after, scalars = jax.eval_shape(step, state, parallel.abstract_batch(mesh, batch))
    assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, state)
    assert scalars["loss"].shape == ()


@pytest.mark.parametrize("path", QUICK, ids=[p.stem for p in CONFIGS])
def test_every_config_answers_quick(path, tmp_path, monkeypatch):
    make = parallel.make_mesh
    one = jax.devices()[:1]
    monkeypatch.setattr(parallel, "make_mesh", lambda devices=None: make(one))
    config = load(path).get_config("quick")
    assert train(tmp_path / "run", config)[0] == 0
    written = json.loads((tmp_path / "run" / "evaluation" / "val.json").read_text())
    assert written["step"] == 2


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_refuses_an_unknown_variant(path):
    with pytest.raises(UserError, match="no such variant"):
        load(path).get_config("quik")


def load(path: pathlib.Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
