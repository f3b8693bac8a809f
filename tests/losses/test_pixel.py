"""Pixel losses against hand-worked values and optax."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE
from segjax.losses import pixel

cross_entropy = jax.jit(
    pixel.cross_entropy, static_argnames=("class_weights", "label_smoothing")
)
binary_cross_entropy = jax.jit(
    pixel.binary_cross_entropy, static_argnames=("pos_weight", "label_smoothing")
)
focal = jax.jit(pixel.focal, static_argnames=("task", "gamma", "class_weights"))

RNG = np.random.default_rng(0)
LOGITS = jnp.asarray(RNG.normal(0, 3, (2, 4, 5, 3)), jnp.float32)
LABELS = jnp.asarray(RNG.choice([0, 1, 2, IGNORE], (2, 4, 5)), jnp.uint8)
VALID = np.asarray(LABELS) != IGNORE
BINARY_LABELS = jnp.where(LABELS == 2, 1, LABELS).astype(jnp.uint8)


def one_pixel(*logits, label):
    return jnp.asarray([[[logits]]], jnp.float32), jnp.full((1, 1, 1), label, jnp.uint8)


def optax_each(logits, labels):
    safe = jnp.where(labels == IGNORE, 0, labels)
    each = optax.softmax_cross_entropy_with_integer_labels(logits, safe.astype(int))
    return np.asarray(each)


def test_cross_entropy_by_hand():
    # p = (1/4, 3/4): -ln(1/4) for class 0
    logits, labels = one_pixel(0.0, np.log(3.0), label=0)
    np.testing.assert_allclose(cross_entropy(logits, labels), np.log(4), rtol=1e-6)
    # smoothing 0.2 over 2 classes: q = (0.9, 0.1)
    smoothed = cross_entropy(logits, labels, label_smoothing=0.2)
    by_hand = 0.9 * np.log(4) + 0.1 * np.log(4 / 3)
    np.testing.assert_allclose(smoothed, by_hand, rtol=1e-6)


def test_cross_entropy_is_optax_over_valid_pixels():
    expected = optax_each(LOGITS, LABELS)[VALID].mean()
    np.testing.assert_allclose(cross_entropy(LOGITS, LABELS), expected, rtol=1e-6)


def test_label_smoothing_is_optax():
    one_hot = jax.nn.one_hot(LABELS, 3)
    each = optax.softmax_cross_entropy(LOGITS, optax.smooth_labels(one_hot, 0.3))
    np.testing.assert_allclose(
        cross_entropy(LOGITS, LABELS, label_smoothing=0.3),
        np.asarray(each)[VALID].mean(),
        rtol=1e-6,
    )


def test_class_weights_make_a_weighted_mean():
    weights = np.asarray([0.5, 2.0, 7.0])
    each = weights[np.asarray(LABELS)[VALID]]
    expected = (each * optax_each(LOGITS, LABELS)[VALID]).sum() / each.sum()
    value = cross_entropy(LOGITS, LABELS, class_weights=tuple(weights.tolist()))
    np.testing.assert_allclose(value, expected, rtol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_class_weights_of_ones_are_plain_bit_for_bit(smoothing):
    def run(weights):
        def loss(logits):
            return cross_entropy(
                logits, LABELS, class_weights=weights, label_smoothing=smoothing
            )

        return jax.jit(jax.value_and_grad(loss))(LOGITS)

    value, gradient = run(None)
    ones_value, ones_gradient = run((1.0, 1.0, 1.0))
    assert value == ones_value
    np.testing.assert_array_equal(gradient, ones_gradient)


def test_weights_and_smoothing_together_by_hand():
    # PyTorch's rule: -sum_k w_k q_k log p_k over the weight of the true class
    logits, labels = one_pixel(0.0, np.log(3.0), label=0)
    value = cross_entropy(logits, labels, class_weights=(2.0, 5.0), label_smoothing=0.2)
    by_hand = (2 * 0.9 * np.log(4) + 5 * 0.1 * np.log(4 / 3)) / 2
    np.testing.assert_allclose(value, by_hand, rtol=1e-6)


def test_binary_cross_entropy_is_optax_over_valid_pixels():
    target = (BINARY_LABELS == 1).astype(jnp.float32)
    each = optax.sigmoid_binary_cross_entropy(LOGITS[..., 0], target)
    value = binary_cross_entropy(LOGITS[..., :1], BINARY_LABELS)
    np.testing.assert_allclose(value, np.asarray(each)[VALID].mean(), rtol=1e-6)


def test_binary_options_by_hand():
    # p = 3/4 with label 1, weight 2; then target 0.9 of smoothing 0.2
    logits, labels = one_pixel(np.log(3.0), label=1)
    value = binary_cross_entropy(logits, labels, pos_weight=2.0)
    np.testing.assert_allclose(value, 2 * np.log(4 / 3), rtol=1e-6)
    value = binary_cross_entropy(logits, labels, label_smoothing=0.2)
    by_hand = 0.9 * np.log(4 / 3) + 0.1 * np.log(4)
    np.testing.assert_allclose(value, by_hand, rtol=1e-6)


@pytest.mark.parametrize("weights", [None, (0.5, 2.0, 7.0)])
def test_focal_with_gamma_0_is_cross_entropy(weights):
    options = {"class_weights": weights}
    np.testing.assert_allclose(
        focal(LOGITS, LABELS, task="multiclass", gamma=0.0, **options),
        cross_entropy(LOGITS, LABELS, **options),
        rtol=1e-6,
    )


def test_binary_focal_is_optax():
    target = (BINARY_LABELS == 1).astype(jnp.float32)
    for gamma in (0.0, 2.0):
        each = optax.sigmoid_focal_loss(LOGITS[..., 0], target, gamma=gamma)
        value = focal(LOGITS[..., :1], BINARY_LABELS, task="binary", gamma=gamma)
        np.testing.assert_allclose(value, np.asarray(each)[VALID].mean(), rtol=1e-5)


def test_focal_by_hand():
    # p = 3/4 of the true class: (1/4)^2 ln(4/3), two logits or one
    expected = np.log(4 / 3) / 16
    logits, labels = one_pixel(0.0, np.log(3.0), label=1)
    value = focal(logits, labels, task="multiclass")
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    value = focal(logits[..., 1:], labels, task="binary", class_weights=(0.75, 0.25))
    np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_focal_gradient_has_no_nan_where_the_prediction_is_sure():
    logits, labels = one_pixel(0.0, 1e4, label=1)
    for gamma in (0.5, 1.0, 2.0):
        gradient = jax.grad(focal)(logits, labels, task="multiclass", gamma=gamma)
        assert (gradient == 0).all()


def test_class_weights_are_checked():
    with pytest.raises(UserError, match="name of a rule"):
        cross_entropy(LOGITS, LABELS, class_weights="median_frequency")
    with pytest.raises(UserError, match="has 2 numbers; there are 3 classes"):
        focal(LOGITS, LABELS, task="multiclass", class_weights=(1.0, 2.0))
