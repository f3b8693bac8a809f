import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from segjax.core.errors import EnvironmentFault, UserError
from segjax.train import lock

HOLDER = """
import sys, time
from segjax.train.lock import hold
with hold(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_run_is_refused_with_the_name_of_the_first(tmp_path, holder):
    start = time.monotonic()
    with pytest.raises(UserError) as caught, lock.hold(tmp_path, patience_s=0.1):
        raise AssertionError("two runs in one workdir")
    assert time.monotonic() - start < 5
    message = str(caught.value)
    assert f"pid {holder.pid}," in message
    assert socket.gethostname() in message
    assert "since 20" in message
    assert str(tmp_path) in message


def test_a_killed_run_leaves_no_lock(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert (tmp_path / lock.NOTE).exists()
    with lock.hold(tmp_path, patience_s=0.0):
        assert f'"pid": {os.getpid()}' in (tmp_path / lock.NOTE).read_text()
    assert not (tmp_path / lock.NOTE).exists()


def test_one_run_after_the_other(tmp_path):
    for _ in range(2):
        with lock.hold(tmp_path / "new" / "run", patience_s=0.0):
            pass
    with pytest.raises(KeyError), lock.hold(tmp_path, patience_s=0.0):
        raise KeyError("freed after an error too")
    with lock.hold(tmp_path, patience_s=0.0):
        pass


def test_a_holder_without_note_is_refused_too(tmp_path, holder):
    (tmp_path / lock.NOTE).write_text("{torn")
    with pytest.raises(UserError, match="it left no note"), lock.hold(tmp_path, 0.0):
        pass


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault, match="cannot be locked"):  # noqa: SIM117
        with lock.hold(tmp_path / "file" / "run", patience_s=0.0):
            pass


def _take(path, results):
    try:
        with lock.hold(path, patience_s=0.0):
            results.put("held")
            time.sleep(0.5)
    except UserError:
        results.put("refused")


def test_of_many_that_start_at_once_one_runs(tmp_path):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    crowd = [context.Process(target=_take, args=(tmp_path, results)) for _ in range(3)]
    for process in crowd:
        process.start()
    for process in crowd:
        process.join()
    assert "held" in [results.get() for _ in crowd]
