"""SIGKILL at random moments: what was committed is there afterwards, bit for bit."""

import random
import subprocess
import sys
from pathlib import Path

import numpy as np

from segjax.checkpoint import Checkpoints, digest

KILLS = 6

CHILD = """
import os, random, signal, sys, time
import numpy as np
from segjax.checkpoint import Checkpoints

def state(step):
    rng = np.random.default_rng(step)
    return {"step": np.int32(step), "w": rng.standard_normal(5000)}

def train(directory, say):
    with Checkpoints(directory) as checkpoints:
        at = checkpoints.latest() or 0
        if at:
            checkpoints.restore(None, state(0))
        while True:
            at += 1
            checkpoints.save(at, state(at), {"miou": at % 5}, {})
            if at % 3 == 0:
                checkpoints.wait()
                os.write(say, b"%d " % at)

# The processes to be killed are forked from one that has imported everything and
# started nothing: an import a kill would take longer than the test.
for line in sys.stdin:
    hear, say = os.pipe()
    child = os.fork()
    if child == 0:
        train(sys.argv[1], say)
    os.close(say)
    told = os.read(hear, 1000)
    time.sleep(float(line))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    while more := os.read(hear, 1000):
        told += more
    print(os.WTERMSIG(status), told.split()[-1].decode(), flush=True)
"""


def state(step):
    rng = np.random.default_rng(step)
    return {"step": np.int32(step), "w": rng.standard_normal(5000)}


def test_a_kill_loses_no_committed_checkpoint(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    rng, reached, leftovers = random.Random(0), 0, 0
    with process:
        for _ in range(KILLS):
            process.stdin.write(f"{rng.uniform(0, 0.1)}\n")
            process.stdin.flush()
            signum, told = map(int, process.stdout.readline().split())
            assert signum == 9
            leftovers += len(list(tmp_path.rglob("*.tmp")))
            with Checkpoints(tmp_path) as checkpoints:
                found, _, step = checkpoints.restore(None, state(0))
                best, score = checkpoints.best()
                whole, _, _ = checkpoints.restore(None, state(0), which="best")
            assert step >= told > reached
            assert digest(found) == digest(state(step))
            assert score == best % 5 == max(s % 5 for s in range(1, step + 1))
            assert digest(whole) == digest(state(best))
            assert not list(tmp_path.rglob("*.tmp"))
            assert not (tmp_path / "quarantine").exists()
            reached = step
    assert leftovers > 0  # else no kill came in the middle of a save
