"""Compilations are counted by the name of the function."""

import jax
import jax.numpy as jnp

from segjax.train import compiled


def test_each_shape_counts_once():
    @jax.jit
    def forecast(x):
        return 2 * x

    before = compiled.counts()
    for size in (3, 3, 4, 3):
        forecast(jnp.zeros(size))
    assert (compiled.counts() - before)["forecast"] == 2
    forecast.lower(jnp.zeros(5)).compile()
    assert (compiled.counts() - before)["forecast"] == 3
