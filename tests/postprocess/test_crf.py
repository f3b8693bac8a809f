"""The dense CRF: the authors' code, the exact sums, its lattice, its programs."""

import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.postprocess import lattice, mean_field
from segjax.postprocess.crf import Crf
from tests.postprocess.crf_oracle import CASES, STORED, exact, given, theirs


@pytest.mark.parametrize("name", CASES)
def test_it_answers_what_the_code_of_its_authors_answers(name):
    size, K, step = CASES[name]
    wanted = np.load(STORED)[name]
    shares, image = given(size, K)
    assert np.abs(wanted - shares).max() > 0.1  # or nothing was asked
    np.testing.assert_allclose(step.shares(shares, image), wanted, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_it_answers_that_now_at_other_sizes(name):
    pytest.importorskip("pydensecrf")
    (height, width), K, step = CASES[name]
    shares, image = given((height * 8, width * 4), K, seed=1)
    wanted = theirs(step, shares, image)
    np.testing.assert_allclose(step.shares(shares, image), wanted, atol=1e-4)


@pytest.mark.parametrize("K", [2, 5])
def test_the_lattice_is_near_the_exact_sums(K):
    """The figures of docs/postprocess.md."""
    for seed in range(3):
        shares, image = given((24, 32), K, seed)
        step = Crf(iterations=1)
        error = np.abs(step.shares(shares, image) - exact(step, shares, image))
        assert error.mean() < 0.02 and error.max() < 0.2
        step = Crf()
        wanted = exact(step, shares, image)
        error = np.abs(step.shares(shares, image) - wanted)
        assert error.mean() < 0.15 * np.abs(shares - wanted).mean()


def test_points_lie_in_their_simplices():
    rng = np.random.default_rng(0)
    for d in (1, 2, 5):
        points = (9 * rng.random((d, 5000))).astype(np.float32)
        found = lattice.build(lambda i: points[:, i], 5000, [9.0] * d)  # noqa: B023
        weights = found.weights.transpose(1, 0, 2).reshape(d + 1, -1)
        corners = found.corners.transpose(1, 0, 2).reshape(d + 1, -1)[:, :5000]
        np.testing.assert_allclose(weights[:, :5000].sum(0), 1, atol=1e-5)
        assert (weights > -1e-5).all() and not weights[:, 5000:].any()
        assert set(np.unique(corners)) == set(range(found.size))
        assert (np.sort(corners, 0)[1:] != np.sort(corners, 0)[:-1]).all()


def test_neighbours_are_each_others():
    points = np.random.default_rng(0).random((2, 900), dtype=np.float32) * 5
    found = lattice.build(lambda i: points[:, i], 900, [5.0, 5.0])
    for after, before in found.beside:
        there = np.flatnonzero(after < found.size)
        assert len(there) > 10
        np.testing.assert_array_equal(before[after[there]], there)


def test_equal_points_share_corners_whatever_their_number():
    keys = np.random.default_rng(0).integers(0, 3000, 20_000) * 2**40
    first, number = lattice._distinct(keys)
    assert len(first) == len(np.unique(keys))
    np.testing.assert_array_equal(keys[first][number], keys)


def test_too_fine_a_lattice_is_refused():
    with pytest.raises(UserError, match="too small"):
        lattice.build(lambda i: np.zeros((5, len(i)), np.float32), 9, [1e6] * 5)


def test_images_of_many_sizes_share_a_few_programs():
    before = mean_field.mean_field._cache_size()
    step = Crf(iterations=1, appearance=0)
    sizes = [(h, w) for h in range(30, 120, 9) for w in (50, 63, 77)]
    for size in sizes:
        step.shares(*given(size, 3))
    assert len(sizes) == 30
    assert mean_field.mean_field._cache_size() - before <= 8


def test_sizes_are_rounded_up_by_less_than_half():
    for size in range(1, 200):
        found = lattice.rounded(size)
        assert size <= found <= 1.5 * size and lattice.rounded(found) == found


def test_what_lies_beyond_the_image_is_not_heard(monkeypatch):
    shares, image = given((7, 9), 3)
    wanted = Crf().shares(shares, image)

    class Dirty:
        """Numpy, whose new memory holds no numbers."""

        def __getattr__(self, name):
            return getattr(np, name)

        def empty(self, *args):
            return np.full(*args[:1], np.nan, *args[1:])

    monkeypatch.setattr(mean_field, "np", Dirty())
    np.testing.assert_array_equal(Crf().shares(shares, image), wanted)
