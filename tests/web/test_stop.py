"""The end of the server: in order, with nothing left behind."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from tests.web.program import Server

LARGE = np.zeros((900, 900, 3), np.uint8)


def running(pid) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_requests_are_finished_and_readiness_goes_first(models):
    server = Server(models / "tiny.segjax").wait_until_ready()
    children = server.children()
    answers, ready = [], []
    threads = [
        threading.Thread(target=lambda: answers.append(server.predict(LARGE)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    server.process.send_signal(signal.SIGTERM)
    begin = time.monotonic()
    time.sleep(0.2)
    ready.append(server.client.get("/readyz").status_code)
    code = server.process.wait(30)
    took = time.monotonic() - begin
    for thread in threads:
        thread.join(10)
    assert ready == [503]
    assert [a.status_code for a in answers] == [200] * 4
    assert code == 143
    assert took < 15
    time.sleep(0.5)
    assert not [pid for pid in children if running(pid)]


@pytest.mark.slow
def test_interrupts_and_a_second_signal(models):
    server = Server(models / "tiny.segjax")  # is still loading
    children = server.children()
    server.process.send_signal(signal.SIGINT)
    server.wait_for("told to stop")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 130
    assert not [pid for pid in children if running(pid)]


@pytest.mark.slow
def test_nothing_is_left_of_a_server_that_is_killed(models):
    server = Server(models / "tiny.segjax").wait_until_ready()
    children = server.children()
    assert len(children) == 3
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    end = time.monotonic() + 20
    while any(map(running, children)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not [pid for pid in children if running(pid)]


def test_a_port_that_is_taken_is_trouble_of_the_machine(server, models):
    command = [sys.executable, "-m", "segjax", "serve", models / "tiny.segjax"]
    done = subprocess.run(
        [*command, "--port", str(server.port)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 75
    assert f"127.0.0.1:{server.port}: cannot be listened at" in done.stderr
    assert "Traceback" not in done.stderr
