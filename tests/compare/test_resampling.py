"""Intervals, differences and corrections, against SciPy and against simulated truth."""

import numpy as np
import pytest
import scipy.stats

from benchmarks.null import World, miou, simulate
from segjax.compare import statistics
from segjax.compare.statistics import Arm
from segjax.core.errors import UserError

SCORE = statistics.pooled(miou)
RNG = np.random.default_rng(0)
N, K = 40, 3


def arm(name="a", seeds=3, shift=0.0, seed=0, groups=None):
    rng = np.random.default_rng(seed)
    image = 30 * rng.random((1, N, 1, 1))
    hits = 100 + image + 100 * shift + rng.normal(0, 3, (seeds, 1, 1, 1))
    counts = np.rint(20 + 5 * rng.random((seeds, N, K, K)) + hits * np.eye(K))
    return Arm(name, counts.astype(np.int64), groups or ("",) * N)


def test_the_value_is_the_mean_over_seeds_of_the_pooled_score():
    found = statistics.estimate(arm(), SCORE)
    by_hand = [miou(c.sum(0)[None])[0] for c in arm().counts]
    assert found.seeds == pytest.approx(by_hand, rel=1e-12)
    assert found.value == pytest.approx(np.mean(by_hand), rel=1e-12)
    assert found.seed_sd == pytest.approx(np.std(by_hand, ddof=1), rel=1e-12)
    assert found.low < found.value < found.high


def accuracy(counts):
    return counts.trace(axis1=-2, axis2=-1) / counts.sum((-2, -1))


def test_the_spread_over_images_is_that_of_scipy():
    """Of a mean over images; SciPy resamples the images of one training."""
    one = arm(seeds=1)

    def mean_of_images(weights, counts):
        return weights @ accuracy(counts) / weights.sum(1)

    found = statistics.estimate(one, mean_of_images, draws=4000)
    values = accuracy(one.counts[0])
    reference = scipy.stats.bootstrap((values,), np.mean, rng=1, method="percentile")
    assert found.images_sd == pytest.approx(reference.standard_error, rel=0.06)
    assert found.images_sd == pytest.approx(np.std(values, ddof=1) / N**0.5, rel=0.05)
    student = scipy.stats.t.interval(0.95, N - 1, np.mean(values), found.images_sd)
    assert (found.low, found.high) == pytest.approx(student, rel=1e-9)


def test_seeds_alone_are_a_welch_test():
    """Where all images are alike, only the trainings differ."""
    rng = np.random.default_rng(3)
    both = []
    for name, sd, seeds in (("a", 9, 4), ("b", 3, 6)):
        hits = 500 + np.rint(rng.normal(0, sd, (seeds, 1)))
        rows = np.stack([np.stack([hits, 1000 - hits], -1)] * 2, -2)
        both.append(Arm(name, np.repeat(rows, N, 1).astype(np.int64), ("",) * N))

    def first(counts):
        return counts[..., 0, 0] / counts[..., 0, :].sum(-1)

    found = statistics.difference(*both, statistics.pooled(first))
    scores = [[first(c.sum(0)) for c in a.counts] for a in both]
    reference = scipy.stats.ttest_ind(*scores, equal_var=False)
    assert found.images_sd == pytest.approx(0, abs=1e-12)
    assert found.p == pytest.approx(reference.pvalue, rel=1e-6)
    interval = reference.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx(tuple(interval), rel=1e-6)


def test_a_difference_is_paired():
    """What both arms find hard does not make their difference uncertain."""
    a = arm(seeds=1)
    counts = a.counts.copy()
    counts[..., range(K), range(K)] += 1
    b = Arm("b", counts, a.groups)
    found = statistics.difference(b, a, SCORE)
    apart = statistics.estimate(a, SCORE).images_sd
    assert found.value > 0
    assert found.images_sd < 0.1 * apart
    assert found.p < 1e-6
    assert found.one_seed


def test_arms_that_share_their_trainings_are_paired_by_training():
    """Where all images are alike it is the paired t-test of SciPy, in any order."""
    rng = np.random.default_rng(4)
    hits = np.stack([np.rint(rng.normal(500, 40, 4))] * 2)
    hits[1] += np.array([12, 9, 14, 11])
    counts = [
        np.broadcast_to(
            np.stack([np.stack([h, 1000 - h], -1)] * 2, -2)[:, None], (4, 6, 2, 2)
        ).astype(np.int64)
        for h in hits
    ]
    score = statistics.pooled(lambda c: c[:, 0, 0] / c[:, 0].sum(-1))
    groups, names = ("",) * 6, ("r", "s", "t", "u")
    a = Arm("a", counts[1][::-1], groups, names[::-1])
    found = statistics.difference(a, Arm("b", counts[0], groups, names), score)
    exact = scipy.stats.ttest_rel(hits[1] / 1000, hits[0] / 1000)
    assert found.shared and found.p == pytest.approx(exact.pvalue, rel=1e-9)
    low, high = exact.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9)
    other = Arm("b", counts[0], groups, ("r", "s", "t", "v"))
    apart = statistics.difference(a, other, score)
    assert not apart.shared and apart.p > 0.3


