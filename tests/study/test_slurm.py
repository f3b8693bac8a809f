"""A study on SLURM, on this machine: nothing runs twice, and what is stopped goes on.

Takes minutes; skipped where SLURM is not installed.
"""

import os
import pathlib
import subprocess
import sys
import time

import pytest

from segjax.report import metrics_log, record
from segjax.study import folder, job
from tests.study import loopback

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(loopback.absent()), reason=loopback.absent() or "-"),
]

ROOT = pathlib.Path(__file__).resolve().parents[2]

CONFIG = '''"""Three widths."""

from ml_collections import ConfigDict

from segjax.study import sweep


def get_config():
    return ConfigDict({0!r})


def get_sweep():
    return sweep.over("model.width", (2, 3, 4))
'''


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """The environment of a cluster of one node, with quick compiles for its jobs."""
    with loopback.cluster(tmp_path_factory.mktemp("slurm")) as environment:
        flags = "--xla_backend_optimization_level=0"
        yield {**environment, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}


@pytest.fixture
def launch(slurm, tmp_path, settings):
    """`launch(*flags)` says what `launch.py` did with the study in `launch.place`."""
    length = dict(num_steps=300, log_every=10, eval_every=300, save_every=300)
    file = tmp_path / "three.py"
    file.write_text(CONFIG.format(settings(train=length)))

    def call(*flags):
        words = [f"--config={file}", f"--workdir={call.place}", *flags]
        return subprocess.run(
            [sys.executable, "launch.py", *words],
            env=slurm,
            cwd=ROOT,
            capture_output=True,
            text=True,
        )

    call.file, call.place = file, tmp_path / "study"
    return call


def until(holds, seconds=600):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.2)


def attempts(study):
    """Of each point: exit code and first step of each of its starts."""
    return [
        [
            (a.get("exit_code"), a["start_step"])
            for a in record.read(study.place(p)).get("attempts", [])
        ]
        for p in study.points
    ]


def over(study):
    return all(folder.ended(study.place(p)) == "finished" for p in study.points)


def test_what_is_told_to_stop_or_killed_goes_on_and_nothing_runs_twice(slurm, launch):
    options = ("--sweep", "--executor=slurm", "--jobs=2", "--slurm=cpus=1,minutes=9")
    done = launch(*options)
    assert done.returncode == 0 and "jobs " in done.stdout, done.stderr
    number = done.stdout.split("jobs ")[1].split("_")[0]
    study = folder.read(launch.place)
    logs = [study.place(p) / metrics_log.METRICS for p in study.points]
    until(lambda: all(len(metrics_log.read(log)) > 2 for log in logs[:2]))
    # As SLURM says that the time of a job runs out: submitit queues it again.
    stop = ["scancel", "--signal=USR2", f"{number}_0"]
    subprocess.run(stop, env=slurm, check=True)
    (found,) = [
        int(path.name)
        for path in pathlib.Path("/proc").glob("[0-9]*")
        if _words(path)[-2:] == [str(launch.place), "1"]
    ]
    os.kill(found, 9)
    until(lambda: over(study))
    first, second, third = attempts(study)
    assert [code for code, _ in first] == [143, 0] and first[1][1] > 20
    assert [code for code, _ in second] == [None, 0]
    assert third == [(0, 0)]
    steps = [[row["step"] for row in metrics_log.read(log)] for log in logs]
    assert steps[0] == steps[1] == steps[2]  # no line twice, none left out
    again = launch(*options)
    assert "nothing is left to do" in again.stdout
    table = launch("--sweep").stdout
    assert table.count("| width=") == 3 and "segjax compare" in table


def test_an_array_of_ones_own_runs_each_point_once(slurm, launch, tmp_path):
    script = tmp_path / "array.sh"
    words = [sys.executable, "launch.py", f"--config={launch.file}", "--index=slurm"]
    script.write_text(
        "#!/bin/bash\n#SBATCH --array=0-2 --output=/dev/null\n"
        f"cd {ROOT}\nsrun {' '.join(words)} --workdir={launch.place}\n"
    )
    subprocess.run(["sbatch", str(script)], env=slurm, check=True, capture_output=True)
    until(lambda: (launch.place / folder.STUDY).exists())
    study = folder.read(launch.place)
    until(lambda: over(study))
    assert attempts(study) == [[(0, 0)]] * 3
    numbers = [
        record.read(study.place(p))["attempts"][0]["environment"][job.ARRAY]
        for p in study.points
    ]
    assert numbers == ["0", "1", "2"]


def _words(place):
    """The command line of a process."""
    try:
        return (place / "cmdline").read_bytes().decode().split("\0")[:-1]
    except OSError:
        return []
