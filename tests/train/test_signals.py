import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from segjax.core.errors import Stopped
from segjax.train import signals


@pytest.mark.parametrize("signum", signals.SIGNALS)
def test_a_signal_is_a_flag(signum, caplog):
    with signals.catch() as requested:
        assert requested() == 0
        os.kill(os.getpid(), signum)
        assert requested() == signum
        assert requested() == signum
    assert caplog.text.count("ending after this step") == 1
    assert signal.Signals(signum).name in caplog.text


def test_the_first_signal_counts_and_more_do_no_harm():
    with signals.catch() as requested:
        for signum in [signal.SIGTERM] * 5 + [signal.SIGINT] * 2:
            os.kill(os.getpid(), signum)
        assert requested() == signal.SIGTERM


def test_the_third_ctrl_c_is_obeyed_at_once():
    with pytest.raises(KeyboardInterrupt), signals.catch() as requested:
        for count in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            assert requested() == signal.SIGINT, count
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("not reached")


def test_the_old_handlers_are_back_also_after_an_error():
    before = [signal.getsignal(s) for s in signals.SIGNALS]
    with pytest.raises(KeyError), signals.catch():
        assert [signal.getsignal(s) for s in signals.SIGNALS] != before
        raise KeyError
    assert [signal.getsignal(s) for s in signals.SIGNALS] == before


def test_another_thread_catches_nothing():
    before, found = signal.getsignal(signal.SIGTERM), []

    def work():
        with signals.catch() as requested:
            found.append(requested())
            found.append(signal.getsignal(signal.SIGTERM) is before)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [0, True]


SCRIPT = """
import os, signal, sys, time
from segjax.core.errors import Stopped
from segjax.train import signals
with signals.catch() as requested:
    if sys.argv[1] == "child":
        child = os.fork()
        if child == 0:
            time.sleep(5)
            os._exit(0)
        time.sleep(0.05)
        os.kill(child, signal.SIGTERM)
        print(os.WTERMSIG(os.waitpid(child, 0)[1]), requested(), flush=True)
    else:
        print("ready", flush=True)
        for step in range(1000):
            time.sleep(0.02)
            if requested():
                sys.exit(Stopped(requested(), f"step {step}").exit_code)
"""


def start(mode):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, mode],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_forked_child_dies_as_it_would_without():
    with start("child") as process:
        assert process.stdout.read() == f"{int(signal.SIGTERM)} 0\n"


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_exit_codes_of_a_real_process(signum, code):
    with start("loop") as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signum)
        assert process.wait(10) == code
    assert Stopped(signum, "").exit_code == code
