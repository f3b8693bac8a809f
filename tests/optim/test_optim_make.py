"""The optax chain: against optax's own optimisers, and by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from segjax import optim
from segjax.core.errors import UserError

RNG = np.random.default_rng(0)
PARAMS = {
    "down0": {
        "kernel": jnp.asarray(RNG.normal(size=(3, 2)), jnp.float32),
        "bias": jnp.asarray(RNG.normal(size=2), jnp.float32),
    },
    "head": {"kernel": jnp.asarray(RNG.normal(size=(2, 2)), jnp.float32)},
}
KERNELS = {"down0": {"kernel": True, "bias": False}, "head": {"kernel": True}}


def gradients(step):
    """A different tree of gradients each step, no function of the parameters."""
    rng = np.random.default_rng(step)
    return jax.tree.map(lambda p: rng.normal(size=p.shape).astype(np.float32), PARAMS)


def run(tx, steps=4, given=gradients):
    params, state, step_once = PARAMS, tx.init(PARAMS), jax.jit(one_step(tx))
    for step in range(steps):
        params, state = step_once(given(step), state, params)
    return params


def one_step(tx):
    def step_once(grads, state, params):
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    return step_once


def assert_equal(a, b, rtol=1e-6):
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-7), a, b
    )


def make(**section):
    section = {"learning_rate": 0.1, "num_steps": 10, "schedule": "constant"} | section
    return optim.make(**section)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"name": "sgd"}, optax.sgd(0.1, momentum=0.9)),
        ({"name": "sgd", "momentum": 0}, optax.sgd(0.1)),
        (
            {"name": "sgd", "momentum": 0.99, "nesterov": True},
            optax.sgd(0.1, momentum=0.99, nesterov=True),
        ),
        ({"name": "adam"}, optax.adam(0.1)),
        (
            {"name": "adam", "b1": 0.8, "b2": 0.9, "eps": 1e-3},
            optax.adam(0.1, b1=0.8, b2=0.9, eps=1e-3),
        ),
        ({"name": "rmsprop"}, optax.rmsprop(0.1)),
        (
            {"name": "rmsprop", "rho": 0.5, "momentum": 0.5},
            optax.rmsprop(0.1, decay=0.5, momentum=0.5),
        ),
        (
            {"name": "adamw", "weight_decay": 0.3},
            optax.adamw(0.1, weight_decay=0.3, mask=KERNELS),
        ),
        (
            {"name": "adamw", "weight_decay": 0.3, "decay_mask": "all"},
            optax.adamw(0.1, weight_decay=0.3),
        ),
        (
            {"schedule": "cosine", "weight_decay": 0.0},
            optax.adamw(optax.cosine_decay_schedule(0.1, 10), weight_decay=0.0),
        ),
    ],
)
def test_equals_optax(section, expected):
    tx, _ = make(**section)
    assert_equal(run(tx), run(expected))


def test_every_optimizer_is_in_the_test_above():
    sections = [case[0] for case in test_equals_optax.pytestmark[0].args[1]]
    assert {s.get("name") for s in sections} >= set(optim.OPTIMIZERS)


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
def test_weight_decay_of_the_others_is_l2_on_kernels(name):
    """Adding `d p` to the gradient of kernels, by hand."""
    decayed, _ = make(name=name, weight_decay=0.3)
    plain, _ = make(name=name)
    params, state, step_once = PARAMS, plain.init(PARAMS), jax.jit(one_step(plain))
    for step in range(4):
        grads = jax.tree.map(
            lambda g, p, k: g + np.float32(0.3 * k) * p,
            gradients(step),
            params,
            KERNELS,
        )
        params, state = step_once(grads, state, params)
    assert_equal(run(decayed), params)


def test_clipping_by_hand():
    tx, _ = make(name="sgd", momentum=0, clip_norm=2, learning_rate=1.0)
    norm = optax.tree.norm(gradients(0))
    assert norm > 2
    updates, _ = tx.update(gradients(0), tx.init(PARAMS), PARAMS)
    assert_equal(updates, jax.tree.map(lambda g: -g * 2 / norm, gradients(0)))
    small = jax.tree.map(lambda g: g / 100, gradients(0))
    updates, _ = tx.update(small, tx.init(PARAMS), PARAMS)
    assert_equal(updates, jax.tree.map(lambda g: -g, small))


def test_decay_is_not_clipped():
    tx, _ = make(
        name="sgd", momentum=0, clip_norm=1e-3, learning_rate=1.0, weight_decay=0.5
    )
    zero = jax.tree.map(jnp.zeros_like, PARAMS)
    updates, _ = tx.update(zero, tx.init(PARAMS), PARAMS)
    assert_equal(updates["head"], jax.tree.map(lambda p: -0.5 * p, PARAMS["head"]))


def test_accumulated_micro_batches_equal_one_big_batch():
    def mean(step):
        four = [gradients(4 * step + i) for i in range(4)]
        return jax.tree.map(lambda *g: sum(g) / 4, *four)

    options = {"name": "sgd", "schedule": "constant", "weight_decay": 0.1}
    many, _ = make(**options, accumulate_steps=4)
    one, _ = make(**options)
    assert_equal(run(many, steps=8), run(one, steps=2, given=mean), rtol=1e-5)


def test_with_accumulation_the_rate_is_that_of_the_train_step():
    """Two updates in steps 0-3 and 4-7 use the rates of steps 0 and 4."""
    options = {"name": "sgd", "momentum": 0, "schedule": "poly", "power": 1}
    tx, rate = make(**options, accumulate_steps=4, num_steps=8, learning_rate=1.0)
    ones = jax.tree.map(jnp.ones_like, PARAMS)
    params = run(tx, steps=8, given=lambda _: ones)
    moved = jax.tree.map(lambda a, b: a - b, PARAMS, params)
    assert_equal(moved, jax.tree.map(lambda p: p * (rate(0) + rate(4)), ones))
    assert float(rate(0) + rate(4)) == 1.5


def test_frozen_parameters_never_change_nor_count_for_clipping():
    options = {"weight_decay": 0.1, "clip_norm": 1.0, "freeze": ("^down0/",)}
    tx, _ = make(**options)
    params = run(tx)
    jax.tree.map(np.testing.assert_array_equal, params["down0"], PARAMS["down0"])
    assert (params["head"]["kernel"] != PARAMS["head"]["kernel"]).all()

    def huge(step):
        grads = gradients(step)
        return grads | {"down0": jax.tree.map(lambda g: 1e6 * g, grads["down0"])}

    assert_equal(run(tx, given=huge), params)


@pytest.mark.parametrize("name", optim.OPTIMIZERS)
@pytest.mark.parametrize("accumulate_steps", [1, 2])
def test_state_is_arrays_and_resumes_bit_for_bit(name, accumulate_steps):
    """Through numpy and a transformation made anew, as a checkpoint does it."""
    section = {
        "name": name,
        "schedule": "cosine",
        "warmup_steps": 2,
        "weight_decay": 0.1,
        "clip_norm": 1.0,
        "accumulate_steps": accumulate_steps,
    }
    params, state = PARAMS, make(**section)[0].init(PARAMS)
    for steps in (range(3), range(3, 5)):
        tx = make(**section)[0]
        leaves, tree = jax.tree.flatten(state)
        assert all(isinstance(leaf, jax.Array) for leaf in leaves)
        assert tree == jax.tree.structure(tx.init(PARAMS))
        state = jax.tree.unflatten(tree, [jnp.asarray(np.asarray(x)) for x in leaves])
        step_once = jax.jit(one_step(tx))
        for step in steps:
            params, state = step_once(gradients(step), state, params)
    straight = run(make(**section)[0], steps=5)
    jax.tree.map(np.testing.assert_array_equal, params, straight)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"name": "adamv"}, "config.optim.name='adamv': .*Did you mean 'adam"),
        ({"schedule": "polly"}, "config.optim.schedule='polly': .*Did you mean 'poly'"),
        ({"lerning_rate": 1.0}, "config.optim.lerning_rate: no such option"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0: is out of range; use 0 or more"),
        ({"learning_rate": float("nan")}, "learning_rate=nan: is out of range"),
        ({"learning_rate": "1e-3"}, "learning_rate='1e-3': is a str"),
        ({"learning_rate": True}, "learning_rate=True: is a bool"),
        ({"warmup_steps": -1}, "warmup_steps=-1: is out of range"),
        ({"warmup_steps": 1.5}, "warmup_steps=1.5: is a float; int is allowed"),
        ({"warmup_steps": 10}, "warmup_steps=10: is not below the run's 10 steps"),
        ({"clip_norm": 0.0}, "clip_norm=0.0: is out of range; use above 0, or None"),
        ({"weight_decay": -0.1}, "weight_decay=-0.1: is out of range"),
        ({"accumulate_steps": 0}, "accumulate_steps=0: is out of range"),
        (
            {"momentum": 0.9},
            "momentum=0.9: 'adamw' has no such option; rmsprop, sgd",
        ),
        (
            {"power": 0.9, "schedule": "cosine"},
            "power=0.9: 'cosine' has no such op",
        ),
        ({"schedule": "step"}, "config.optim.boundaries: is missing; 'step' needs it"),
        ({"b1": 1.0}, "b1=1.0: is out of range"),
        ({"decay_mask": "("}, r"decay_mask='\(': is no regular expression"),
        ({"freeze": ("(",)}, r"freeze='\(': is no regular expression"),
        ({"freeze": "encoder"}, "freeze='encoder': is a str"),
    ],
)
def test_problems_are_named(section, message):
    section = {"learning_rate": 0.1} | section
    found = optim.problems(section, num_steps=10)
    assert len(found) == 1
    with pytest.raises(UserError, match=message):
        raise UserError(found)


def test_all_problems_at_once():
    section = {"name": "x", "learning_rate": "1", "clip_norm": -1.0, "b3": 1}
    assert len(optim.problems(section, num_steps=10)) == 4
    with pytest.raises(UserError) as caught:
        make(name="x", learning_rate=-1.0, clip_norm=-1.0)
    assert len(caught.value.problems) == 3


def test_num_steps_belongs_to_the_run():
    assert optim.problems({"learning_rate": 0.1, "warmup_steps": 400}) == []
    assert "learning_rate: is missing" in optim.problems({})[0]
    section = {"learning_rate": 0.1, "num_steps": 1}
    assert "num_steps: no such option" in optim.problems(section)[0]
