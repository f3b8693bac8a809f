"""Tiny exported models, and a server of three of them for all tests."""

import numpy as np
import pytest

from segjax.core.pixels import Pixels
from tests.web.program import exported, serving


@pytest.fixture(scope="session")
def models(tmp_path_factory, drawn):
    """A folder of three models: two of the same classes, and one of two classes."""
    folder = tmp_path_factory.mktemp("models")
    exported(folder / "tiny.segjax")
    exported(folder / "other.segjax", seed=1)
    exported(
        folder / "discs.segjax",
        task="binary",
        data={"name": "folder", "root": drawn(2), "val_share": 0.3},
        loss={"binary_cross_entropy": {}},
    )
    return folder


@pytest.fixture(scope="session")
def deep(tmp_path_factory):
    """A model of one channel of float32."""
    path = tmp_path_factory.mktemp("deep") / "deep.segjax"
    return exported(path, pixels=Pixels(1, "float32"))


@pytest.fixture(scope="session")
def server(models):
    """One for all tests that do not harm it; the first model is `tiny`."""
    names = ("tiny", "other", "discs")
    with serving(*(models / f"{name}.segjax" for name in names)) as running:
        yield running


@pytest.fixture(scope="session")
def client(server):
    return server.client


@pytest.fixture(scope="session")
def image():
    return np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