def test_an_arm_against_itself_is_no_difference():
    found = statistics.difference(arm(), arm(), SCORE)
    assert (found.value, found.images_sd) == (0, 0)
    assert found.p == 1
    assert statistics.better(arm(), arm(), SCORE) == 0.5


def test_the_share_of_images_is_counted_by_hand():
    a, b = arm(seed=1), arm(seed=2)
    ours, theirs = (
        np.mean([[miou(c[None])[0] for c in s] for s in x.counts], 0) for x in (a, b)
    )
    assert statistics.better(a, b, SCORE) == pytest.approx(np.mean(ours > theirs))


def test_effect_is_hedges_g():
    found = statistics.difference(arm(shift=0.1), arm("b", seed=5), SCORE)
    x, y = (
        np.array(statistics.estimate(a, SCORE).seeds)
        for a in (arm(shift=0.1), arm("b", seed=5))
    )
    pooled = np.sqrt((x.var(ddof=1) + y.var(ddof=1)) / 2)
    assert found.effect == pytest.approx((x.mean() - y.mean()) / pooled * (1 - 3 / 15))


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("holm", (0.03, 0.06, 0.06, 0.02)),
        ("benjamini_hochberg", (0.02, 0.04, 0.04, 0.02)),
        ("none", (0.01, 0.04, 0.03, 0.005)),
    ],
)
def test_corrections(method, expected):
    """Holm 1979 and Benjamini, Hochberg 1995, by hand."""
    found = statistics.adjust((0.01, 0.04, 0.03, 0.005), method)
    assert found == pytest.approx(expected)


def test_a_correction_that_is_not_known_is_refused():
    with pytest.raises(UserError, match="Known: holm"):
        statistics.adjust((0.1,), "bonferoni")
    assert statistics.adjust(()) == ()


@pytest.mark.parametrize(
    ("groups", "clusters", "words"),
    [
        (("",) * 30, 30, "images, each for itself"),
        (("a", "b", "c", "d", "e") * 6, 5, "5 groups"),
        (("a",) * 101, 10, "1 group is too few"),
        (("a",) * 20 + ("b",) * 31, 5, "2 groups are too few"),
    ],
)
def test_clusters(groups, clusters, words):
    found, sentence = statistics.clusters_of(groups)
    assert len(found) == len(groups)
    assert found.max() + 1 == clusters
    assert words in sentence
    for a, b, same in zip(groups, groups[1:], found[1:] == found[:-1], strict=False):
        assert a == b or not same or not any(groups)


def test_a_cluster_is_drawn_whole_and_equally_for_both():
    groups = tuple("aabbccddee")
    weights, clusters = statistics.resamples(groups, 50, seed=1)
    assert clusters == 5
    assert (weights[:, ::2] == weights[:, 1::2]).all()
    assert (weights.sum(1) == 10).all()
    again, _ = statistics.resamples(groups, 50, seed=1)
    assert np.array_equal(weights, again)
    assert not np.array_equal(weights, statistics.resamples(groups, 50, seed=2)[0])


def test_what_cannot_be_said_is_refused():
    with pytest.raises(UserError, match="the same images"):
        other = Arm("b", arm().counts[:, :20], ("",) * 20)
        statistics.difference(arm(), other, SCORE)
    with pytest.raises(UserError, match="1 cluster"):
        statistics.estimate(Arm("a", arm().counts[:, :1], ("",)), SCORE)


def test_equal_arms_are_seldom_told_apart_and_a_planted_shift_is_found():
    """The thousand studies of a setting are `benchmarks/null.py`; here a few."""
    found = simulate(World(60, 12, 4), studies=60, draws=200)
    assert found["told_apart"] <= 8 / 60  # 3 expected; 9 or more in 1 of 300 such tests
    assert found["any_of_three_told_apart"] <= 8 / 60
    assert found["planted_found"] > 0.5
    assert found["interval_of_difference_holds"] > 0.85
    assert found["interval_of_arm_holds"] > 0.85
