"""Calibration and ranking against scikit-learn on the exact probabilities."""

import re

import numpy as np
import pytest
from scipy.special import expit

from segjax.core.errors import UserError
from segjax.metrics import bins as cuts
from segjax.metrics import calibration, ranking
from segjax.metrics.probabilities import Probabilities

BINS = 256
N = 20_000


def drawn(seed, sharp=1.0, share=0.2):
    """Probabilities of a class and whether it is so; too sure of it if sharp."""
    rng = np.random.default_rng(seed)
    so = rng.random(N) < share
    z = sharp * (rng.normal(0, 1.5, N) + 2.0 * so - 1.5)
    return expit(z), so


def histogram(p, so, bins=BINS):
    place = np.searchsorted(cuts.edges(bins)[1:-1], p, side="right")
    return np.stack([np.bincount(place[so == b], minlength=bins) for b in (0, 1)], 1)


def middles(p):
    """The middle of the bin of each probability: those in a bin are ties."""
    edges = cuts.edges(BINS)
    place = np.searchsorted(edges[1:-1], p, side="right")
    return (edges[place] + edges[place + 1]) / 2


@pytest.fixture(params=[(0, 1.0), (1, 4.0), (2, 0.3), (3, 12.0)], ids=str)
def case(request):
    p, so = drawn(*request.param)
    return p, so, histogram(p, so)


def test_areas_are_within_their_bounds_of_scikit_learns(case):
    sklearn = pytest.importorskip("sklearn.metrics")
    p, so, counts = case
    area, off = ranking.auc(counts)
    assert abs(area - sklearn.roc_auc_score(so, p)) <= off < 0.01
    precision, least, most = ranking.average_precision(counts)
    assert least <= sklearn.average_precision_score(so, p) <= most
    assert least <= precision <= most < least + 0.04


def test_of_the_same_ties_areas_are_scikit_learns(case):
    sklearn = pytest.importorskip("sklearn.metrics")
    p, so, counts = case
    tied = middles(p)
    expected = sklearn.roc_auc_score(so, tied)
    assert ranking.auc(counts)[0] == pytest.approx(expected, rel=1e-12)
    expected = sklearn.average_precision_score(so, tied)
    assert ranking.average_precision(counts)[0] == pytest.approx(expected, rel=1e-9)
    false, true, _ = sklearn.roc_curve(so, tied, drop_intermediate=False)
    ours = ranking.roc(counts)
    assert {*zip(false, true, strict=True)} <= {*zip(*ours.tolist(), strict=True)}


def test_brier_and_calibration_are_within_their_bounds(case):
    sklearn = pytest.importorskip("sklearn.metrics")
    calibration_curve = pytest.importorskip("sklearn.calibration").calibration_curve
    p, so, counts = case
    widest = np.diff(cuts.edges(BINS)).max()
    value, off = calibration.brier(counts)
    assert abs(value - sklearn.brier_score_loss(so, p)) <= off < widest
    true, believed = calibration_curve(so, p, n_bins=cuts.GROUPS)
    found = calibration.reliability(counts)
    found = found[found[:, 2] > 0]
    np.testing.assert_allclose(found[:, 1], true, rtol=1e-12)
    np.testing.assert_allclose(found[:, 0], believed, atol=widest / 2)
    share = np.histogram(p, cuts.GROUPS, (0, 1))[0]
    share = share[share > 0] / N
    expected = (share * np.abs(true - believed)).sum()
    error, off = calibration.expected_error(counts)
    assert abs(error - expected) <= off <= widest / 2


def test_the_bounds_of_average_precision_are_reached():
    """Two bins; any order within them: the worst and the best by hand."""
    counts = np.zeros((32, 2), np.int64)
    counts[3], counts[12] = (2, 1), (1, 2)  # (not so, so), from low to high
    value, least, most = ranking.average_precision(counts)
    assert value == pytest.approx((2 * 2 / 3 + 3 / 6) / 3)
    assert least == pytest.approx((1 / 2 + 2 / 3 + 3 / 6) / 3)
    assert most == pytest.approx((1 / 1 + 2 / 2 + 3 / 4) / 3)


def test_youden_by_brute_force(case):
    p, so, counts = case
    cut, found, spared = ranking.youden(counts)
    assert found == (p[so] >= cut).mean()
    assert spared == pytest.approx((p[~so] < cut).mean(), rel=1e-12)
    best = max((p[so] >= t).mean() + (p[~so] < t).mean() for t in cuts.edges(BINS))
    assert found + spared == pytest.approx(best, rel=1e-12)


