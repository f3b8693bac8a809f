"""A run that is killed leaves no worker process behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

CODE = """
import time
from segjax.data import pipeline
from segjax.data.datasets import streets

if __name__ == "__main__":
    source = streets.make("train", (16, 16), num_train=4)
    stream = pipeline.train_batches(source, (), seed=0, batch_size=2, workers=1)
    next(stream)
    print("ready", flush=True)
    time.sleep(300)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="counts the processes of a group")
def test_workers_end_with_a_killed_run(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(CODE)
    path = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])
    job = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert job.stdout.readline() == b"ready\n"
    job.kill()
    job.wait()
    patience = time.monotonic() + 30
    try:
        while time.monotonic() < patience:
            os.killpg(job.pid, 0)
            time.sleep(0.1)
        os.killpg(job.pid, signal.SIGKILL)
        raise AssertionError("a worker outlived its run by 30 s")
    except ProcessLookupError:
        pass
