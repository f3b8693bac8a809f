import jax
import numpy as np

from segjax.checkpoint import Checkpoints, digest, read_weights


def save(workdir, *entries, meta=()):
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        for step, state, metrics in entries:
            checkpoints.save(step, state, metrics, dict(meta))


def test_the_best_is_taken_unless_the_latest_is_wanted(tmp_path, make):
    save(tmp_path, (1, make(1), {"miou": 0.9}), (2, make(2), {"miou": 0.1}))
    assert read_weights(tmp_path).step == 1
    assert read_weights(tmp_path, which="latest").step == 2
    for path, step in {
        "checkpoints": 1,
        "checkpoints/latest": 2,
        "checkpoints/best": 1,
        "checkpoints/latest/00000001": 1,
    }.items():
        weights = read_weights(tmp_path / path)
        assert weights.step == step
        assert digest(weights.variables["params"]) == digest(make(step).params)


def test_weights_come_as_numpy_with_what_was_kept(tmp_path, make, meta):
    save(tmp_path, (3, make(3, ema=True), {}), meta=meta)
    weights = read_weights(tmp_path)
    assert all(isinstance(x, np.ndarray) for x in jax.tree.leaves(weights.variables))
    assert weights.averaged
    assert digest(weights.variables) == digest(make(3, ema=True).ema)
    assert weights.meta["class_names"] == ["road", "sky", "tree"]
    plain = read_weights(tmp_path, use_ema=False)
    assert not plain.averaged
    assert digest(plain.variables["params"]) == digest(make(3).params)


def test_without_batch_norm_the_collection_is_empty(tmp_path, make):
    save(tmp_path, (3, make(3).replace(batch_stats={}), {}))
    assert read_weights(tmp_path).variables["batch_stats"] == {}


def test_a_damaged_best_is_passed_by_and_said(tmp_path, make, caplog):
    save(tmp_path, (1, make(1), {"miou": 0.9}), (2, make(2), {"miou": 0.1}))
    (tmp_path / "checkpoints/best/00000001/arrays/manifest.ocdbt").unlink()
    assert read_weights(tmp_path).step == 2
    assert "arrays/manifest.ocdbt: is missing" in caplog.text
