import errno
import logging
import os
import resource
import threading
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from segjax.checkpoint import Checkpoints, digest, folder, manifest, shelf
from segjax.core.errors import EnvironmentFault, UserError


def files(root):
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*"))


def held(root, which="latest"):
    return sorted(p.name for p in (root / which).iterdir())


@pytest.mark.parametrize("async_save", [True, False])
def test_what_is_restored_is_what_was_saved(tmp_path, make, meta, async_save):
    state = make(10, ema=True)
    with Checkpoints(tmp_path, async_save=async_save) as checkpoints:
        assert checkpoints.latest() is None
        assert checkpoints.best() is None
        checkpoints.save(10, state, {"miou": 0.5}, meta)
        checkpoints.wait()
        assert checkpoints.latest() == 10
        assert checkpoints.best() == (10, 0.5)
    with Checkpoints(tmp_path) as checkpoints:
        found, kept, step = checkpoints.restore(None, make(0, ema=True), meta=meta)
    assert step == 10
    assert digest(found) == digest(state)
    assert jax.tree.structure(found) == jax.tree.structure(state)
    assert kept == meta | {"class_names": ["road", "sky", "tree"]}
    assert all(isinstance(x, jax.Array) for x in jax.tree.leaves(found))


def test_a_state_may_be_donated_at_once(tmp_path):
    step = jax.jit(lambda s: jax.tree.map(lambda x: x * 2 + 1, s), donate_argnums=0)
    rng = np.random.default_rng(0)
    sharding = NamedSharding(Mesh(np.array(jax.devices()), ("d",)), PartitionSpec("d"))
    state = {
        "a": jnp.asarray(rng.standard_normal(20_000)),
        "b": jax.device_put(rng.standard_normal((8, 20_000)), sharding),
    }
    expected = {}
    with Checkpoints(tmp_path, keep=5) as checkpoints:
        for at in range(1, 4):
            state = step(state)
            expected[at] = digest(state)
            checkpoints.save(at, state, {}, {})
            state = step(state)
        checkpoints.wait()
        for at, value in expected.items():
            assert digest(checkpoints.restore(at, state)[0]) == value


def test_resume_never_goes_back_to_an_old_best(tmp_path, make, meta):
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        for step, miou in ((1, 0.3), (2, 0.5), (3, 0.1), (4, 0.2)):
            checkpoints.save(step, make(step), {"miou": miou}, meta)
            checkpoints.save(10 * step, make(10 * step), {}, meta) if step == 4 else 0
        checkpoints.wait()
        assert held(tmp_path) == ["00000004", "00000040"]
        assert held(tmp_path, "best") == ["00000002"]
        assert checkpoints.latest() == 40
        assert checkpoints.best() == (2, 0.5)
        assert checkpoints.restore(None, make(0))[2] == 40
        found, _, step = checkpoints.restore(None, make(0), which="best")
        assert (step, digest(found)) == (2, digest(make(2)))


def test_best_is_a_copy_with_bytes_of_its_own(tmp_path, make, meta):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make(1), {"miou": 0.5}, meta)
    a = tmp_path / "latest/00000001/arrays/manifest.ocdbt"
    b = tmp_path / "best/00000001/arrays/manifest.ocdbt"
    assert a.read_bytes() == b.read_bytes()
    assert a.stat().st_ino != b.stat().st_ino


@pytest.mark.parametrize("score", [0.5, 0.4, float("nan")])
def test_only_a_higher_score_is_better(tmp_path, make, meta, score):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make(1), {"miou": 0.5, "loss": 3.0}, meta)
        checkpoints.save(2, make(2), {"miou": score}, meta)
        checkpoints.save(3, make(3), {"loss": 9.0}, meta)
        checkpoints.wait()
        assert checkpoints.best() == (1, 0.5)


def test_a_step_again_adds_its_score(tmp_path, make, meta):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make(1), {}, meta)
        checkpoints.wait()
        assert checkpoints.best() is None
        checkpoints.save(1, make(1), {"miou": 0.25}, meta)
        checkpoints.wait()
        assert checkpoints.best() == (1, 0.25)
        checkpoints.save(1, make(2), {}, meta)
        with pytest.raises(UserError, match="another state of this step"):
            checkpoints.wait()
        assert digest(checkpoints.restore(1, make(0))[0]) == digest(make(1))


