"""Batch norm against flax's, in value, gradient, statistics and names."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.nn.norm import BatchNorm


def answers(layer: type[nn.Module], x, variables, weights, train: bool):
    """`(value, new statistics, gradients)` of `(value * weights).sum()`."""
    module = layer(momentum=0.9, epsilon=1e-3, dtype=x.dtype)

    @jax.jit
    def run(params, x):
        def loss(params, x):
            y, new = module.apply(
                {**variables, "params": params},
                x,
                use_running_average=not train,
                mutable=["batch_stats"],
            )
            return (y.astype(jnp.float32) * weights).sum(), (y, new)

        gradients, aux = jax.grad(loss, (0, 1), has_aux=True)(params, x)
        return *aux, gradients

    return run(variables["params"], x)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("shape", [(4, 6, 5, 3), (16, 4)])
@pytest.mark.parametrize("dtype, tolerance", [("float32", 2e-5), ("bfloat16", 2e-2)])
def test_it_is_flaxs(train, shape, dtype, tolerance):
    keys = iter(jax.random.split(jax.random.key(0), 6))
    x = (3 + 2 * jax.random.normal(next(keys), shape)).astype(dtype)
    C, weights = shape[-1], jax.random.normal(next(keys), shape)
    variables = {
        "params": {
            "scale": jax.random.normal(next(keys), (C,)),
            "bias": jax.random.normal(next(keys), (C,)),
        },
        "batch_stats": {
            "mean": jax.random.normal(next(keys), (C,)),
            "var": jnp.arange(1.0, C + 1),
        },
    }
    ours = answers(BatchNorm, x, variables, weights, train)
    theirs = answers(nn.BatchNorm, x, variables, weights, train)
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(
            a.astype(jnp.float32), b.astype(jnp.float32), atol=tolerance, rtol=tolerance
        )


def test_it_begins_as_flaxs():
    x = jnp.full((2, 4, 4, 3), 7.0)
    ours, theirs = (
        layer(use_running_average=False).init(jax.random.key(0), x)
        for layer in (BatchNorm, nn.BatchNorm)
    )
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)
