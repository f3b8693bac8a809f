"""The guided filter, against the sums of its definition, window by window."""

import numpy as np
import pytest

from segjax.postprocess import guided
from segjax.postprocess.guided import Guided


def given(shape, K=3, seed=0):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(K), shape).astype(np.float32)
    return shares, rng.integers(0, 256, (*shape, 3)).astype(np.uint8)


def plain(shares, image, radius, eps):
    """A least-squares fit in every window, then the mean of the fits at each pixel."""
    height, width, K = shares.shape
    guide, sums = image / 255, np.zeros(shares.shape)
    windows = np.zeros((height, width, 1))
    for y, x in np.ndindex(height, width):
        rows = slice(max(0, y - radius), y + radius + 1)
        columns = slice(max(0, x - radius), x + radius + 1)
        colours = guide[rows, columns].reshape(-1, 3)
        targets = shares[rows, columns].reshape(-1, K).astype(np.float64)
        mean = colours.mean(0)
        off = colours - mean
        spread = off.T @ off / len(off) + eps * np.eye(3)
        slope = np.linalg.solve(spread, off.T @ targets / len(off))
        offset = targets.mean(0) - mean @ slope
        sums[rows, columns] += guide[rows, columns] @ slope + offset
        windows[rows, columns] += 1
    found = (sums / windows).clip(0, 1)
    return found / found.sum(-1, keepdims=True)


@pytest.mark.parametrize("eps", [1e-4, 0.05])
@pytest.mark.parametrize(
    ("shape", "radius"), [((12, 17), 1), ((9, 14), 3), ((5, 6), 20), ((1, 1), 2)]
)
def test_it_is_a_linear_fit_in_every_window(shape, radius, eps):
    shares, image = given(shape)
    found = Guided(radius, eps).shares(shares, image)
    np.testing.assert_allclose(found, plain(shares, image, radius, eps), atol=2e-4)


def test_pieces_fit_together(monkeypatch):
    shares, image = given((50, 41))
    whole = Guided(2).shares(shares, image)
    monkeypatch.setattr(guided, "TILE", 1)  # sides of 16
    np.testing.assert_allclose(Guided(2).shares(shares, image), whole, atol=1e-5)


def test_an_edge_of_the_image_stays_sharp_and_flat_parts_are_smoothed():
    rng = np.random.default_rng(0)
    image = np.full((40, 40, 3), 40, np.uint8)
    image[:, 20:] = 200
    right = np.clip(
        (np.arange(40) >= 20) * 0.6 + 0.2 + 0.15 * rng.standard_normal((40, 40)), 0, 1
    )
    shares = np.stack([1 - right, right], -1).astype(np.float32)
    found = Guided(4).shares(shares, image)[..., 1]
    assert found[:, 19].max() < 0.35 and found[:, 20].min() > 0.65
    assert found[:, :20].std() < right[:, :20].std() / 4
