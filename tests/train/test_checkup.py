"""Checks before a training: what a network that learns shows, and what planted ones."""

import itertools

import jax
import numpy as np
import pytest

from segjax import config, parallel, parts
from segjax.core.keys import IGNORE, LABEL
from segjax.data import datasets, pipeline
from segjax.train import checkup


@pytest.fixture(scope="module", autouse=True)
def one_device():
    """Quicker to compile for."""
    make, one = parallel.make_mesh, jax.devices()[:1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "make_mesh", lambda devices=None: make(one))
        yield


@pytest.fixture(scope="module")
def learner(settings, one_device):
    """`(trial, batches)` of a small network; its first norm is frozen."""
    changes = {
        "model__dropout": 0.0,
        "model__width": 4,
        "input__train_ops": "crop(16, 16) | normalize()",
        "optim": dict(
            name="adamw",
            learning_rate=3e-2,
            schedule="cosine",
            warmup_steps=3,
            freeze=("^head/bias",),
        ),
        "loss": dict(cross_entropy=dict(class_weights="median_frequency()")),
    }
    checked = config.resolve(settings(**changes))
    source = datasets.make(split="train", **checked.data)
    stream = pipeline.train_batches(source, checked.train_ops[0], seed=1, batch_size=8)
    batches = list(itertools.islice(stream, 4))
    stream.close()
    return checkup.Trial(parts.make(checked, source.info), batches), batches


def test_the_first_gradient_reaches_every_array(learner):
    found = learner[0].gradients()
    assert found.zero == found.bad == ()
    assert found.frozen == 1
    assert found.arrays > 10
    assert found.terms["cross_entropy"] == pytest.approx(np.log(3), rel=0.5)


def test_a_batch_without_labels_has_no_gradient(learner, monkeypatch):
    trial, batches = learner
    empty = {**batches[0], LABEL: np.full_like(batches[0][LABEL], IGNORE)}
    monkeypatch.setattr(trial, "batch", empty)
    found = trial.gradients()
    assert len(found.zero) == found.arrays - found.frozen
    assert found.bad == ()


def test_parameters_that_are_not_finite_are_found(learner, monkeypatch):
    trial, _ = learner
    broken = jax.tree.map(lambda p: np.full_like(p, np.nan), trial._fresh.params)
    monkeypatch.setattr(trial, "_fresh", trial._fresh.replace(params=broken))
    assert len(trial.gradients().bad) > 10


def test_one_batch_is_learnt_by_heart(learner):
    trial, batches = learner
    found = trial.one_batch(batches[0], steps=120)
    assert found.pixel_accuracy > 0.9
    assert found.fell > 0.6
    assert len(found.losses) == found.steps <= 120
    assert trial.one_batch(batches[0], steps=3).losses == found.losses[:3]  # anew


def test_no_rate_no_learning(learner, monkeypatch):
    trial, batches = learner
    monkeypatch.setattr(trial, "learning_rate", 0.0)
    found = trial.one_batch(batches[0], steps=4)
    assert found.fell == pytest.approx(0, abs=1e-6)


def test_the_range_test_suggests_a_rate_that_learns(learner):
    trial, batches = learner
    found = trial.learning_rates(itertools.cycle(batches), steps=60, high=10.0)
    assert found.rates[0] == pytest.approx(1e-6)
    assert list(found.rates) == sorted(found.rates)
    assert 1e-4 < found.suggested < 1
    assert found.steepest >= found.suggested


def test_a_curve_is_read():
    rates = np.geomspace(1e-6, 1, 61)
    valley = 3 - 1.5 / (1 + (1e-3 / rates) ** 2) + np.where(rates > 0.1, 9 * rates, 0)
    lost = np.where(rates > 1e-1, np.nan, 3 - rates)
    rates = rates.tolist()
    found = checkup.read_range(rates, valley.tolist())
    assert 5e-4 <= found.suggested <= 2e-2  # smoothing delays what is seen
    assert found.diverged is None
    rising = checkup.read_range(rates, np.linspace(1, 2, 61).tolist())
    assert rising.suggested is rising.steepest is None
    lost = checkup.read_range(rates, lost.tolist())
    assert lost.diverged == 1


def test_the_smoothed_curve_of_a_constant_is_that_constant():
    assert checkup.smoothed([2.5] * 9) == pytest.approx([2.5] * 9)


def test_augmentation_is_left_out_and_the_framing_kept(settings):
    ops = "scale(0.5, 2.0) | crop(16, 16) | flip_lr() | color_jitter(0.1) | normalize()"
    checked = config.resolve(settings(input__train_ops=ops))
    (crop,) = checkup.plain_ops(checked)
    assert (crop.height, crop.width) == (16, 16)


def test_pixels_are_counted_without_those_ignored():
    label = np.array([[[0, 1, 1], [2, IGNORE, IGNORE]]], np.uint8)
    assert checkup.pixels([{LABEL: label}] * 2, 4).tolist() == [2, 4, 2, 0]
