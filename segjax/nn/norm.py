"""Normalisation by name: `batch`, `group`, `layer` or `none`."""

import functools
from collections.abc import Callable
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.nn import fused_norm

NormName = Literal["batch", "group", "layer", "none"]

GROUPS = 8
"""Groups of group norm; a narrower layer takes as many groups as divide its width."""


def norm(
    x: Float[Array, "*B C"],
    kind: NormName,
    *,
    train: bool,
    name: str = "norm",
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    activation: Callable | None = None,
    dtype: Any = jnp.float32,
) -> Float[Array, "*B C"]:
    """Normalise inside a compact module, under the parameter name `name`.

    `activation` is applied behind it; a CPU computes batch norm and ReLU together.

    Statistics are computed in float32 whatever `dtype` is, in one pass over `x`: mean
    and mean of squares together. Batch norm is over the global batch: under `jit` with
    a sharded batch the mean is a mean over all devices, and no axis name is needed.
    Running averages keep `momentum` of the old value a step (PyTorch states the rest:
    0.1 there is 0.9 here).

    Source: Ioffe & Szegedy, Batch Normalization, 2015, arXiv 1502.03167; Wu & He,
      Group Normalization, 2018, arXiv 1803.08494.
    """
    if kind == "batch":
        layer = BatchNorm(
            use_running_average=not train,
            momentum=momentum,
            epsilon=epsilon,
            activation=activation,
            dtype=dtype,
            name=name,
        )
        return layer(x)
    if kind == "group":
        groups = _groups(x.shape[-1])
        layer = nn.GroupNorm(groups, epsilon=epsilon, dtype=dtype, name=name)
    elif kind == "layer":
        layer = nn.LayerNorm(epsilon=epsilon, dtype=dtype, name=name)
    else:
        layer = _unchanged
    return activation(layer(x)) if activation else layer(x)


def _unchanged(x: Array) -> Array:
    return x


class BatchNorm(nn.BatchNorm):
    """Flax's, of a channel-last image, with a gradient that reads the image less often.

    Variables and values are those of `flax.linen.BatchNorm`, with an `activation`, if
    there is one, applied to them. Of its fields, those of
    the axes, of `axis_name` and of what is left out are not read: statistics are over
    all axes but the last, and `scale` and `bias` are float32.
    """

    activation: Callable | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "*B C"], use_running_average: bool | None = None
    ) -> Float[Array, "*B C"]:
        average = nn.merge_param(
            "use_running_average", self.use_running_average, use_running_average
        )
        C = x.shape[-1]
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, (C,))
        running_var = self.variable("batch_stats", "var", jnp.ones, (C,))
        scale = self.param("scale", self.scale_init, (C,))
        bias = self.param("bias", self.bias_init, (C,))
        if average:
            factor = jax.lax.rsqrt(running_var.value + self.epsilon) * scale
            y = (x - running_mean.value) * factor + bias
            return self._activated(y.astype(self.dtype))
        if fused_norm.takes(x, self.dtype, self.activation):
            y, mean, var = fused_norm.normalized(
                x, scale, bias, self.epsilon, self.activation
            )
        else:
            y, mean, var = batch_normalized(x, scale, bias, self.epsilon)
            y = self._activated(y.astype(self.dtype))
        if not self.is_initializing():
            for running, new in ((running_mean, mean), (running_var, var)):
                running.value = self.momentum * running.value + (
                    1 - self.momentum
                ) * jax.lax.stop_gradient(new)
        return y

    def _activated(self, y: Array) -> Array:
        return self.activation(y) if self.activation else y


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def batch_normalized(
    x: Float[Array, "*B C"],
    scale: Float[Array, " C"],
    bias: Float[Array, " C"],
    epsilon: float,
) -> tuple[Float[Array, "*B C"], Float[Array, " C"], Float[Array, " C"]]:
    """`(y, mean, var)` over all axes but the last, in float32.

    `y = (x - mean) / sqrt(var + epsilon) scale + bias`. `mean` and `var` are for the
    running averages and have no gradient of their own.
    """
    return _normalized_forward(x, scale, bias, epsilon)[0]


def _normalized_forward(x, scale, bias, epsilon):
    exact, axes = x.astype(jnp.float32), tuple(range(x.ndim - 1))
    mean, square = exact.mean(axes), (exact * exact).mean(axes)
    var = jnp.maximum(0.0, square - mean * mean)  # rounding may take it below zero
    inverse = jax.lax.rsqrt(var + epsilon)
    y = (exact - mean) * (inverse * scale) + bias
    return (y, mean, var), (x, scale, mean, inverse)


def _normalized_backward(epsilon, kept, gradients):
    """With `n = (x - mean) inverse`, `scale inverse (g - mean(g) - n mean(g n))`.

    Two sums over the image; the formula above, differentiated term by term, has more.
    """
    x, scale, mean, inverse = kept
    g, axes = gradients[0], tuple(range(x.ndim - 1))
    normalized = (x.astype(jnp.float32) - mean) * inverse
    to_bias, to_scale = g.sum(axes), (g * normalized).sum(axes)
    count = x.size // x.shape[-1]
    to_x = g - to_bias / count - normalized * (to_scale / count)
    return (to_x * (scale * inverse)).astype(x.dtype), to_scale, to_bias


batch_normalized.defvjp(_normalized_forward, _normalized_backward)


def _groups(width: int) -> int:
    return max(g for g in range(1, GROUPS + 1) if width % g == 0)
