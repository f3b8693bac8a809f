"""A tiny train state whose numbers follow from its step."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from segjax.core.state import TrainState

META = {
    "model": "unet",
    "task": "multiclass",
    "class_names": ("road", "sky", "tree"),
    "config_digest": "0" * 64,
}


def make_state(step, *, classes=3, ema=False, width=4):
    rng = np.random.default_rng([step, classes, width])

    def normal(*shape):
        return jnp.asarray(rng.standard_normal(shape, dtype=np.float32))

    params = {
        "down0": {"conv0": {"kernel": normal(3, 3, 3, width)}},
        "head": {"bias": normal(classes), "kernel": normal(1, 1, width, classes)},
    }
    stats = {"down0": {"norm0": {"mean": normal(width), "var": normal(width)}}}
    average = {"params": params, "batch_stats": stats}
    return TrainState(
        step=jnp.asarray(np.int32(step)),
        params=params,
        batch_stats=stats,
        opt_state=optax.adam(1e-3, mu_dtype=jnp.bfloat16).init(params),
        ema=jax.tree.map(lambda x: jnp.asarray(np.asarray(x) + 1), average)
        if ema
        else {},
        skipped=jnp.asarray(np.int32(0)),
        skipped_in_row=jnp.asarray(np.int32(0)),
    )


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """Only power loss needs fsync; on a busy disk it takes longer than the tests."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def make():
    return make_state


@pytest.fixture
def meta():
    return dict(META)
