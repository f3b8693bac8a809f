"""Smoothing, against loops over windows and scipy."""

import collections

import numpy as np
import pytest
from scipy import ndimage

from segjax.postprocess.smooth import LANES, Gaussian, Median, Mode


def speckled(shape, classes, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, classes, shape).astype(np.uint8)


def windows(ids, size):
    padded = np.pad(ids, size // 2, mode="symmetric")
    for y, x in np.ndindex(ids.shape):
        yield y, x, padded[y : y + size, x : x + size].ravel().tolist()


def mode(ids, size):
    found = ids.copy()
    for y, x, window in windows(ids, size):
        votes = collections.Counter(window)
        best = [k for k, n in votes.items() if n == max(votes.values())]
        found[y, x] = ids[y, x] if ids[y, x] in best else min(best)
    return found


@pytest.mark.parametrize("size", [3, 5, 17])
@pytest.mark.parametrize(("shape", "K"), [((9, 14), 2), ((12, 7), 12), ((1, 6), 3)])
def test_mode_is_a_count_of_each_window(shape, K, size):
    ids = speckled(shape, K)
    np.testing.assert_array_equal(Mode(size).ids(ids, None, K), mode(ids, size))


@pytest.mark.parametrize("size", [15, 17, 255, 257])  # on both sides of each lane
def test_votes_of_a_whole_window_are_counted(size):
    ids = np.full((1, 90), 9, np.uint8)
    ids[:, :20] = 2
    assert (size**2 > np.iinfo(LANES[0]).max) == (size > 15)
    assert (size**2 > np.iinfo(LANES[1]).max) == (size > 255)
    np.testing.assert_array_equal(Mode(size).ids(ids, None, 10), mode(ids, size))


def test_median_is_that_of_scipy_and_of_each_window():
    ids = speckled((13, 8), 2)
    found = Median(5).ids(ids, None, 2)
    np.testing.assert_array_equal(found, mode(ids, 5))
    np.testing.assert_array_equal(found, ndimage.median_filter(ids, 5))


def test_gaussian_is_a_weighted_mean_of_each_class():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(3), (11, 13)).astype(np.float32)
    found = Gaussian(1.2).shares(shares, None)
    line = np.exp(-0.5 * (np.arange(-5, 6) / 1.2) ** 2)
    weights = np.outer(line, line) / line.sum() ** 2
    padded = np.pad(shares, ((5, 5), (5, 5), (0, 0)), mode="symmetric")
    for y, x in np.ndindex(11, 13):
        window = padded[y : y + 11, x : x + 11].astype(np.float64)
        mean = (weights[..., None] * window).sum((0, 1))
        np.testing.assert_allclose(found[y, x], mean, atol=2e-5)
