"""The norm of two passes against Flax's, and when it is taken."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.nn import backend, fused_norm
from segjax.nn.norm import BatchNorm
from tests.nn.test_conv import noise
from tests.nn.test_onednn import calls, in_a_process_with_one_cpu, present

__all__ = ["present"]

SHAPES = [(2, 5, 7, 3), (4, 40, 30, 11), (2, 33, 65, 32), (3, 300), (1, 9, 8, 700)]
"""Pixels that fill no line, or a line and a half; more than a piece of them."""


def answers(make, activation, x, weights):
    """Value, new averages, and gradients by parameters and image."""
    layer, C = make(use_running_average=False, epsilon=1e-3), x.shape[-1]
    params = {"scale": noise(C, seed=5), "bias": noise(C, seed=6)}
    stats = {"mean": noise(C, seed=7), "var": jnp.arange(1.0, C + 1)}

    def answer(params, x):
        variables = {"params": params, "batch_stats": stats}
        y, new = layer.apply(variables, x, mutable=["batch_stats"])
        return (activation(y) if activation else y).astype(x.dtype), new

    def loss(params, x):
        return (answer(params, x)[0].astype("float32") * weights).sum()

    return jax.jit(lambda p, x: (answer(p, x), jax.grad(loss, (0, 1))(p, x)))(params, x)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("activation", fused_norm.BOUNDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_value_averages_and_gradients_are_flaxs(shape, activation, dtype, present):
    x = (3 * noise(*shape) + 1).astype(dtype)
    weights = noise(*shape, seed=3).astype(dtype).astype("float32")

    def fused(**options):
        return BatchNorm(activation=activation, dtype=x.dtype, **options)

    def flaxs(**options):  # rounded behind the activation, or 5.99 would be its bound
        return nn.BatchNorm(dtype="float32", **options)

    ours = answers(fused, None, x, weights)
    theirs = answers(flaxs, activation, x, weights)
    assert calls(
        lambda x: fused_norm.normalized(x, *noise(2, shape[-1]), 1e-3, None), x
    )
    close = 2e-5 if dtype == "float32" else 2**-7
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert a.dtype == b.dtype
        a, b = (np.asarray(leaf, "float32") for leaf in (a, b))
        np.testing.assert_allclose(a, b, rtol=close, atol=close * np.abs(b).max())


def test_how_the_layer_is_computed(present):
    def of(activation, dtype="float32"):
        layer = BatchNorm(
            use_running_average=False, activation=activation, dtype=jnp.float32
        )
        x = noise(2, 4, 4, 8).astype(dtype)
        variables = layer.init(jax.random.key(0), x)
        return lambda: calls(
            lambda x: layer.apply(variables, x, mutable=["batch_stats"])[0] + 0, x
        )

    for activation in fused_norm.BOUNDS:
        assert of(activation)() == 1
    assert of(nn.hard_swish)() == 0
    assert of(nn.relu, "bfloat16")() == 0
    with backend.portable():
        assert of(nn.relu)() == 0


def test_what_is_no_number_stays_none_and_spreads_to_its_channel_alone(present):
    x = noise(2, 6, 6, 4, dtype="bfloat16").at[0, 1, 2, 3].set(jnp.nan)
    y, mean, var = fused_norm.normalized(x, jnp.ones(4), jnp.zeros(4), 1e-3, nn.relu)
    for array in (y.reshape(-1, 4), mean[None], var[None]):
        found = np.isnan(np.asarray(array, "float32"))
        assert found[:, 3].all() and not found[:, :3].any()


def test_neither_threads_nor_the_cpu_change_a_bit():
    code = (
        "import hashlib, sys, jax, jax.numpy as jnp, numpy as np\n"
        "from segjax.nn import fused_norm\n"
        "x = jnp.sin(jnp.arange(2. * 90 * 90 * 24)).reshape(2, 90, 90, 24)\n"
        "s = jnp.cos(jnp.arange(24.))\n"
        "def answer(x):\n"
        "    f = lambda *a: fused_norm.normalized(*a, 1e-3, jax.nn.relu)\n"
        "    y, back = jax.vjp(f, x, s, s)\n"
        "    return y, back((jnp.cos(y[0]), s, s))\n"
        "assert fused_norm.takes(x, x.dtype, None)\n"
        "for leaf in jax.tree.leaves(jax.jit(answer)(x)):\n"
        "    print(hashlib.sha256(np.asarray(leaf)).hexdigest())\n"
    )
    found = {
        in_a_process_with_one_cpu(code, NPROC=str(threads)).stdout for threads in (1, 2)
    }
    assert len(found) == 1