def test_steps_rise(tmp_path, make, meta):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(5, make(5), {}, meta)
    words = r"step 4 .* step 5 is there already"
    with Checkpoints(tmp_path) as again, pytest.raises(UserError, match=words):
        again.save(4, make(4), {}, meta)


@pytest.mark.parametrize("devices", [1, 2, 4])
def test_restores_onto_another_mesh(tmp_path, devices):
    def sharded(count, *axes):
        mesh = Mesh(np.array(jax.devices()[:count]), ("d",))
        return NamedSharding(mesh, PartitionSpec(*axes))

    x = np.arange(64, dtype=np.float32).reshape(8, 8)
    state = {
        "x": jax.device_put(x, sharded(8, "d")),
        "y": jax.device_put(x, sharded(8)),
    }
    sharding = sharded(devices, None, "d")
    target = {
        k: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding) for k in "xy"
    }
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state, {}, {})
        found, _, _ = checkpoints.restore(None, target)
    for name in "xy":
        assert found[name].sharding == sharding
        np.testing.assert_array_equal(found[name], x)


def test_a_target_without_devices_gives_numpy(tmp_path, make):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make(1), {}, {})
        found, _, _ = checkpoints.restore(None, jax.eval_shape(lambda: make(0)))
    assert all(isinstance(x, np.ndarray) for x in jax.tree.leaves(found))
    assert digest(found) == digest(make(1))


def test_leftovers_of_a_killed_run_are_cleaned(tmp_path, make, meta):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make(1), {"miou": 0.1}, meta)
    before = files(tmp_path)
    for leftover in (
        "latest/00000002.tmp/arrays.orbax-checkpoint-tmp",
        "best/3.old.tmp",
    ):
        (tmp_path / leftover).mkdir(parents=True)
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        assert checkpoints.latest() == 1
    assert files(tmp_path) != before  # they may belong to a live run
    with Checkpoints(tmp_path) as checkpoints:
        assert files(tmp_path) == before
        assert checkpoints.latest() == 1


def test_a_promotion_that_a_kill_cut_off_is_made_up_for(tmp_path, make, meta):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make(1), {"miou": 0.1}, meta)
        checkpoints.wait()
        checkpoints._promote = lambda facts: None
        checkpoints.save(2, make(2), {"miou": 0.2}, meta)
        checkpoints.wait()
        assert checkpoints.best() == (1, 0.1)
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.best() == (2, 0.2)
        assert held(tmp_path, "best") == ["00000002"]


class Died(BaseException):
    """Stands for SIGKILL: nothing catches it, and a dead process tidies nothing."""


def die(*_, **__):
    raise Died


def die_half_way(path, **__):
    if path.exists():
        (path / manifest.MANIFEST).unlink()
        raise Died


# One moment after another at which the process may die, and what is newest then.
MOMENTS = {
    "before the manifest": (manifest, "write", die, 1),
    "before the rename": (folder, "publish", die, 1),
    "before the oldest is removed": (folder, "remove", die, 2),
    "while the oldest is removed": (folder.shutil, "rmtree", die_half_way, 2),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_dying_between_two_moves_loses_nothing(
    tmp_path, make, meta, moment, monkeypatch
):
    module, name, how, newest = MOMENTS[moment]
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, make(1), {"miou": 0.1}, meta)
    checkpoints.wait()
    monkeypatch.setattr("shutil.rmtree", lambda *a, **k: None)
    monkeypatch.setattr(module, name, how)
    checkpoints.save(2, make(2), {} if how is die_half_way else {"miou": 0.2}, meta)
    with pytest.raises(Died):
        checkpoints.close()
    monkeypatch.undo()

    with Checkpoints(tmp_path, keep=1) as again:
        assert again.latest() == newest
        assert digest(again.restore(None, make(0))[0]) == digest(make(newest))
        assert not [f for f in files(tmp_path) if ".tmp" in f]
        for which in ("latest", "best"):
            there = folder.steps(tmp_path / which)
            assert there == list(shelf.committed(tmp_path / which))
        again.save(3, make(3), {"miou": 0.3}, meta)
        again.wait()
        assert again.latest() == 3
        assert again.best() == (3, 0.3)


