"""Dice and IoU losses against hand-worked values and each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.keys import IGNORE
from segjax.losses import region

STATIC = ("task", "smooth", "per_image", "classes")
dice = jax.jit(region.dice, static_argnames=STATIC)
iou = jax.jit(region.iou, static_argnames=STATIC)

TASKS = pytest.mark.parametrize(
    ("task", "num_logits"), [("multiclass", 3), ("binary", 1)]
)


def sure(ids, num_logits):
    """Logits whose probabilities are 0 and 1 in float32."""
    if num_logits == 1:
        return jnp.where(ids == 1, 1e4, -1e4)[..., None].astype(jnp.float32)
    return 1e4 * jax.nn.one_hot(ids, num_logits)


def ids(*rows):
    return np.asarray(rows, np.uint8)[None]


def test_multiclass_by_hand():
    labels = ids([0, 0, 1, 1], [0, 0, IGNORE, IGNORE])
    predicted = ids([0, 0, 1, 0], [0, 1, 1, 0])
    logits = sure(predicted, 3)
    # class 0: 3 right of 4 true and 4 predicted; class 1: 1 of 2 and 2; class 2 absent
    value = dice(logits, jnp.asarray(labels), task="multiclass", smooth=0.0)
    np.testing.assert_allclose(value, 1 - (6 / 8 + 2 / 4) / 2, rtol=1e-6)
    value = iou(logits, jnp.asarray(labels), task="multiclass", smooth=0.0)
    np.testing.assert_allclose(value, 1 - (3 / 5 + 1 / 3) / 2, rtol=1e-6)
    # with all classes, the absent and unpredicted one scores 1
    value = dice(
        logits, jnp.asarray(labels), task="multiclass", smooth=0.0, classes="all"
    )
    np.testing.assert_allclose(value, 1 - (6 / 8 + 2 / 4 + 1) / 3, rtol=1e-6)
    # smoothing by one pixel
    value = dice(logits, jnp.asarray(labels), task="multiclass", smooth=1.0)
    np.testing.assert_allclose(value, 1 - (7 / 9 + 3 / 5) / 2, rtol=1e-6)


def test_binary_by_hand():
    labels = jnp.asarray(ids([0, 1, 1, IGNORE]))
    logits = jnp.asarray([[[[0.0], [0.0], [np.log(3)], [9.0]]]], jnp.float32)
    # p = 1/2, 1/2, 3/4: overlap 5/4, sums 7/4 and 2
    value = dice(logits, labels, task="binary", smooth=0.0)
    np.testing.assert_allclose(value, 1 - (10 / 4) / (15 / 4), rtol=1e-6)
    value = iou(logits, labels, task="binary", smooth=0.0)
    np.testing.assert_allclose(value, 1 - (5 / 4) / (10 / 4), rtol=1e-6)


def test_per_image_averages_images_with_valid_pixels():
    labels = np.concatenate([ids([1, 1, 1, 1]), ids([1, 0, 0, 0]), ids([IGNORE] * 4)])
    predicted = np.concatenate([ids([1, 1, 1, 1]), ids([0, 1, 0, 0]), ids([1] * 4)])
    logits, labels = sure(predicted, 1), jnp.asarray(labels)
    each = dice(logits, labels, task="binary", smooth=0.0, per_image=True)
    whole = dice(logits, labels, task="binary", smooth=0.0)
    np.testing.assert_allclose(each, (0 + 1) / 2, rtol=1e-6)
    np.testing.assert_allclose(whole, 1 - 8 / 10, rtol=1e-6)


@TASKS
@pytest.mark.parametrize("smooth", [0.0, 1.0])
def test_iou_is_d_over_2_minus_d(task, num_logits, smooth):
    """With one region and class, so that there is no mean between them."""
    rng = np.random.default_rng(0)
    logits = jnp.asarray(rng.normal(0, 2, (1, 5, 6, num_logits)), jnp.float32)
    labels = np.full((1, 5, 6), 1, np.uint8)
    if task == "binary":
        labels[0, 2:] = 0
    labels[0, 0, :3] = IGNORE
    options = {"task": task, "smooth": smooth}
    d = 1 - dice(logits, jnp.asarray(labels), **options)
    j = 1 - iou(logits, jnp.asarray(labels), **options)
    np.testing.assert_allclose(j, d / (2 - d), rtol=1e-5)


@TASKS
@pytest.mark.parametrize("smooth", [0.0, 1.0])
@pytest.mark.parametrize("loss", [dice, iou])
def test_empty_and_not_predicted_is_0(loss, task, num_logits, smooth):
    labels = np.zeros((2, 3, 4), np.uint8)
    logits = sure(labels, num_logits)
    options = {"task": task, "smooth": smooth}
    for classes in ("present", "all"):
        assert loss(logits, jnp.asarray(labels), classes=classes, **options) == 0


@pytest.mark.parametrize("loss", [dice, iou])
def test_binary_false_alarms_cost_on_an_empty_image(loss):
    labels = jnp.zeros((1, 4, 4), jnp.uint8)
    quiet = loss(jnp.full((1, 4, 4, 1), -3.0), labels, task="binary")
    loud = loss(jnp.full((1, 4, 4, 1), 3.0), labels, task="binary")
    assert 0 < quiet < loud
