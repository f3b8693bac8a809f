"""Class weights against hand-worked values."""

import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.losses import weights

COUNTS = np.asarray([800, 100, 0, 100, 400], np.int64)


def test_median_frequency_by_hand():
    # shares of the present classes 4/7, 1/14, 1/14, 2/7: median (1/14 + 2/7) / 2 = 5/28
    expected = (5 / 16, 5 / 2, 1.0, 5 / 2, 5 / 8)
    np.testing.assert_allclose(weights.median_frequency(COUNTS), expected)
    clipped = weights.median_frequency(COUNTS, clip=2.0)
    np.testing.assert_allclose(clipped, np.minimum(expected, 2))
    gentle = weights.median_frequency(COUNTS, clip=2.0, power=0.5)
    np.testing.assert_allclose(gentle, np.sqrt(np.minimum(expected, 2)))


def test_median_frequency_of_the_paper_counts_images_with_the_class():
    totals = np.asarray([1600, 400, 0, 200, 1600], np.int64)
    # shares 1/2, 1/4, -, 1/2, 1/4; median 3/8
    expected = (0.75, 1.5, 1.0, 0.75, 1.5)
    np.testing.assert_allclose(weights.median_frequency(COUNTS, totals), expected)


def test_equal_classes_weigh_one():
    equal = np.full(7, 12345, np.int64)
    assert weights.median_frequency(equal) == (1.0,) * 7


def test_inverse_log_frequency_by_hand():
    value = weights.inverse_log_frequency(np.asarray([0, 10], np.int64))
    np.testing.assert_allclose(value, (1 / np.log(1.02), 1 / np.log(2.02)))


def test_inverse_frequency_by_hand():
    # the mean of the present classes is 350
    expected = (350 / 800, 3.5, 1.0, 3.5, 350 / 400)
    np.testing.assert_allclose(weights.inverse_frequency(COUNTS), expected)
    gentle = weights.inverse_frequency(COUNTS, clip=2.0, power=0.5)
    np.testing.assert_allclose(gentle, np.sqrt(np.minimum(expected, 2)))


def test_effective_number_by_hand():
    beta = 0.99
    raw = np.array([(1 - beta) / (1 - beta**n) for n in COUNTS if n])
    found = np.array(weights.effective_number(COUNTS, beta=beta))
    np.testing.assert_allclose(found[COUNTS > 0], raw / raw.mean())
    assert found[2] == 1
    np.testing.assert_allclose(weights.effective_number(COUNTS, beta=0.0), 1)
    near = np.array(weights.effective_number(COUNTS, beta=1 - 1e-12))[COUNTS > 0]
    share = 1 / COUNTS[COUNTS > 0]
    np.testing.assert_allclose(near, share / share.mean(), rtol=1e-6)
    with pytest.raises(UserError, match="beta=1"):
        weights.effective_number(COUNTS, beta=1.0)


def test_counts_beyond_32_bits():
    big = COUNTS * 10**9
    np.testing.assert_allclose(
        weights.median_frequency(big), weights.median_frequency(COUNTS)
    )


@pytest.mark.parametrize("rule", weights.RULES)
def test_no_pixels_are_refused(rule):
    with pytest.raises(UserError, match="no class has a pixel"):
        weights.resolve(rule, np.zeros(3, np.int64))


def test_resolve_calls_the_rule():
    totals = np.full(5, 1400, np.int64)
    for rule, expected in (
        ("median_frequency", weights.median_frequency(COUNTS)),
        ("median_frequency(clip=2)", weights.median_frequency(COUNTS, clip=2.0)),
        ("inverse_log_frequency()", weights.inverse_log_frequency(COUNTS)),
    ):
        assert weights.resolve(rule, COUNTS) == expected
        assert weights.resolve(rule, COUNTS, totals) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("median_freqency", "Did you mean 'median_frequency'"),
        ("median_frequency(clop=5)", "Did you mean 'clip'"),
        ("median_frequency(clip='5')", "is a str"),
        ("median_frequency(5)", "is not a rule"),
        ("median_frequency(", "is not a rule"),
        ("__import__('os').system('true')", "is not a rule"),
    ],
)
def test_bad_rules_are_refused(rule, message):
    with pytest.raises(UserError, match=message):
        weights.resolve(rule, COUNTS)
