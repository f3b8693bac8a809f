"""The kill comparison finds no difference, and finds the ones that are planted."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
SEED = 53  # its first kill falls between the first checkpoint and the end


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plant", "found"),
    [
        ("none", []),
        ("window", ["metrics.jsonl: differs"]),
        ("seed", ["digest: differs", "samples: differs"]),
        ("position", ["digest: differs", "samples: differs"]),
        ("checkpoint", ["killed0: resumed at 0, committed was 5"]),
    ],
)
def test_a_killed_run_ends_as_one_left_alone(plant, found):
    options = ["--kills=1", "--steps=20", "--workers=0", f"--seed={SEED}"]
    done = subprocess.run(
        [sys.executable, "benchmarks/kill_resume.py", *options, f"--plant={plant}"],
        cwd=ROOT,
        env={**os.environ, "XLA_FLAGS": ""},  # one device, compiled in earnest
        capture_output=True,
        text=True,
    )
    assert done.returncode == int(plant != "none"), done.stdout + done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["kills"] == 1
    assert summary["before_first_checkpoint"] == 0
    assert set(found) <= set(summary["problems"])
    assert bool(found) == bool(summary["problems"])
