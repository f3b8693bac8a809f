"""What every loss of the table must hold, for each task that it is meant for."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from segjax import losses
from segjax.core.errors import UserError
from segjax.core.keys import IGNORE

OPTIONS = {
    "binary_cross_entropy": ({}, {"pos_weight": 3.0, "label_smoothing": 0.1}),
    "cross_entropy": ({}, {"label_smoothing": 0.1}),
    "dice": ({}, {"per_image": True, "smooth": 0.0}, {"classes": "all"}),
    "focal": ({}, {"gamma": 0.5}),
    "iou": ({}, {"smooth": 0.0}),
    "lovasz": ({}, {"per_image": True}),
    "ohem": ({}, {"threshold": 0.3}),
}
"""Ways to call each loss; a new loss without an entry is tested with its defaults."""

CASES = [
    pytest.param(name, task, options, id=f"{name}-{task}-{i}")
    for name in losses.LOSSES
    for task in losses.tasks(name)
    for i, options in enumerate(OPTIONS.get(name, ({},)))
]
all_losses = pytest.mark.parametrize(("name", "task", "options"), CASES)
by_default = pytest.mark.parametrize(
    ("name", "task", "options"),
    [c for c in CASES if not c.values[2] or "per_image" in c.values[2]],
)
"""Without options that change no denominator: these tests compile once more each."""


def make(name, task, options):
    """`(logits, labels) -> (value, gradient)`, compiled once for all tests."""
    return _make(name, task, tuple(options.items()))


@functools.cache
def _make(name, task, options):
    loss_fn = losses.make({name: dict(options)}, task)
    return jax.jit(jax.value_and_grad(lambda x, y: loss_fn(x, y)[0]))


def batch(task, seed=0, size=(8, 4, 5), num_classes=4):
    """Random logits and labels, of which uneven parts are ignored."""
    rng = np.random.default_rng(seed)
    num_logits = 1 if task == "binary" else num_classes
    logits = rng.normal(0, 2, (*size, num_logits)).astype(np.float32)
    labels = rng.integers(0, max(num_logits, 2), size).astype(np.uint8)
    labels[0, :2] = IGNORE
    labels[1, 2:, 1:] = IGNORE
    labels[2] = IGNORE
    return logits, labels


def perfect(labels, task, num_classes=4, scale=50.0):
    """Logits that are right and sure, at `scale` above or below 0."""
    if task == "binary":
        return np.where(labels == 1, scale, -scale).astype(np.float32)[..., None]
    return np.float32(scale) * (labels[..., None] == np.arange(num_classes))


@all_losses
def test_ignored_pixels_change_nothing(name, task, options):
    fn = make(name, task, options)
    logits, labels = batch(task)
    ignored = labels == IGNORE
    value, gradient = fn(logits, labels)
    assert (np.asarray(gradient)[ignored] == 0).all()
    assert (np.asarray(gradient)[~ignored] != 0).any()
    noise = np.random.default_rng(1).normal(0, 3, logits[ignored].shape)
    for other in (noise, 1e30, np.nan, np.inf):
        changed = logits.copy()
        changed[ignored] = other
        other_value, other_gradient = fn(changed, labels)
        assert other_value == value
        np.testing.assert_array_equal(other_gradient, gradient)


@by_default
def test_ignored_pixels_are_in_no_denominator(name, task, options):
    """Ignored rows, columns and images added around a batch change nothing."""
    fn = make(name, task, options)
    logits, labels = batch(task)
    value, gradient = fn(logits, labels)
    b, h, w = labels.shape
    wide = np.full((b + 3, h + 2, w + 4), IGNORE, np.uint8)
    wide[:b, :h, :w] = labels
    spread = np.full((*wide.shape, logits.shape[-1]), 7.0, np.float32)
    spread[:b, :h, :w] = logits
    wide_value, wide_gradient = fn(spread, wide)
    np.testing.assert_allclose(wide_value, value, rtol=1e-6)
    np.testing.assert_allclose(
        wide_gradient[:b, :h, :w], gradient, rtol=1e-4, atol=1e-8
    )


@all_losses
def test_finite_at_extreme_logits(name, task, options):
    fn = make(name, task, options)
    logits, labels = batch(task)
    sure = [perfect(labels, task, scale=s) for s in (1e4, 1e2, 0.0, -1e2, -1e4)]
    for extreme in (*sure, 1e4 * np.sign(logits)):
        value, gradient = fn(extreme, labels)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


@all_losses
def test_least_at_a_perfect_prediction(name, task, options):
    fn = make(name, task, options)
    logits, labels = batch(task)
    sure = perfect(labels, task)
    least, _ = fn(sure, labels)
    if "label_smoothing" not in options:  # with it, being too sure costs something
        assert abs(least) < 1e-6
        assert least < fn(logits, labels)[0]
    for seed in range(3):
        step = np.random.default_rng(seed).normal(0, 30, sure.shape)
        assert fn(sure + step.astype(np.float32), labels)[0] >= least - 1e-6


@all_losses
def test_a_small_step_down_the_gradient_lowers_it(name, task, options):
    fn = make(name, task, options)
    logits, labels = batch(task)
    value, gradient = fn(logits, labels)
    step = 1e-2 / np.linalg.norm(gradient)
    assert fn(logits - step * gradient, labels)[0] < value


@all_losses
def test_all_ignored_is_exactly_zero(name, task, options):
    logits, labels = batch(task)
    value, gradient = make(name, task, options)(logits, np.full_like(labels, IGNORE))
    assert value == 0
    assert (np.asarray(gradient) == 0).all()


@all_losses
def test_one_class_alone_is_finite(name, task, options):
    """An empty foreground, or a batch of a single class, gives numbers."""
    logits, labels = batch(task)
    for one in (0, 1):
        value, gradient = make(name, task, options)(logits, np.full_like(labels, one))
        assert np.isfinite(value) and value > 0
        assert np.isfinite(gradient).all()


@by_default
def test_eight_devices_with_uneven_valid_counts_equal_one(name, task, options):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    sharding = NamedSharding(mesh, PartitionSpec("data"))
    logits, labels = batch(task)
    fn = make(name, task, options)
    value, gradient = fn(logits, labels)
    shared = jax.device_put((logits, labels), sharding)
    shared_value, shared_gradient = fn(*shared)
    assert len(shared_gradient.sharding.device_set) == 8
    np.testing.assert_allclose(shared_value, value, rtol=1e-6)
    np.testing.assert_allclose(shared_gradient, gradient, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_half_precision_logits_are_summed_in_float32(name):
    task = losses.tasks(name)[0]
    logits, labels = batch(task)
    half = jnp.asarray(logits, jnp.bfloat16)
    value, gradient = make(name, task, {})(half, labels)
    assert value.dtype == jnp.float32
    assert gradient.dtype == jnp.bfloat16
    assert value == make(name, task, {})(half.astype(jnp.float32), labels)[0]


@pytest.mark.parametrize("name", losses.LOSSES)
def test_refuses_logits_of_the_other_task(name):
    for task in losses.tasks(name):
        logits = jnp.zeros((1, 2, 2, 3 if task == "binary" else 1))
        with pytest.raises(UserError, match="wants"):
            losses.make({name: {}}, task)(logits, jnp.zeros((1, 2, 2), jnp.uint8))
