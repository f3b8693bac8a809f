"""OHEM by hand: which pixels count, and that nothing else has a gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE
from segjax.losses import make
from segjax.losses.hard import ohem

PROBABILITY = np.array([0.99, 0.9, 0.8, 0.6, 0.3, 0.5], np.float32)
"""Of the true class; the last pixel is ignored."""


def pixels(task):
    odds = np.log(PROBABILITY / (1 - PROBABILITY))
    labels = np.array([1, 0, 1, 0, 1, IGNORE], np.uint8).reshape(1, 2, 3)
    sign = np.where(labels.ravel() == 0, -1, 1)
    score = (sign * odds).reshape(1, 2, 3, 1).astype(np.float32)
    logits = score if task == "binary" else np.concatenate([0 * score, score], -1)
    return jnp.asarray(logits), jnp.asarray(labels)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize(
    "threshold, min_share, counted",
    [
        (0.7, 0.0, [3, 4]),
        (0.7, 0.1, [3, 4]),
        (0.7, 0.6, [2, 3, 4]),  # the three hardest of five
        (0.2, 0.0, []),
        (0.2, 0.3, [3, 4]),
        (1.0, 0.0, [0, 1, 2, 3, 4]),
    ],
)
def test_the_pixels_that_count(task, threshold, min_share, counted):
    logits, labels = pixels(task)
    options = dict(task=task, threshold=threshold, min_share=min_share)
    value, gradient = jax.value_and_grad(ohem)(logits, labels, **options)
    expected = -np.log(PROBABILITY[counted]).mean() if counted else 0.0
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    moved = np.flatnonzero(np.abs(gradient).sum(-1).ravel())
    assert moved.tolist() == counted


def test_ranges():
    for wrong in ({"threshold": 0.0}, {"threshold": 1.5}, {"min_share": -0.1}):
        with pytest.raises(UserError, match=f"ohem.{next(iter(wrong))}"):
            make({"ohem": wrong}, "multiclass")
