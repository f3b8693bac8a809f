"""Confusion counts against numpy's bincount."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from segjax.core.keys import IGNORE
from segjax.metrics import confusion

K = 5


def maps(num_images, size=(6, 7), seed=0, other=False):
    """Random truth with ignored pixels, and predictions."""
    rng = np.random.default_rng(seed)
    labels = rng.choice([*range(K), IGNORE], (num_images, *size)).astype(np.uint8)
    ids = [*range(K), IGNORE] if other else range(K)
    return labels, rng.choice(ids, labels.shape).astype(np.int32)


def oracle(labels, predictions, columns=K):
    """`(K, columns)` counts of one image."""
    valid = labels != IGNORE
    column = np.minimum(predictions[valid].astype(np.intp), columns - 1)
    index = labels[valid].astype(np.intp) * columns + column
    return np.bincount(index, minlength=K * columns).reshape(K, columns)


count = jax.jit(
    functools.partial(confusion.count, num_classes=K), static_argnames="other"
)


def test_by_hand():
    labels = np.asarray([[[0, 0, 1], [1, IGNORE, 2]]], np.uint8)
    predictions = np.asarray([[[0, 1, 1], [1, 2, 0]]], np.int32)
    counts = confusion.count(jnp.asarray(labels), jnp.asarray(predictions), 3)
    assert counts.dtype == jnp.int32
    np.testing.assert_array_equal(counts[0], [[1, 1, 0], [0, 2, 0], [1, 0, 0]])


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_equals_bincount(dtype):
    labels, predictions = maps(4)
    counts = count(labels.astype(dtype), predictions.astype(dtype))
    expected = [oracle(t, p) for t, p in zip(labels, predictions, strict=True)]
    np.testing.assert_array_equal(counts, expected)


def test_other_predictions_have_a_column():
    labels, predictions = maps(3, other=True)
    counts = count(labels, predictions, other=True)
    expected = [oracle(t, p, K + 1) for t, p in zip(labels, predictions, strict=True)]
    np.testing.assert_array_equal(counts, expected)
    assert counts[..., K].sum() > 0
    assert counts.sum() == (labels != IGNORE).sum()


def test_predictions_under_ignored_truth_change_nothing():
    labels, predictions = maps(2)
    counts = count(labels, predictions)
    predictions[labels == IGNORE] = 3
    np.testing.assert_array_equal(count(labels, predictions), counts)
    assert (count(np.full_like(labels, IGNORE), predictions) == 0).all()


def test_all_255_classes():
    ids = np.arange(255, dtype=np.uint8).reshape(1, 15, 17)
    counts = confusion.count(jnp.asarray(ids), jnp.asarray(ids), 255)
    np.testing.assert_array_equal(counts[0], np.eye(255))


def test_batches_of_1_and_7_give_the_same_integers():
    labels, predictions = maps(14)

    def total(batch):
        total = confusion.empty(K)
        for i in range(0, 14, batch):
            part = slice(i, i + batch)
            total = confusion.update(total, count(labels[part], predictions[part]))
        return total

    np.testing.assert_array_equal(total(1), total(7))
    assert total(1).dtype == np.int64


def test_merge_equals_one_pass():
    labels, predictions = maps(6)
    parts = [
        confusion.update(confusion.empty(K), count(labels[p], predictions[p]))
        for p in (slice(0, 2), slice(2, 6))
    ]
    whole = confusion.update(confusion.empty(K), count(labels, predictions))
    np.testing.assert_array_equal(confusion.merge(*parts), whole)


def test_eight_devices_equal_one():
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    labels, predictions = maps(8)
    shared = jax.device_put(
        (labels, predictions), NamedSharding(mesh, PartitionSpec("data"))
    )
    np.testing.assert_array_equal(count(*shared), count(labels, predictions))


def test_one_image_beyond_float32_integers_is_exact():
    """`2**24 + 1` pixels of one pair; float32 sums of ones stop at `2**24`."""
    size = (1, 2**24 + 1, 1)
    zeros = jnp.zeros(size, jnp.uint8)
    counts = jax.jit(lambda t, p: confusion.count(t, p, 1))(zeros, zeros)
    assert counts.item() == 2**24 + 1


def test_totals_beyond_32_bits_are_exact():
    per_image = np.full((3, 2, 2), 2**31 - 1, np.int32)
    total = confusion.update(confusion.empty(2), per_image)
    assert (total == 3 * (2**31 - 1)).all()
    total = confusion.merge(total, total + 2**53)
    assert (total == 6 * (2**31 - 1) + 2**53).all()
