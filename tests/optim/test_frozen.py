"""Frozen parts: their norms run with running averages, their gradients are zero."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.nn.conv import ConvNorm
from segjax.optim import frozen


class Net(nn.Module):
    """Two blocks, the first of which tests freeze."""

    @nn.compact
    def __call__(self, x, train: bool = False):
        x = ConvNorm(4, name="stem")(x, train)
        return ConvNorm(2, name="head")(x, train)


@pytest.fixture(scope="module")
def net():
    x = 3 + 2 * jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
    return Net(), Net().init(jax.random.key(1), x), x


def train(net, *patterns):
    model, variables, x = net
    with nn.intercept_methods(frozen.interceptor(patterns)):
        return model.apply(variables, x, True, mutable=["batch_stats"])


def test_a_frozen_norm_keeps_its_statistics_and_the_others_move(net):
    _, changed = train(net, "^stem/")
    before, after = net[1]["batch_stats"], changed["batch_stats"]
    jax.tree.map(np.testing.assert_array_equal, after["stem"], before["stem"])
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), after, before)["head"]
    assert all(jax.tree.leaves(moved))


def test_a_frozen_norm_normalises_by_them_as_in_evaluation(net):
    model, variables, x = net
    np.testing.assert_array_equal(
        train(net, "stem", "head")[0], model.apply(variables, x)
    )
    assert not np.array_equal(train(net)[0], model.apply(variables, x))


@pytest.mark.parametrize("pattern", ["kernel$", "norm/scale", "^norm", "^head/conv"])
def test_a_pattern_for_parameters_alone_leaves_the_statistics(net, pattern):
    jax.tree.map(np.testing.assert_array_equal, train(net, pattern), train(net))


def test_evaluation_is_as_before(net):
    model, variables, x = net
    with nn.intercept_methods(frozen.interceptor(("stem",))):
        found = model.apply(variables, x)
    np.testing.assert_array_equal(found, model.apply(variables, x))


def test_the_argument_of_a_norms_call_is_outranked():
    class Late(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            return nn.BatchNorm(name="norm")(x, use_running_average=not train)

    x = jnp.arange(8.0).reshape(4, 2)
    variables = Late().init(jax.random.key(0), x, False)
    with nn.intercept_methods(frozen.interceptor(("norm",))):
        y, changed = Late().apply(variables, x, True, mutable=["batch_stats"])
    np.testing.assert_allclose(y, x, rtol=1e-4)
    np.testing.assert_array_equal(changed["batch_stats"]["norm"]["mean"], 0)


def test_a_norm_is_found_within_a_block_that_is_computed_again(net):
    _, variables, x = net

    class Again(nn.Module):
        @nn.compact
        def __call__(self, x, train: bool = False):
            block = nn.remat(ConvNorm, static_argnums=(2,))
            return block(2, name="head")(block(4, name="stem")(x, train), train)

    again = Again(), variables, x
    after, before = train(again, "^stem/")[1]["batch_stats"], variables["batch_stats"]
    jax.tree.map(np.testing.assert_array_equal, after["stem"], before["stem"])
    assert (after["head"]["norm"]["mean"] != before["head"]["norm"]["mean"]).any()


def test_frozen_parameters_get_no_gradient(net):
    model, variables, x = net

    def total(params):
        params = frozen.stop(params, ("stem/conv",))
        return (model.apply({**variables, "params": params}, x) ** 2).sum()

    grads = jax.grad(total)(variables["params"])
    assert not np.any(grads["stem"]["conv"]["kernel"])
    assert np.any(grads["stem"]["norm"]["scale"])
    assert np.any(grads["head"]["conv"]["kernel"])


def test_a_pattern_that_finds_nothing_is_a_problem(net):
    params, statistics = net[1]["params"], net[1]["batch_stats"]
    assert frozen.problems(("^stem/", "kernel"), params) == []
    assert len(frozen.problems(("mean$",), params)) == 1
    assert frozen.problems(("mean$",), params, statistics) == []
    (problem,) = frozen.problems(("^backbone/", "stem"), params)
    assert problem == (
        "config.optim.freeze='^backbone/': is found in no path of the model; its "
        "modules are head, stem. Mend or remove it."
    )
