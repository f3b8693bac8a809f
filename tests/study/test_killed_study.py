"""A study as a user runs it, killed in the middle of a run and started again."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from segjax.report import metrics_log, record
from segjax.study import folder

ROOT = pathlib.Path(__file__).resolve().parents[2]

CONFIG = '''"""Two seeds."""

from ml_collections import ConfigDict

from segjax.study import sweep


def get_config():
    return ConfigDict({0!r})


def get_sweep():
    return sweep.seeds(2)
'''


@pytest.mark.slow
def test_a_killed_study_ends_as_one_left_alone(tmp_path, settings):
    config = tmp_path / "two.py"
    length = dict(num_steps=40, log_every=1, eval_every=40, save_every=5)
    config.write_text(CONFIG.format(settings(train=length)))

    def start(name):
        flags = [f"--config={config}", "--sweep", f"--workdir={tmp_path / name}"]
        flag = "--xla_backend_optimization_level=0"
        return subprocess.Popen(
            [sys.executable, "launch.py", *flags],
            env={**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flag},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    whole = start("whole")
    assert "segjax compare" in whole.communicate(timeout=400)[0]
    killed = start("killed")
    log = tmp_path / "killed/points/000_base_seed0" / metrics_log.METRICS
    end = time.monotonic() + 300
    while len(metrics_log.read(log)) < 12 and time.monotonic() < end:
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    again = start("killed")
    said, _ = again.communicate(timeout=400)
    assert again.returncode == 0, said
    one, two = (folder.read(tmp_path / name) for name in ("whole", "killed"))
    attempts = record.read(two.place(two.points[0]))["attempts"]
    assert len(attempts) == 2 and attempts[1]["start_step"] >= 5
    for point in one.points:
        logs = [s.place(point) / metrics_log.METRICS for s in (one, two)]
        assert logs[0].read_bytes() == logs[1].read_bytes()
