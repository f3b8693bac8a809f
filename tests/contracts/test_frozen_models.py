"""Every model, frozen whole, hands its statistics through a train step untouched."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from segjax.models import MODELS
from segjax.optim import frozen
from tests.contracts.small import SMALL


def statistics(name: str, *patterns: str) -> tuple[list, list]:
    """Of a training pass, as symbols: running statistics before it, and after it."""
    model = MODELS[name](num_outputs=3, **SMALL[name])
    side = model.input_side(32)
    frames = (2,) if model.takes_clips else ()
    x = jnp.zeros((2, *frames, side, side, 3))
    variables = jax.eval_shape(model.init, jax.random.key(0), x)
    before = variables.get("batch_stats", {})

    def train(batch_stats, params):
        rngs = {"dropout": jax.random.key(0)}
        with nn.intercept_methods(frozen.interceptor(patterns)):
            _, changed = model.apply(
                {"params": params, "batch_stats": batch_stats},
                jnp.ones(x.shape),
                train=True,
                mutable=["batch_stats"],
                rngs=rngs,
            )
        return changed.get("batch_stats", {})

    traced = jax.make_jaxpr(train)(before, variables["params"]).jaxpr
    return traced.invars[: len(jax.tree.leaves(before))], traced.outvars


@pytest.mark.parametrize("name", list(MODELS))
def test_frozen_statistics_are_handed_through(name):
    before, after = statistics(name, ".")
    assert len(before) == len(after)
    assert all(a is b for a, b in zip(before, after, strict=True))


def test_the_others_are_not():
    before, after = statistics("unet", "^head/")
    assert not any(a is b for a, b in zip(before, after, strict=True))
