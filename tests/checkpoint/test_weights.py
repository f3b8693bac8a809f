import jax
import numpy as np
import pytest

from segjax.checkpoint import (
    Checkpoints,
    digest,
    format_ledger,
    init_from,
    read_weights,
)
from segjax.core.errors import UserError


def save(workdir, *entries, meta=()):
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        for step, state, metrics in entries:
            checkpoints.save(step, state, metrics, dict(meta))


def test_weights_alone_are_taken(tmp_path, make, meta):
    save(tmp_path, (7, make(7), {}), meta=meta)
    fresh = make(0)
    state, ledger = init_from(tmp_path, fresh, meta=meta)
    assert digest(state.params) == digest(make(7).params)
    assert digest(state.batch_stats) == digest(make(7).batch_stats)
    assert digest(state.opt_state) == digest(fresh.opt_state)
    assert int(state.step) == 0
    assert state.ema == {}
    assert ledger.loaded == (
        "batch_stats/down0/norm0/mean",
        "batch_stats/down0/norm0/var",
        "params/down0/conv0/kernel",
        "params/head/bias",
        "params/head/kernel",
    )
    assert (ledger.skipped, ledger.new, ledger.notes) == ((), (), ())
    assert not ledger.averaged


def test_the_average_is_preferred_and_said(tmp_path, make):
    save(tmp_path, (7, make(7, ema=True), {}))
    state, ledger = init_from(tmp_path, make(0, ema=True))
    assert ledger.averaged
    assert "(step 7, averaged)" in format_ledger(ledger)
    average = make(7, ema=True).ema
    assert digest(state.params) == digest(average["params"])
    assert digest(state.batch_stats) == digest(average["batch_stats"])
    assert digest(state.ema) == digest(average)

    def update(s):  # both may be donated: they share no memory
        return jax.tree.map(lambda x: x + 1, s)

    changed = jax.jit(update, donate_argnums=0)(state)
    assert digest(changed.params) == digest(changed.ema["params"])


def test_the_ledger_says_what_was_skipped_and_what_is_new(tmp_path, make, meta):
    save(tmp_path, (7, make(7, classes=3), {}), meta=meta)
    fresh = make(0, classes=5)
    del fresh.batch_stats["down0"]["norm0"]["var"]
    fresh.params["aux"] = {"bias": fresh.params["head"]["bias"] + 1}
    own = meta | {"class_names": ("a", "b", "c", "d", "e")}
    state, ledger = init_from(tmp_path, fresh, meta=own)
    assert ledger.loaded == (
        "batch_stats/down0/norm0/mean",
        "params/down0/conv0/kernel",
    )
    assert dict(ledger.skipped) == {
        "batch_stats/down0/norm0/var": "is not in the model",
        "params/head/bias": "is float32[3], the model has float32[5]",
        "params/head/kernel": "is float32[1,1,4,3], the model has float32[1,1,4,5]",
    }
    assert ledger.new == ("params/aux/bias", "params/head/bias", "params/head/kernel")
    assert digest(state.params["head"]) == digest(fresh.params["head"])
    text = format_ledger(ledger)
    for path, why in ledger.skipped:
        assert f"skipped  {path}: {why}" in text
    for path in ledger.new:
        assert f"new      {path}:" in text
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines()[2:7]}
    assert rows["params/head"] == ["-", "2", "2"]
    assert rows["params/aux"] == ["-", "-", "1"]
    assert rows["all"] == ["2", "3", "3"]
    assert "(3 and 5 classes)" in text


def test_nothing_loaded_is_an_error(tmp_path, make, meta):
    save(tmp_path, (7, make(7), {}), meta=meta)
    fresh = make(0).replace(params={"stem": {"kernel": np.ones(3)}}, batch_stats={})
    with pytest.raises(UserError, match=r"none of its 5 arrays fits .*'unet'"):
        init_from(tmp_path, fresh)


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


@pytest.mark.parametrize(
    ("name", "words"), [("absent", "no such folder"), (".", "holds no checkpoint")]
)
def test_a_wrong_path_is_said(tmp_path, make, name, words):
    with pytest.raises(UserError, match=words):
        init_from(tmp_path / name, make(0))