def test_all_is_on_the_disk_before_it_has_a_name(tmp_path, make, monkeypatch):
    synced, fsync, rename = set(), os.fsync, os.rename

    def note(handle):
        synced.add(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    def check(source, target):
        if Path(target).name == "00000001":  # orbax renames its own before
            below = {str(p) for p in [source, *source.rglob("*")]}
            assert below <= synced
            assert f"{source}/manifest.json" in synced
            synced.clear()
        rename(source, target)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(os, "rename", check)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make(1), {}, {})
    assert str(tmp_path / "latest") in synced  # the new name itself


def test_a_failed_save_is_told_at_the_next_step(tmp_path, make, meta, monkeypatch):
    gate = threading.Event()

    def full(*_):
        gate.wait(10)
        raise OSError(errno.ENOSPC, "No space left on device")

    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make(1), {}, meta)
        checkpoints.wait()
        with monkeypatch.context() as patch:
            patch.setattr(manifest, "write", full)
            checkpoints.save(2, make(2), {}, meta)
            checkpoints.poll()  # still at work: nothing to tell
            gate.set()
            checkpoints._pending.exception()
            with pytest.raises(EnvironmentFault) as caught:
                checkpoints.poll()
        assert caught.value.exit_code == 75
        assert "step 2" in str(caught.value)
        assert "No space left on device" in str(caught.value)
        assert str(tmp_path) in str(caught.value)
        assert "bytes are free" in str(caught.value)
        assert held(tmp_path) == ["00000001"]
        checkpoints.save(3, make(3), {}, meta)
        checkpoints.wait()
        assert checkpoints.latest() == 3


def test_a_disk_that_refuses_the_arrays(tmp_path, meta, caplog):
    big = {"x": np.random.default_rng(0).standard_normal(200_000)}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, big, {}, meta)
        checkpoints.wait()
        with caplog.at_level(logging.CRITICAL):  # orbax logs the whole trace
            resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
            try:
                checkpoints.save(2, {"x": big["x"] + 1}, {}, meta)
                with pytest.raises(EnvironmentFault, match="step 2 could not be saved"):
                    checkpoints.wait()
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert held(tmp_path) == ["00000001"]
        assert checkpoints.restore(None, big)[2] == 1
        checkpoints.save(2, big, {}, meta)
        checkpoints.wait()
        assert checkpoints.latest() == 2


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault, match="cannot be prepared"):
        Checkpoints(tmp_path / "file" / "checkpoints")


def test_a_disk_that_cannot_be_read_is_not_called_damage(
    tmp_path, make, meta, monkeypatch
):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make(1), {}, meta)
        checkpoints.wait()
        with monkeypatch.context() as patch:

            def broken(_):
                raise OSError(errno.EIO, "Input/output error")

            patch.setattr(manifest, "_stamp", broken)
            with pytest.raises(EnvironmentFault, match="Input/output error"):
                checkpoints.restore(None, make(0))
        assert checkpoints.restore(None, make(0))[2] == 1


def test_the_first_error_is_not_hidden_by_a_late_one(tmp_path, make, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(manifest, "write", full)
    with pytest.raises(KeyError, match="first"):  # noqa: SIM117
        with Checkpoints(tmp_path) as checkpoints:
            checkpoints.save(1, make(1), {}, {})
            raise KeyError("first")
    with pytest.raises(EnvironmentFault):  # noqa: SIM117
        with Checkpoints(tmp_path) as checkpoints:
            checkpoints.save(1, make(1), {}, {})


def test_a_nearly_full_disk_is_said_one_save_early(tmp_path, make, monkeypatch, caplog):
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make(1), {}, {})
    assert "10 bytes are free" in caplog.text


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda c, t: c.restore(None, t), "there is none"),
        (lambda c, t: c.restore(7, t), "of step 7"),
        (lambda c, t: c.restore(None, t, which="best"), "best: holds no checkpoint"),
    ],
)
def test_nothing_to_restore(tmp_path, make, call, words):
    with Checkpoints(tmp_path) as checkpoints, pytest.raises(UserError, match=words):
        call(checkpoints, make(0))


def test_keep_is_positive(tmp_path):
    with pytest.raises(UserError, match="keep=0"):
        Checkpoints(tmp_path, keep=0)
