"""What every model of the table promises; a new entry is tested without a new test."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.models import MODELS
from tests.contracts.small import SMALL


def small(name: str, **more) -> nn.Module:
    return MODELS[name](num_outputs=3, **SMALL[name], **more)


def images(model: nn.Module, batch: int = 2, factor: int = 2) -> jax.Array:
    shape = (batch, factor * model.stride, (factor + 1) * model.stride, 3)
    return jax.random.normal(jax.random.key(1), shape)


@pytest.fixture(params=list(MODELS))
def model(request) -> nn.Module:
    return small(request.param)


def test_every_model_has_a_small_form():
    assert set(SMALL) == set(MODELS)


def test_logits_have_the_images_size_and_are_float32(model):
    x = images(model)
    variables = model.init(jax.random.key(0), x)
    logits = model.apply(variables, x)
    assert logits.shape == (*x.shape[:3], 3)
    assert logits.dtype == jnp.float32


@pytest.mark.parametrize("name", list(MODELS))
def test_bfloat16_computes_near_float32_and_keeps_parameters(name):
    x = images(small(name))
    variables = small(name).init(jax.random.key(0), x)
    full = small(name).apply(variables, x)
    half = small(name, dtype="bfloat16").apply(variables, x)
    assert half.dtype == jnp.float32
    assert {v.dtype for v in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    assert 0 < float(jnp.abs(half - full).max()) < 0.1 * float(jnp.abs(full).max())


def test_any_size_that_the_stride_divides_and_no_other(model):
    x = images(model, batch=1, factor=1)
    variables = model.init(jax.random.key(0), x)
    for factor in (1, 3):
        model.apply(variables, images(model, batch=1, factor=factor))
    with pytest.raises(UserError, match=f"must divide by {model.stride}"):
        model.apply(variables, x[:, 1:])


def test_every_parameter_gets_a_gradient(model):
    x = images(model)
    variables = model.init(jax.random.key(0), x)

    def total(params):
        logits, _ = model.apply(
            {**variables, "params": params},
            x,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(2)},
        )
        return (logits * jax.random.normal(jax.random.key(3), logits.shape)).sum()

    grads = jax.grad(total)(variables["params"])
    # a bias before batch norm is subtracted again: its gradient is rounding alone
    dead = [
        jax.tree_util.keystr(path)
        for path, g in jax.tree_util.tree_leaves_with_path(grads)
        if not np.any(np.asarray(g))
    ]
    assert dead == []


def test_a_batch_of_two_is_twice_a_batch_of_one(model):
    x = images(model)
    variables = model.init(jax.random.key(0), x)
    both = model.apply(variables, x)
    one_by_one = jnp.concatenate([model.apply(variables, x[i : i + 1]) for i in (0, 1)])
    np.testing.assert_allclose(both, one_by_one, atol=1e-5)


def test_evaluation_changes_no_statistics_and_training_does(model):
    x = images(model)
    variables = model.init(jax.random.key(0), x)
    _, same = model.apply(variables, x, mutable=["batch_stats"])
    _, changed = model.apply(
        variables,
        x,
        train=True,
        mutable=["batch_stats"],
        rngs={"dropout": jax.random.key(2)},
    )
    before = variables["batch_stats"]
    jax.tree.map(np.testing.assert_array_equal, same["batch_stats"], before)
    moved = jax.tree.map(
        lambda a, b: bool((a != b).any()), changed, {"batch_stats": before}
    )
    assert all(jax.tree.leaves(moved))
