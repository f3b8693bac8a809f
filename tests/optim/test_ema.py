"""The average of weights by hand."""

import jax
import jax.numpy as jnp
import numpy as np

from segjax.optim import ema


def test_decay_warms_up():
    steps = [0, 1, 90, 10_000]
    expected = [1 / 10, 2 / 11, 91 / 100, 0.99]
    np.testing.assert_allclose([ema.at(0.99, s) for s in steps], expected, rtol=1e-6)


def test_update_by_hand():
    old = {"params": {"kernel": jnp.asarray([1.0, 2.0])}, "batch_stats": {}}
    new = {"params": {"kernel": jnp.asarray([3.0, 2.0])}, "batch_stats": {}}
    update = jax.jit(lambda step: ema.update(old, new, 0.75, step))
    average = update(jnp.int32(10**6))
    np.testing.assert_allclose(average["params"]["kernel"], [1.5, 2.0])
    average = ema.update(old, new, 0.75, 0)  # 0.1 of the old
    np.testing.assert_allclose(average["params"]["kernel"], [2.8, 2.0], rtol=1e-6)


def test_without_decay_it_is_the_new():
    old, new = {"w": jnp.ones(3)}, {"w": jnp.asarray([5.0, -1.0, 0.1])}
    np.testing.assert_array_equal(ema.update(old, new, 0.0, 7)["w"], new["w"])


def test_the_average_of_what_stays_is_exactly_that():
    same = jnp.linspace(-3, 7, 1000)
    average = same
    for step in range(0, 400, 80):
        average = ema.update(average, same, 0.99, step)
    np.testing.assert_array_equal(average, same)