def test_risk_coverage_by_brute_force():
    p, so = drawn(3)
    sure, right = np.maximum(p, 1 - p), (p > 0.5) == so
    counts = histogram(sure, right)
    order = np.argsort(-sure, kind="stable")
    risk = np.cumsum(~right[order]) / np.arange(1, N + 1)
    coverage, found = calibration.risk_coverage(counts)
    places = np.round(coverage * N).astype(int) - 1
    np.testing.assert_allclose(found, risk[places], rtol=1e-12)
    assert coverage[-1] == 1 and found[-1] == (~right).mean()
    assert calibration.risk_area(counts) == pytest.approx(risk.mean(), abs=2e-3)


def test_nothing_to_score_is_nan():
    none = np.zeros((BINS, 2), np.int64)
    one_sided = none.copy()
    one_sided[5, 0] = 9
    for counts in (none, one_sided):
        assert np.isnan(ranking.auc(counts)).all()
        assert np.isnan(ranking.average_precision(counts)).all()
        assert np.isnan(ranking.youden(counts)).all()
    assert np.isnan(calibration.expected_error(none)).all()
    assert np.isnan(calibration.brier(none)).all()
    assert np.isnan(calibration.risk_area(none))


def split_of(p, labels):
    """What a measure finds in two images, and their confusion counts."""
    K = p.shape[1]
    halves = np.array_split(np.arange(len(labels)), 2)
    ids = p.argmax(1)
    found = {
        "probability": np.stack(
            [[histogram(p[h, k], labels[h] == k) for k in range(K)] for h in halves]
        ),
        "confidence": np.stack(
            [histogram(p[h].max(1), (labels == ids)[h]) for h in halves]
        ),
    }
    pairs = [np.bincount(labels[h] * K + ids[h], minlength=K * K) for h in halves]
    return found, np.reshape(pairs, (2, K, K))


def test_a_split_of_three_classes_equals_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(5)
    labels = rng.choice(3, 6000, p=[0.7, 0.25, 0.05])
    logits = rng.normal(0, 1, (6000, 3)) + 2 * np.eye(3)[labels]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    result = Probabilities(BINS).result(*split_of(p, labels))
    expected = {
        "auc": sklearn.roc_auc_score(labels, p, multi_class="ovr"),
        "average_precision": sklearn.average_precision_score(np.eye(3)[labels], p),
        "brier": sklearn.brier_score_loss(labels, p, scale_by_half=False),
    }
    said = [float(number) for number in re.findall(r"0\.\d{4}", *result.notes)]
    off = dict(zip(("ece", "brier", "auc", "average_precision"), said, strict=True))
    for name, value in expected.items():
        assert off[name] < 0.02
        assert result.summary[name] == pytest.approx(value, abs=off[name]), name
    recall = sklearn.recall_score(labels, p.argmax(1), average=None)
    np.testing.assert_allclose(result.classes["sensitivity"], recall)
    np.testing.assert_allclose(
        result.classes["specificity"],
        [sklearn.recall_score(labels != k, p.argmax(1) != k) for k in range(3)],
    )


def test_of_two_classes_the_whole_is_the_foreground():
    sklearn = pytest.importorskip("sklearn.metrics")
    p, so = drawn(4)
    both = np.stack([1 - p, p], 1)
    result = Probabilities(BINS).result(*split_of(both, so.astype(int)))
    assert result.summary["auc"] == result.classes["auc"][1]
    assert result.summary["brier"] == result.classes["brier"][1]
    expected = sklearn.average_precision_score(so, p)
    assert result.summary["average_precision"] == pytest.approx(expected, abs=5e-3)


@pytest.mark.parametrize("bins", [32, 64, 256, 4096])
def test_groups_of_bins_are_equal_and_edges_rise(bins):
    edges = cuts.edges(bins)
    assert len(edges) == bins + 1 and (edges[0], edges[-1]) == (0, 1)
    assert (np.diff(cuts.log_odds(bins)) > 0).all() and (np.diff(edges) >= 0).all()
    starts = cuts.starts(bins)
    np.testing.assert_allclose(edges[starts], np.arange(16) / 16, rtol=1e-12)
    np.testing.assert_allclose(edges + edges[::-1], 1, rtol=1e-12)
    z = cuts.log_odds(bins)[1 : starts[1] + 1]
    np.testing.assert_allclose(z[:-1] / z[1:], cuts.factor(bins), rtol=1e-12)
    assert z[0] == pytest.approx(-cuts.MOST)


@pytest.mark.parametrize("bins", [0, 16, 250, 8192])
def test_bins_are_a_multiple_of_thirty_two(bins):
    with pytest.raises(UserError, match="multiple of 32"):
        Probabilities(bins)
