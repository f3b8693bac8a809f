"""A fresh state is begun ahead where nothing is resumed and no process waits."""

import jax
import numpy as np
import pytest

from segjax import config, optim, parallel, parts
from segjax.core.errors import UserError
from segjax.data import datasets
from segjax.train import init


@pytest.fixture
def made(monkeypatch):
    """Every state that was computed."""
    found, compute = [], init._computed
    monkeypatch.setattr(
        init, "_computed", lambda *a: found.append(compute(*a)) or found[-1]
    )
    return found


def first_state(settings, folder, **changes) -> init.FirstState:
    checked = config.resolve(settings(**changes))
    source = datasets.make(split="train", **checked.data)
    tx, _ = optim.make(num_steps=9, **checked.optim)
    model = parts.make(checked, source.info).model
    return init.FirstState(checked, model, tx, channels=3, folder=folder)


def wait(begun: init.FirstState) -> None:
    if begun.ahead:
        begun._made.result()


def test_a_fresh_state_is_made_once_and_ahead(settings, tmp_path, made):
    begun = first_state(settings, tmp_path / "checkpoints")
    wait(begun)
    assert len(made) == 1
    state, ledger = begun.fresh({})
    assert ledger is None
    assert state is made[0] and len(made) == 1


def test_none_is_made_to_resume_nor_before_others_have_seen_their_data(
    settings, tmp_path, made, monkeypatch
):
    (tmp_path / "resumed" / "0000007").mkdir(parents=True)
    wait(first_state(settings, tmp_path / "resumed"))
    monkeypatch.setattr(parallel, "is_cluster", lambda: True)
    late = first_state(settings, tmp_path / "new")
    wait(late)
    assert not made
    late.fresh({})
    assert len(made) == 1


def test_the_target_has_the_shapes_of_the_state(settings, tmp_path):
    begun = first_state(settings, tmp_path / "checkpoints")
    state, _ = begun.fresh({})
    shapes = jax.tree.map(lambda x: (x.shape, x.dtype), (begun.target, state))
    assert shapes[0] == shapes[1]
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(state))


def test_a_pattern_that_freezes_nothing_is_refused(settings, tmp_path):
    frozen = {"optim__freeze": ("no_such",)}
    begun = first_state(settings, tmp_path / "checkpoints", **frozen)
    with pytest.raises(UserError, match="no_such"):
        _ = begun.target
