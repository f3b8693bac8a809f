"""One run folder for all commands: a tiny U-Net with random weights, saved as a run."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from segjax import checkpoint, config, optim, parallel, parts
from segjax.cli import main
from segjax.data import datasets
from segjax.report import record
from segjax.train import init

CONFIG = {
    "data": {"name": "streets", "size": (40, 56), "num_train": 6, "num_val": 5},
    "input": {
        "train_ops": "crop(32, 32) | flip_lr() | normalize()",
        "eval_ops": "rescale(0.5) | normalize()",
        "threads": 2,
    },
    "model": {"name": "unet", "width": 4, "depth": 2},
    "loss": {"cross_entropy": {}},
    "optim": {"name": "adamw", "learning_rate": 0.1},
    "train": {"num_steps": 3},
}


class Done(NamedTuple):
    """A command that ran once for several tests."""

    folder: Path
    code: int
    out: Any
    err: str


def told(*words):
    """Run the command; `(exit code, stdout as JSON or text, stderr)`."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(w) for w in words])
    as_json = "--json" in words and out.getvalue()
    return (
        code,
        json.loads(out.getvalue()) if as_json else out.getvalue(),
        err.getvalue(),
    )


@pytest.fixture(scope="session")
def predicted(run_folder, photos, tmp_path_factory):
    """What `segjax predict` gave for the photos."""
    out = tmp_path_factory.mktemp("predicted")
    return Done(out, *told("predict", run_folder, photos, "--out", out))


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    """A run of a U-Net."""
    return untrained(tmp_path_factory.mktemp("run"), CONFIG)


@pytest.fixture(scope="session")
def clip_run_folder(tmp_path_factory):
    """A run of a model with a memory."""
    data = {**CONFIG["data"], "frames": 2}
    model = {"name": "convlstm_unet", "width": 4, "depth": 1}
    config = {**CONFIG, "data": data, "model": model}
    return untrained(tmp_path_factory.mktemp("clip_run"), config)


def untrained(folder, settings):
    """A run folder with random weights."""
    checked = config.resolve(settings)
    source = datasets.make(split="val", **checked.data)
    made = parts.make(checked, source.info)
    tx, _ = optim.make(num_steps=3, **checked.optim)
    state = init.make_state(made.model, tx, seed=3, mesh=parallel.make_mesh())
    with checkpoint.Checkpoints(folder / "checkpoints") as checkpoints:
        checkpoints.save(3, state, {"miou": 0.1}, made.meta)
    record.write(
        folder,
        config=checked.plain,
        argv=["test"],
        devices=["cpu"],
        seeds={"seed": 0},
        dataset=record.dataset_entry(source.info, {"val": source}),
    )
    return folder


@pytest.fixture(scope="session")
def source(run_folder):
    """The validation split of the run."""
    return datasets.make(split="val", **CONFIG["data"])


@pytest.fixture(scope="session")
def evaluation(run_folder, tmp_path_factory):
    """What `segjax evaluate` gave, on all devices of the tests."""
    out = tmp_path_factory.mktemp("evaluation")
    words = ["evaluate", run_folder, "--convention", "all", "--out", out, "--json"]
    return Done(out, *told(*words))


@pytest.fixture(scope="session")
def photos(source, tmp_path_factory):
    """The images of the split as files, one of them a TIFF in a folder below."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "deep").mkdir()
    for i in range(len(source)):
        name = f"{i}.png" if i else "deep/0.tif"
        Image.fromarray(source[i]["image"]).save(folder / name)
    return folder


@pytest.fixture
def call():
    """`call(*words)` -> (exit code, stdout as JSON or text, stderr)."""
    return told


@pytest.fixture(scope="session")
def read_ids():
    """Reads the ids of a palette picture without segjax."""

    def read(path):
        with Image.open(path) as picture:
            assert picture.mode == "P"
            return np.array(picture)

    return read
