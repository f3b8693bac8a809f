"""Histograms of probabilities against numpy, whatever the pieces and the devices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from segjax.core.keys import IGNORE
from segjax.metrics import bins as cuts
from segjax.metrics import histograms
from segjax.metrics.probabilities import Probabilities

BINS = 32


def drawn(channels, size=(8, 9, 11), seed=0):
    """Logits, labels with ignored pixels, and the decided ids."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (*size, channels)).astype(np.float32)
    labels = rng.choice([*range(max(channels, 2)), IGNORE], size).astype(np.uint8)
    ids = logits.argmax(-1) if channels > 1 else logits[..., 0] > 0
    return jnp.asarray(logits), jnp.asarray(labels), jnp.asarray(ids.astype(np.uint8))


@pytest.mark.parametrize("channels", [1, 4])
def test_equal_to_numpy(channels):
    logits, labels, ids = drawn(channels)
    K = max(channels, 2)
    every = np.asarray(
        histograms.by_class(logits, labels, ids, num_classes=K, bins=BINS)
    )
    sure = np.asarray(histograms.of_decisions(logits, labels, ids, bins=BINS))
    z = np.asarray(histograms.log_odds(logits), np.float64)
    places = np.searchsorted(cuts.log_odds(BINS)[1:-1], z, "right")
    labels, ids = np.asarray(labels), np.asarray(ids)
    for i in range(len(labels)):
        valid = labels[i].ravel() != IGNORE
        label, decided = labels[i].ravel()[valid], ids[i].ravel()[valid]
        for k in range(K):
            bins = places[i, k][valid]
            for so in (0, 1):
                expected = np.bincount(bins[(label == k) == so], minlength=BINS)
                np.testing.assert_array_equal(every[i, k, :, so], expected)
        bins = places[i][:, valid][decided, np.arange(valid.sum())]
        expected = np.bincount(bins[decided == label], minlength=BINS)
        np.testing.assert_array_equal(sure[i, :, 1], expected)
        assert sure[i].sum() == valid.sum()


@pytest.mark.parametrize(("size", "memory"), [(5, 2**28), (40, 2**10)])
def test_the_product_counts_as_the_scatter_does(size, memory, monkeypatch):
    """The way of a GPU, in one piece and in pieces, the last of them partial."""
    monkeypatch.setattr(histograms, "BYTES", memory)
    rng = np.random.default_rng(size)
    places = rng.integers(-1, size, (2, 3, 2600)).astype(np.int32)
    expected = [
        [np.bincount(row[row >= 0], minlength=size) for row in image]
        for image in places
    ]
    for way in (histograms._scattered, histograms._product, histograms.count):
        np.testing.assert_array_equal(way(jnp.asarray(places), size), expected)


def test_pieces_of_an_image_add_up():
    logits, labels, ids = drawn(3)
    for count in Probabilities(bins=BINS).counters(3).values():
        parts = [
            np.asarray(count(logits[:, s], labels[:, s], ids[:, s]))
            for s in (slice(0, 2), slice(2, 9))
        ]
        np.testing.assert_array_equal(sum(parts), count(logits, labels, ids))


def test_what_lies_under_ignored_pixels_changes_nothing():
    logits, labels, ids = drawn(3)
    other = jnp.where((labels == IGNORE)[..., None], -logits, logits)
    for count in Probabilities(bins=BINS).counters(3).values():
        found = count(logits, labels, ids)
        np.testing.assert_array_equal(count(other, labels, other.argmax(-1)), found)


@pytest.mark.parametrize("scale", [1, 10, 100])
def test_log_odds_are_exact_where_a_probability_would_be_one(scale):
    logits = scale * drawn(4)[0].astype(jnp.float32)
    found = np.asarray(histograms.log_odds(logits))
    exact = np.moveaxis(np.asarray(logits, np.float64).reshape(8, -1, 4), -1, 1)
    for k in range(4):
        others = np.logaddexp.reduce(np.delete(exact, k, 1), axis=1)
        there = np.abs(exact[:, k] - others) < 80  # exp leaves float32 beyond
        expected = (exact[:, k] - others)[there]
        np.testing.assert_allclose(found[:, k][there], expected, rtol=1e-4, atol=1e-5)
    assert not np.isnan(found).any()
    binary = logits[..., :1]
    both = histograms.log_odds(jnp.concatenate([jnp.zeros_like(binary), binary], -1))
    one, two = (np.clip(z, -80, 80) for z in (histograms.log_odds(binary), both))
    np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_certainty_falls_in_the_last_bin():
    logits = jnp.asarray([[[[100.0, -100.0]]]])
    zeros = jnp.zeros((1, 1, 1), jnp.uint8)
    found = histograms.by_class(logits, zeros, zeros, num_classes=2, bins=BINS)
    assert found[0, 0, -1, 1] == 1 and found[0, 1, 0, 0] == 1 and found.sum() == 2


def test_eight_devices_equal_one():
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    split = NamedSharding(mesh, PartitionSpec("data"))
    inputs = drawn(3)
    for count in Probabilities(bins=BINS).counters(3).values():
        one = jax.jit(functools.partial(count))(*inputs)
        shared = jax.jit(count, in_shardings=split, out_shardings=split)(*inputs)
        np.testing.assert_array_equal(shared, one)
