"""Learning rates by hand at the start, in the middle and at the end."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax import optim
from segjax.optim.schedules import SCHEDULES, make

CASES = [
    ("constant", {}, {0: 1, 50: 1, 100: 1}),
    ("poly", {}, {0: 1, 50: 0.5**0.9, 100: 0}),
    ("poly", {"power": 2.0, "end_factor": 0.2}, {0: 1, 50: 0.4, 100: 0.2}),
    ("cosine", {}, {0: 1, 25: (1 + np.sqrt(0.5)) / 2, 50: 0.5, 100: 0}),
    ("cosine", {"end_factor": 0.2}, {0: 1, 50: 0.6, 100: 0.2}),
    (
        "exponential",
        {"every": 50, "factor": 0.25},
        {0: 1, 25: 0.5, 50: 0.25, 100: 0.0625},
    ),
    (
        "step",
        {"boundaries": (40, 80), "factor": 0.5},
        {0: 1, 39: 1, 40: 0.5, 79: 0.5, 80: 0.25, 100: 0.25},
    ),
]


@pytest.mark.parametrize(("name", "options", "values"), CASES)
def test_values_by_hand(name, options, values):
    rate = make(name, 3.0, 100, **options)
    for step, factor in values.items():
        np.testing.assert_allclose(rate(step), 3 * factor, rtol=1e-6, atol=1e-7)
        compiled = jax.jit(rate)(jnp.int32(step))
        # XLA's power of 0 may be 1e-7 in a compiled function
        np.testing.assert_allclose(compiled, rate(step), rtol=1e-6, atol=1e-6)


def test_every_schedule_is_in_the_test_above():
    assert {name for name, *_ in CASES} == set(SCHEDULES)


@pytest.mark.parametrize(("name", "options", "values"), CASES[:-1])
def test_warm_up_rises_to_the_start_of_the_shape(name, options, values):
    rate = make(name, 3.0, 120, warmup_steps=20, **options)
    for step in (0, 5, 20):
        np.testing.assert_allclose(rate(step), 3 * step / 20, rtol=1e-6)
    for step, factor in values.items():
        np.testing.assert_allclose(rate(20 + step), 3 * factor, rtol=1e-6, atol=1e-7)


def test_boundaries_count_from_the_start_of_the_run():
    rate = make("step", 1.0, 100, warmup_steps=20, boundaries=(40,))
    np.testing.assert_allclose([rate(39), rate(40)], [1, 0.1], rtol=1e-6)


def test_after_the_end_it_stays_at_the_last_value():
    for name, options, values in CASES:
        rate = make(name, 3.0, 100, **options)
        np.testing.assert_allclose(rate(150), 3 * values[100], rtol=1e-6, atol=1e-7)


def test_optim_make_gives_it_for_logging():
    _, rate = optim.make(learning_rate=3, num_steps=100)
    np.testing.assert_allclose(rate(50), 3 * 0.5**0.9, rtol=1e-6)
    assert rate(50).dtype == jnp.float32
