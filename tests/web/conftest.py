"""Tiny exported models, and a server of them as a program of its own."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time

import httpx
import jax
import jax.numpy as jnp
import jaxtyping
import pytest

from segjax import config, parts
from segjax.data import datasets
from segjax.serve import export

SIZES = ((32, 48), (64, 64))


def exported(path, seed=0, data=None, task="multiclass"):
    """Write a tiny U-Net with random weights as an exported model."""
    loss = {"binary_cross_entropy" if task == "binary" else "cross_entropy": {}}
    checked = config.resolve(
        {
            "task": task,
            "data": data or {"name": "streets", "size": (40, 56)},
            "input": {"train_ops": "normalize()", "eval_ops": "normalize()"},
            "model": {"name": "unet", "width": 4, "depth": 2},
            "loss": loss,
            "optim": {"name": "adamw", "learning_rate": 0.1},
            "train": {"num_steps": 1},
        }
    )
    info = datasets.make(split="val", **checked.data).info
    made = parts.make(checked, info)
    shape = 1, *SIZES[0], info.pixels.channels
    image = made.normalize(jnp.zeros(shape, info.pixels.depth))
    variables = made.model.init(jax.random.key(seed), image, train=False)
    jaxtyping.config.update("jaxtyping_disable", True)  # sides are symbols in exports
    try:
        whole = export.make(made, variables, title=path.stem, sizes=SIZES)
        export.write(path, whole, {"step": 1}, {"card.md": b"# A card\n"})
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
    return path


@pytest.fixture(scope="session")
def artefact(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("models") / "tiny.segjax")


class Server:
    """`segjax serve` as a program; `log` has the lines that it wrote."""

    def __init__(self, *words):
        environ = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
        command = [sys.executable, "-m", "segjax", "serve", *map(str, words)]
        self.process = subprocess.Popen(
            [*command, "--port", "0"],
            stderr=subprocess.PIPE,
            text=True,
            env={**environ, "PYTHONUNBUFFERED": "1"},
        )
        self.log: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        line = self.wait_for(r"listening at http://.*:(\d+)")
        self.port = int(line[1])
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line)

    def wait_for(self, pattern, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in self.log:
                if match := re.search(pattern, line):
                    return match
            time.sleep(0.02)
        raise AssertionError(f"no {pattern} in\n{''.join(self.log)}")

    def wait_until_ready(self, seconds=120):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.client.get("/readyz").status_code == 200:
                return self
            time.sleep(0.1)
        raise AssertionError("".join(self.log))

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(60)
        self._reader.join(5)
        self.client.close()
        return code


@contextlib.contextmanager
def serving(*words):
    server = Server(*words)
    try:
        yield server.wait_until_ready()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def server(artefact):
    """One for all tests that do not harm it."""
    with serving(artefact) as running:
        yield running


@pytest.fixture(scope="session")
def client(server):
    return server.client
