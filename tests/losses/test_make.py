"""The weighted sum of losses, and the check of its config section."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax import losses
from segjax.core.errors import UserError

LOGITS = jnp.asarray(np.random.default_rng(0).normal(size=(1, 4, 4, 3)), jnp.float32)
LABELS = jnp.asarray(np.random.default_rng(1).integers(0, 3, (1, 4, 4)), jnp.uint8)


def test_total_is_the_weighted_sum_and_parts_are_not_weighted():
    terms = {
        "cross_entropy": {"weight": 2, "class_weights": [1, 2, 3]},
        "dice": {"weight": 0.5, "smooth": 1},
        "lovasz": {},
    }
    total, parts = jax.jit(losses.make(terms, "multiclass"))(LOGITS, LABELS)
    assert list(parts) == list(terms)
    expected = 2 * parts["cross_entropy"] + 0.5 * parts["dice"] + parts["lovasz"]
    np.testing.assert_allclose(total, expected, rtol=1e-6)
    alone = losses.LOSSES["dice"](LOGITS, LABELS, task="multiclass", smooth=1.0)
    np.testing.assert_allclose(parts["dice"], alone, rtol=1e-6)


def test_terms_are_not_changed():
    terms = {"dice": {"weight": 0.5}}
    losses.make(terms, "binary")
    assert terms == {"dice": {"weight": 0.5}}


@pytest.mark.parametrize(
    ("terms", "task", "message"),
    [
        ({}, "binary", "config.loss: is empty"),
        ({"dice": {}}, "multi", "task='multi'.*Known: multiclass|Known: binary"),
        ({"dise": {}}, "binary", "config.loss.dise: .*Did you mean 'dice'"),
        ({"dice": {"smoth": 1.0}}, "binary", "config.loss.dice.smoth: .*'smooth'"),
        ({"dice": {"weigth": 1.0}}, "binary", "dice.weigth: .*Did you mean 'weight'"),
        ({"dice": {"smooth": "1"}}, "binary", "dice.smooth='1': is a str"),
        ({"dice": {"smooth": -1.0}}, "binary", "dice.smooth=-1.0: is out of range"),
        ({"dice": {"classes": "some"}}, "binary", "'present' or 'all'"),
        ({"dice": {"weight": "1"}}, "binary", "dice.weight='1': is no number"),
        ({"dice": {"weight": float("nan")}}, "binary", "weight=nan: is out of range"),
        (
            {"dice": {"weight": 0}, "iou": {"weight": 0.0}},
            "binary",
            "every weight is 0",
        ),
        (
            {"cross_entropy": {}},
            "binary",
            "not for task 'binary'; use one of binary",
        ),
        ({"binary_cross_entropy": {}}, "multiclass", "is not for task 'multiclass'"),
        ({"focal": {"class_weights": (1.0,)}}, "binary", "has 1 numbers; there are 2"),
        ({"focal": {"class_weights": (1.0, -1.0)}}, "binary", "must be finite, 0 or"),
        ({"focal": {"class_weights": "median"}}, "binary", "no such class weight rule"),
        ({"focal": {"class_weights": (1.0, "a")}}, "binary", "is a tuple"),
        ({"focal": 1.0}, "binary", "config.loss.focal=1.0: is not a mapping"),
    ],
)
def test_problems_are_named(terms, task, message):
    found = losses.problems(terms, task)
    assert len(found) == 1
    assert re.search(message, found[0])


def test_all_problems_at_once():
    terms = {"dice": {"smooth": -1.0, "weight": -1.0}, "foccal": {}, "iou": {"x": 1}}
    assert len(losses.problems(terms, "multiclass")) == 4
    with pytest.raises(UserError) as caught:
        losses.make(terms, "multiclass")
    assert len(caught.value.problems) == 4


def test_number_of_class_weights():
    terms = {"cross_entropy": {"class_weights": (1.0, 2.0)}}
    assert losses.problems(terms, "multiclass", num_classes=2) == []
    assert len(losses.problems(terms, "multiclass", num_classes=3)) == 1


def test_a_rule_of_class_weights_is_a_good_config():
    terms = {"cross_entropy": {"class_weights": "median_frequency(clip=5)"}}
    assert losses.problems(terms, "multiclass", num_classes=11) == []


def test_class_weights_by_rule_are_given_apart_and_may_be_arguments():
    terms = {
        "cross_entropy": {"class_weights": "inverse_frequency(power=0.5)"},
        "focal": {"class_weights": (1.0, 2.0, 3.0)},
    }
    found = losses.class_weights(terms, np.array([60, 30, 10]))
    assert list(found) == ["cross_entropy"]
    expected = losses.weights.inverse_frequency(np.array([60, 30, 10]), power=0.5)
    assert found["cross_entropy"] == expected

    @jax.jit
    def given(class_weights):
        return losses.make(terms, "multiclass", class_weights)(LOGITS, LABELS)

    written = {**terms, "cross_entropy": {"class_weights": expected}}
    total = losses.make(written, "multiclass")(LOGITS, LABELS)[0]
    arrays = {name: jnp.float32(numbers) for name, numbers in found.items()}
    np.testing.assert_allclose(given(arrays)[0], total, rtol=1e-6)
    with pytest.raises(UserError, match="is the name of a rule"):
        losses.make(terms, "multiclass")(LOGITS, LABELS)


@pytest.mark.parametrize("rule", ["(power=900)", "(clip=1e-9, power=99)"])
def test_a_rule_that_gives_no_weights_is_refused(rule):
    """The first overflows, the second is 0 for all."""
    terms = {"focal": {"class_weights": f"median_frequency{rule}"}}
    with np.errstate(over="ignore"), pytest.raises(UserError, match="must be finite"):
        losses.class_weights(terms, np.array([1, 90, 9]))


def test_a_config_cannot_hold_an_array():
    (found,) = losses.problems({"focal": {"class_weights": jnp.ones(3)}}, "multiclass")
    assert "tuple[float, ...] or str or None is allowed" in found
