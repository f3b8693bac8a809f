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
def test_means_equal_those_of_the_metrics(name, convention, columns):
    counts = sums(columns)
    expected = [scores.METRICS[name](c, convention) for c in counts]
    found = scoring.find(name, NAMES, convention).of(counts.reshape(2, 3, 4, columns))
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-13)


@pytest.mark.parametrize("name, each", scoring.CLASS_SCORES.items())
def test_a_class_by_its_name(name, each):
    found = scoring.find(f"{name}/c", NAMES, "union")
    np.testing.assert_array_equal(found.of(sums(4)), each(sums(4))[:, 2])
    assert found.title.endswith("of c")


@pytest.mark.parametrize("name", ["mioo", "iou/roads", "iou", "recall/a"])
def test_an_unknown_score_is_refused_with_those_that_are_known(name):
    with pytest.raises(UserError, match=r"Known: .*a"):
        scoring.find(name, NAMES, "union")
