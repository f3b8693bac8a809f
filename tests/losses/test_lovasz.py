"""Lovász losses against the definition of a Lovász extension, in plain Python sets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from segjax.core.keys import IGNORE
from segjax.losses.lovasz import lovasz
from segjax.losses.region import iou


def jaccard_loss(wrong: set, true: set) -> float:
    """Equation 6 of the paper: the IoU loss when the pixels of `wrong` are wrong."""
    either = wrong | true
    return len(wrong) / len(either) if either else 0.0


def extension(errors, true) -> float:
    """Equation 8 and definition 1: each error times what its pixel adds to the loss."""
    true = set(np.flatnonzero(true))
    total, wrong = 0.0, set()
    for pixel in np.argsort(-errors, kind="stable"):
        before = jaccard_loss(wrong, true)
        wrong = wrong | {int(pixel)}
        total += errors[pixel] * (jaccard_loss(wrong, true) - before)
    return total


def oracle(logits, labels, task, per_image=False, classes="present") -> float:
    if per_image:
        pairs = [(x[None], y[None]) for x, y in zip(logits, labels, strict=True)]
        pairs = [(x, y) for x, y in pairs if (y != IGNORE).any()]
        return np.mean([oracle(x, y, task, False, classes) for x, y in pairs])
    valid = labels != IGNORE
    logits, labels = logits[valid].astype(np.float64), labels[valid]
    if task == "binary":
        sign = np.where(labels == 1, 1, -1)
        return extension(np.maximum(0, 1 - sign * logits[:, 0]), labels == 1)
    p = scipy.special.softmax(logits, axis=-1)
    ids = [k for k in range(p.shape[-1]) if classes == "all" or (labels == k).any()]
    return np.mean([extension(abs((labels == k) - p[:, k]), labels == k) for k in ids])


@pytest.mark.parametrize("per_image", [False, True])
@pytest.mark.parametrize(
    ("task", "num_logits", "classes"),
    [("multiclass", 4, "present"), ("multiclass", 4, "all"), ("binary", 1, "present")],
)
def test_equals_the_definition(task, num_logits, classes, per_image):
    options = {"task": task, "classes": classes, "per_image": per_image}
    run = jax.jit(lambda x, y: lovasz(x, y, **options))
    for seed in range(3):
        rng = np.random.default_rng(seed)
        logits = rng.normal(0, 2, (3, 3, 5, num_logits)).astype(np.float32)
        present = [0, 1] if task == "binary" else [0, 1, 3]  # class 2 is absent
        labels = rng.choice([*present, IGNORE], (3, 3, 5)).astype(np.uint8)
        labels[2] = IGNORE if seed == 1 else 0
        expected = oracle(logits, labels, **options)
        np.testing.assert_allclose(run(logits, labels), expected, rtol=2e-6)


@pytest.mark.parametrize(("task", "num_logits"), [("multiclass", 3), ("binary", 1)])
def test_gradient_equals_finite_differences(task, num_logits):
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 1, (1, 2, 3, num_logits)).astype(np.float32)
    labels = rng.choice([0, 1, IGNORE], (1, 2, 3)).astype(np.uint8)
    gradient = jax.jit(jax.grad(lambda x, y: lovasz(x, y, task=task)))(logits, labels)
    for index in np.ndindex(logits.shape):
        step = np.zeros_like(logits)
        step[index] = 1e-3  # in float64 below, and too small to change the order
        up, down = (oracle(logits + s, labels, task) for s in (step, -step))
        np.testing.assert_allclose(gradient[index], (up - down) / 2e-3, atol=1e-3)


def test_is_the_iou_loss_at_sure_predictions():
    """At the corners of the unit cube the extension is the IoU loss itself."""
    rng = np.random.default_rng(0)
    labels = jnp.asarray(rng.choice([0, 1, 2, IGNORE], (2, 4, 5)), jnp.uint8)
    logits = 1e4 * jax.nn.one_hot(rng.integers(0, 3, (2, 4, 5)), 3)
    np.testing.assert_allclose(
        lovasz(logits, labels, task="multiclass"),
        iou(logits, labels, task="multiclass", smooth=0.0),
        rtol=1e-6,
    )


def test_weights_of_many_pixels_keep_their_digits():
    """Differences of near-equal Jaccard indices would be off by per cents here."""
    labels = np.zeros((1, 512, 512), np.uint8)
    labels[0, :256] = 1
    logits = np.full((1, 512, 512, 1), -2.0, np.float32)
    logits[0, 300, 7] = 2.0  # one false alarm of error 3, the largest with the misses
    run = jax.jit(jax.grad(lambda x, y: lovasz(x, y, task="binary")))
    gradient = run(logits, labels)
    np.testing.assert_allclose(gradient[0, :256].sum(), -1, rtol=1e-4)
