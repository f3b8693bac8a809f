"""A small siege; `python -m benchmarks.siege` is the whole one."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

ATTACKS = ("J1", "J2", "J3", "J5", "J6", "J7", "J9", "J11", "J13", "stop")
"""Without those whose figures are times that a busy machine does not keep."""


@pytest.mark.slow
def test_the_server_holds(models, tmp_path):
    out = tmp_path / "siege.json"
    environ = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    words = ["--share", "0.1", "--only", ",".join(ATTACKS), "--out", out]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.siege", models / "tiny.segjax", *words],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
    )
    found = json.loads(out.read_text())["attacks"]
    failures = {a["attack"]: a["failures"] for a in found if a["failures"]}
    assert not failures, done.stdout
    assert done.returncode == 0
