"""Scores of many sums at once equal those of one."""

import numpy as np
import pytest

from segjax.compare import scoring
from segjax.core.errors import UserError
from segjax.metrics import scores

NAMES = ("a", "b", "c", "d")


def sums(columns):
    rng = np.random.default_rng(0)
    made = rng.integers(0, 50, (6, 4, columns))
    made[1] = 0
    made[2, 3], made[2, :, 3] = 0, 0  # absent
    made[3, 2] = 0  # predicted, never true
    return made


@pytest.mark.parametrize("columns", [4, 5])
@pytest.mark.parametrize("convention", scores.CONVENTIONS)
@pytest.mark.parametrize("name", scoring.TITLES)
def test_resampled_scores_equal_those_of_the_metrics(name, convention, columns):
    counts = sums(columns)
    weights = np.array([[1] * 6, [0, 2, 0, 1, 3, 0], [0, 6, 0, 0, 0, 0]])
    repeated = [np.repeat(counts, own, axis=0) for own in weights]
    expected = [scores.METRICS[name](c, convention) for c in repeated]
    score = scoring.find(name, NAMES, convention)
    np.testing.assert_allclose(score.weighted(weights, counts), expected, rtol=1e-13)
    assert score.whole(counts) == pytest.approx(expected[0], nan_ok=True)
    assert score.images(counts).shape == (6,)


@pytest.mark.parametrize("name, each", scoring.CLASS_SCORES.items())
def test_a_class_by_its_name(name, each):
    found = scoring.find(f"{name}/c", NAMES, "union")
    np.testing.assert_array_equal(found.of(sums(4)), each(sums(4))[:, 2])
    assert found.title.endswith("of c")


@pytest.mark.parametrize("name", ["mioo", "iou/roads", "iou", "recall/a"])
def test_an_unknown_score_is_refused_with_those_that_are_known(name):
    with pytest.raises(UserError, match=r"Known: .*a"):
        scoring.find(name, NAMES, "union")
