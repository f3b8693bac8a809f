"""Tiny exported models, a server of them as a program of its own, and files for it."""

import contextlib
import io
import json
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
from PIL import Image

from segjax import config, parts
from segjax.data import datasets
from segjax.serve import export

SIZES = ((32, 48), (64, 64))
TINY = {
    "task": "multiclass",
    "data": {"name": "streets", "size": (40, 56)},
    "input": {"train_ops": "normalize()", "eval_ops": "normalize()"},
    "model": {"name": "unet", "width": 4, "depth": 2},
    "loss": {"cross_entropy": {}},
    "optim": {"name": "adamw", "learning_rate": 0.1},
    "train": {"num_steps": 1},
}

RUN = """
import json, logging, pathlib, sys
from segjax.web import limits, server
logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
given = json.loads(sys.argv[1])
given["paths"] = [pathlib.Path(p) for p in given["paths"]]
for name in ("folder", "flagged"):
    given[name] = given.get(name) and pathlib.Path(given[name])
given["limits"] = limits.Limits(**given.get("limits", {}))
sys.exit(server.run(server.Settings(port=0, **given)))
"""
"""`segjax serve` with limits that the command line does not change."""


def exported(path, seed=0, **changes):
    """Write a tiny U-Net with random weights as an exported model."""
    checked = config.resolve({**TINY, **changes})
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


class Server:
    """The server as a program; `log` has the lines that it wrote."""

    def __init__(self, *paths, command=None, environ=None, **settings):
        given = {"paths": [str(p) for p in paths], **settings}
        run = [sys.executable, "-c", RUN, json.dumps(given, default=str)]
        own = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
        self.process = subprocess.Popen(
            command or run,
            stderr=subprocess.PIPE,
            text=True,
            env={**own, **(environ or {})},
        )
        self.log: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = int(self.wait_for(r"listening at http://.*:(\d+)")[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.url, timeout=60)

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line)

    def wait_for(self, pattern, seconds=60):
        """The first line of the log that matches."""

        def found():
            matches = (re.search(pattern, line) for line in list(self.log))
            return next(filter(None, matches), None)

        return self.wait(found, seconds)

    def wait(self, condition, seconds=60):
        """What a condition gives once it holds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := condition():
                return value
            time.sleep(0.02)
        raise AssertionError("".join(self.log[-40:]))

    def states(self):
        return self.client.get("/readyz").json()["models"]

    def wait_until_ready(self, seconds=180):
        ready = lambda: self.client.get("/readyz").status_code == 200  # noqa: E731
        self.wait(ready, seconds)
        return self

    def predict(self, image, **fields):
        files = {"picture": image if isinstance(image, bytes) else png(image)}
        if (reference := fields.pop("reference", None)) is not None:
            files["reference"] = png(reference)
        return self.client.post("/api/predict", files=files, data=fields)

    def children(self):
        """Program and number of each child."""
        out = subprocess.run(
            ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(self.process.pid)],
            capture_output=True,
            text=True,
        ).stdout
        return {
            int(line.split()[0]): line.partition("segjax.web.")[2]
            for line in out.splitlines()
        }

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(60)
        self._reader.join(5)
        self.client.close()
        return code


@contextlib.contextmanager
def serving(*paths, **settings):
    server = Server(*paths, **settings)
    try:
        yield server.wait_until_ready()
    finally:
        server.stop()


def png(array, **more) -> bytes:
    return encoded(array, "PNG", **more)


def encoded(array, kind, **more) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **more)
    return buffer.getvalue()
