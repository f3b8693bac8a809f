"""The launcher, in processes of its own: mistakes, several processes, signals."""

import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

from segjax.checkpoint import folder
from segjax.core.keys import IMAGE
from segjax.data import pipeline
from segjax.data.datasets import streets
from segjax.report import metrics_log, record

ROOT = pathlib.Path(__file__).resolve().parents[1]

TINY = """
from ml_collections import ConfigDict


def get_config():
    return ConfigDict({config!r})
"""


def launch(config: pathlib.Path, workdir, *more: str, devices: int = 1, **environment):
    command = [sys.executable, str(ROOT / "launch.py"), f"--config={config}"]
    flags = f"--xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        [*command, f"--workdir={workdir}", *more],
        env={
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": f"{flags} --xla_backend_optimization_level=0",
            **environment,
        },
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--confg=a.py"], 2, ["confg"]),
        (["--config=configs/none.py"], 2, ["none.py"]),
        (["--config=README.md"], 2, ["README.md: line "]),
        (["--config=configs/streets_unet.py:quik"], 2, ["no such variant", "quick"]),
        (
            [
                "--config=configs/streets_unet.py",
                "--config.model.name=unett",
                "--config.train.num_steps=0",
            ],
            2,
            ["Did you mean 'unet'?", "config.train.num_steps=0"],
        ),
        (
            ["--config=configs/camvid_unet_cpu.py", "--config.data.root=/no/such"],
            2,
            ["config.data.root='/no/such'"],
        ),
    ],
    ids=["flag", "file", "syntax", "variant", "config", "data"],
)
def test_mistakes_exit_with_2_and_advice(arguments, code, words, tmp_path):
    # No platform of this name exists: whoever wakes a device gets another error.
    done = subprocess.run(
        [sys.executable, "launch.py", *arguments, f"--workdir={tmp_path / 'run'}"],
        env={**os.environ, "JAX_PLATFORMS": "nowhere"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")
    for word in words:
        assert word in done.stderr


def test_a_run_that_is_over_does_not_wait_for_its_compiler():
    """A thread that compiles cannot be told to stop; here one that sleeps."""
    words = (
        "import launch, threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()\n"
        "print('refused')\n"
        "launch._ended(2)"
    )
    done = subprocess.run(
        [sys.executable, "-c", words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stdout) == (2, "refused\n"), done.stderr


def test_two_processes_train_to_the_numbers_of_one(tmp_path, settings):
    config = tmp_path / "tiny.py"
    # Two processes hold the images of a batch in another order, which dropout sees; and
    # AdamW would make a thousandfold of how the order of a sum rounds.
    changes = dict(model__dropout=0.0, optim__name="sgd", optim__learning_rate=0.1)
    exact = settings(input__threads=1, **changes)
    config.write_text(TINY.format(config=exact))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    cluster = [f"--coordinator=127.0.0.1:{port}", "--num_processes=2"]
    jobs = [
        launch(config, tmp_path / "two", *cluster, f"--process_id={i}", devices=2)
        for i in range(2)
    ]
    jobs.append(launch(config, tmp_path / "one", devices=4))
    said = [job.communicate(timeout=400) for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0, 0], said
    assert "index.html" in said[0][0]
    assert "index.html" not in said[1][0]  # process 1 neither writes nor tells
    one, two = (
        metrics_log.read(tmp_path / name / "metrics.jsonl") for name in ("one", "two")
    )
    assert [(r["step"], r["kind"]) for r in one] == [
        (r["step"], r["kind"]) for r in two
    ]
    for a, b in zip(one, two, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)
    first = one[0]["grad_norm"], two[0]["grad_norm"]
    assert first[0] == pytest.approx(first[1], rel=1e-5)
    assert record.read(tmp_path / "two")["attempts"][0]["processes"] == 2
    assert len(record.read(tmp_path / "two")["attempts"]) == 1


@pytest.mark.parametrize("hosts", [1, 2, 4])
def test_hosts_share_the_batches_of_one(hosts):
    source = streets.make("train", (16, 16), num_train=5)
    whole = pipeline.train_batches(source, (), seed=0, batch_size=4)
    parts = [
        pipeline.train_batches(
            source, (), seed=0, batch_size=4, process_index=p, process_count=hosts
        )
        for p in range(hosts)
    ]
    for _ in range(3):
        together = [next(part)[IMAGE] for part in parts]
        joined = np.stack(together, 1).reshape(4, 16, 16, 3)
        assert np.array_equal(next(whole)[IMAGE], joined)


def test_sigterm_ends_the_launcher_with_143(tmp_path, settings):
    config = tmp_path / "tiny.py"
    many = settings(train__num_steps=100_000, train__log_every=1)
    config.write_text(TINY.format(config=many))
    job = launch(config, tmp_path / "run")
    for line in job.stderr:  # the progress of a run that is no terminal's
        if line.startswith("step "):
            break
    job.terminate()
    _, error = job.communicate(timeout=200)
    assert job.returncode == 143, error
    assert "saved" in error
    (attempt,) = record.read(tmp_path / "run")["attempts"]
    assert attempt["exit_code"] == 143
    assert folder.steps(tmp_path / "run" / "checkpoints" / "latest")[0] >= 1
