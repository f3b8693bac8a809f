"""The server under attack, a program of its own, and what can be seen of it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np

from benchmarks.siege import draw


class Target:
    """`segjax serve` of some models.

    Attributes:
      port: where it listens.
      picture: a PNG of CamVid's size.
    """

    def __init__(self, models, *words):
        command = [sys.executable, "-m", "segjax", "serve", *models, "--port", "0"]
        self.process = subprocess.Popen(
            [*map(str, command), *words], stderr=subprocess.PIPE, text=True
        )
        self.log: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        line = self.wait(lambda: self._line(r"listening at http://.*:(\d+)"), 60)
        self.port = int(line[1])
        self.client = self.new_client()
        self.picture = draw.png(draw.scene(360, 480))
        self.wait(lambda: self.get("/readyz").status_code == 200, 300)
        self.name = self.get("/api/models").json()["models"][0]["name"]
        self._before = time.monotonic()

    def new_client(self, address="127.0.0.1"):
        """A client that comes from an address of this machine."""
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            timeout=60,
            transport=httpx.HTTPTransport(local_address=address),
        )

    def get(self, path, **more):
        """The answer to GET."""
        return self.client.get(path, **more)

    def predict(self, content, client=None, **fields):
        """The answer of the API to a picture."""
        files = {"picture": fields.pop("file", ("p.png", content))}
        return (client or self.client).post("/api/predict", files=files, data=fields)

    def mask(self, content=None, client=None):
        """The mask of a picture, as a file."""
        path = f"/api/predict/{self.name}/mask.png"
        client = client or self.client
        return client.post(path, content=self.picture if content is None else content)

    def metric(self, name):
        """The value of a counter, summed over its labels."""
        lines = self.get("/metrics").text.splitlines()
        return sum(float(x.split()[-1]) for x in lines if re.match(name + r"[{ ]", x))

    def processes(self):
        """Program -> numbers of its processes, those that they forked included."""
        found = {"front": [self.process.pid], "worker": [], "decoder": []}
        for pid in descendants(self.process.pid):
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes()
                for kind in ("worker", "decoder"):
                    if f"segjax.web.{kind}".encode() in words:
                        found[kind].append(pid)
        return found

    def memory(self):
        """MiB that each kind of process takes, shared pages shared out."""
        found = self.processes()
        return {kind: sum(map(pss, pids)) / 2**20 for kind, pids in found.items()}

    def files(self):
        """Files and sockets that the front has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def wait(self, condition, seconds):
        """What a condition gives once it holds; None if it never does."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := condition():
                return value
            time.sleep(0.02)
        return None

    def stop(self):
        """End it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line)

    def _line(self, pattern):
        matches = (re.search(pattern, line) for line in list(self.log))
        return next(filter(None, matches), None)


class Peak:
    """The most memory that a target takes while a block runs, over what it took."""

    def __init__(self, target, every=0.05):
        self._target, self._every, self.rise = target, every, 0.0

    def __enter__(self):
        self._base = sum(self._target.memory().values())
        self._going = True
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._going = False
        self._thread.join()

    def _watch(self):
        while self._going:
            now = sum(self._target.memory().values())
            self.rise = max(self.rise, now - self._base)
            time.sleep(self._every)


def descendants(pid):
    """The numbers of the children of a process, of theirs, and so on."""
    found, waiting = [], [pid]
    while waiting:
        with contextlib.suppress(OSError):
            here = waiting.pop()
            for task in os.listdir(f"/proc/{here}/task"):
                words = Path(f"/proc/{here}/task/{task}/children").read_text().split()
                found += map(int, words)
                waiting += map(int, words)
    return found


def pss(pid):
    """Bytes of memory of a process; of pages that it shares, its share."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def percentile(values, share):
    """The value that so much of them are below; nan of none."""
    return float(np.quantile(values, share)) if len(values) else float("nan")
