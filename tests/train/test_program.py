"""The step is compiled before the data have said what classes weigh."""

import dataclasses

import jax
import numpy as np
import pytest

from segjax import config, losses, optim, parallel, parts
from segjax.core.errors import UserError
from segjax.core.keys import IMAGE, INDEX, LABEL
from segjax.data import datasets
from segjax.train import init
from segjax.train.program import Program
from segjax.train.step import compile_step, step_of

RULES = {
    "cross_entropy": {"class_weights": "median_frequency(clip=5)"},
    "focal": {"class_weights": "inverse_frequency"},
    "dice": {"weight": 0.5},
}
COUNTS = np.array([900, 90, 10])


@pytest.fixture
def made(settings):
    """`(parts, tx, mesh, batch)` of a run whose loss follows `RULES`."""
    checked = config.resolve({**settings(), "loss": RULES})
    source = datasets.make(split="train", **checked.data)
    tx, _ = optim.make(num_steps=9, **checked.optim)
    rng = np.random.default_rng(0)
    batch = {
        IMAGE: rng.integers(0, 256, (8, 16, 16, 3), np.uint8),
        LABEL: rng.integers(0, 3, (8, 16, 16), np.uint8),
        INDEX: np.arange(8),
    }
    return parts.make(checked, source.info), tx, parallel.make_mesh(), batch


def program(made, **changes) -> Program:
    its, tx, mesh, batch = made
    target = init.abstract_state(its.model, tx, mesh=mesh, use_ema=True)
    options = {"read": lambda: batch, "target": lambda: target, **changes}
    return Program(its, tx, mesh=mesh, **options)


def test_the_step_given_the_weights_is_the_step_of_these_weights(made):
    its, tx, mesh, batch = made
    weights = losses.class_weights(RULES, COUNTS)
    assert weights.keys() == {"cross_entropy", "focal"}
    terms = {name: dict(options) for name, options in RULES.items()}
    for name, numbers in weights.items():
        terms[name]["class_weights"] = numbers
    written = dataclasses.replace(its.config, loss=terms)
    own = dataclasses.replace(its, config=written)
    expected = compile_step(step_of(own, losses.make(terms, "multiclass"), tx), mesh)
    found = []
    for step in (program(made).given(weights), expected):
        state = init.make_state(its.model, tx, seed=0, mesh=mesh, use_ema=True)
        found.append(jax.device_get(step(state, parallel.put_batch(mesh, batch))))
    for one, other in zip(*map(jax.tree.leaves, found), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)
    plain = losses.class_weights(RULES, np.array([1, 1, 1]))
    state = init.make_state(its.model, tx, seed=0, mesh=mesh, use_ema=True)
    _, scalars = program(made).given(plain)(state, parallel.put_batch(mesh, batch))
    assert not np.isclose(scalars["loss"], found[0][1]["loss"], rtol=1e-3)


def test_what_goes_wrong_is_said_to_who_asks_for_the_step(made):
    def read():
        raise UserError("0.png: cannot be read.")

    begun = program(made, read=read)
    for ask in (begun.lowered.result, lambda: begun.given({})):
        with pytest.raises(UserError, match="cannot be read"):
            ask()
