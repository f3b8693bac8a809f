"""Tiny data sets on disk and in memory for the tests of the data room."""

import dataclasses
import multiprocessing
import os
import pathlib
import signal

import numpy as np
import pytest
from PIL import Image

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo

INFO = DatasetInfo("tiny", ("a", "b", "c"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))


REAL = pathlib.Path(os.environ.get("SEGJAX_DATA", "../shared/data"))


def real(name: str) -> str:
    """The folder of a real data set, or a skipped test."""
    if not (REAL / name).is_dir():
        pytest.skip(f"{REAL / name} is absent; set SEGJAX_DATA")
    return str(REAL / name)


def write(path: pathlib.Path, array, **options) -> pathlib.Path:
    """Save an array as a picture, making its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array)).save(path, **options)
    return path


def image(seed: int, size=(8, 12)) -> np.ndarray:
    """A random RGB picture."""
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def mask(seed: int, values=(0, 1), size=(8, 12)) -> np.ndarray:
    """A random mask that holds all of `values`."""
    out = np.random.default_rng(seed).choice(np.array(values, np.uint8), size)
    out.flat[: len(values)] = values
    return out


@dataclasses.dataclass(frozen=True)
class Memory:
    """A source whose example `i` is made from `i`; `bad` raises, as real ones do."""

    count: int = 10
    size: tuple[int, int] = (8, 12)
    bad: int = -1
    error: type = UserError
    info: DatasetInfo = INFO

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        if i == self.bad:
            raise self.error("pixels: are bad.")
        return {"image": image(i, self.size), "label": mask(i, (0, 1, 2), self.size)}

    def name(self, i):
        return f"n{i}"

    def fingerprint(self):
        return f"{self.count:064x}"


@dataclasses.dataclass(frozen=True)
class Killed(Memory):
    """Its worker dies as the kernel kills a process that takes too much memory."""

    def __getitem__(self, i):
        if multiprocessing.parent_process() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(i)
