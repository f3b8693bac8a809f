"""Tiny exported models, and a server of three of them for all tests."""

import numpy as np
import pytest

from tests.web.program import exported, png, serving


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
    root = tmp_path_factory.mktemp("deep")
    for folder in ("images", "masks"):
        (root / folder).mkdir()
    for i in range(4):
        np.save(root / f"images/{i}.npy", np.full((24, 32, 1), i, np.float32))
        (root / f"masks/{i}.png").write_bytes(png(np.zeros((24, 32), np.uint8)))
    (root / "classes.txt").write_text("0 background\n1 disc")
    ops = "normalize((0.5,), (0.25,))"
    data = {"name": "folder", "root": str(root), "val_share": 0.5}
    return exported(
        root / "deep.segjax",
        data={**data, "channels": 1, "depth": "float32"},
        input={"train_ops": ops, "eval_ops": ops},
    )


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
