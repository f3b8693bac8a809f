"""Logits to class ids."""

import jax.numpy as jnp
import numpy as np
import pytest

from segjax.predict.decide import decide


def test_multiclass_takes_the_largest_and_the_lowest_id_on_a_tie():
    logits = jnp.array([[[[0.0, 2.0, 1.0], [3.0, 3.0, 1.0], [-9.0, -8.0, -8.0]]]])
    ids = decide(logits, "multiclass")
    assert ids.dtype == jnp.uint8
    assert ids.tolist() == [[[1, 0, 1]]]


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
def test_binary_compares_the_probability_with_the_threshold(threshold):
    logits = np.linspace(-6, 6, 101, dtype=np.float32)
    found = decide(jnp.asarray(logits)[None, None, :, None], "binary", threshold)
    probability = 1 / (1 + np.exp(-logits.astype(np.float64)))
    clear = np.abs(probability - threshold) > 1e-6
    expected = probability > threshold
    assert np.array_equal(np.asarray(found)[0, 0, clear], expected[clear])
    assert 0 < expected.sum() < 101


def test_binary_at_exactly_a_half_is_background():
    assert decide(jnp.zeros((1, 1, 1, 1)), "binary").item() == 0
