"""Batch norm and the activation behind it in two passes over memory, on a CPU.

XLA writes the image anew, as float32, before each of the sums, and reads it once more
for each: 1.5 to 4 times as long. `norm.cc` reads it once for both sums and once for the
result, in the gradient, too. It is built with oneDNN's calls and taken where they are,
for it works with the same threads; elsewhere `norm.batch_normalized` gives the same
values to rounding.
"""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from segjax.nn import onednn
from segjax.nn.backend import on_cpu

BOUNDS = {None: (-np.inf, np.inf), nn.relu: (0.0, np.inf), nn.relu6: (0.0, 6.0)}
"""Activation -> its least and its largest value; what lies between is unchanged."""


def takes(x: Float[Array, "*B C"], dtype: Any, activation: Callable | None) -> bool:
    """Whether what is traced now, of that dtype, can be `normalized` of this file."""
    return (
        activation in BOUNDS
        and x.dtype == dtype
        and x.dtype in (jnp.float32, jnp.bfloat16)
        and x.size > 0
        and on_cpu()
        and not onednn.absent()
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def normalized(
    x: Float[Array, "*B C"],
    scale: Float[Array, " C"],
    bias: Float[Array, " C"],
    epsilon: float,
    activation: Callable | None,
) -> tuple[Float[Array, "*B C"], Float[Array, " C"], Float[Array, " C"]]:
    """`(activation(y), mean, var)`, as of `norm.batch_normalized`, in the dtype of `x`.

    Where a value is one of the activation's bounds its gradient is 0.
    """
    return _forward(x, scale, bias, epsilon, activation)[0]


def _forward(x, scale, bias, epsilon, activation):
    shapes = (x.shape, x.dtype), (scale.shape, jnp.float32), (bias.shape, jnp.float32)
    out = _call("norm", shapes, (x, scale, bias), epsilon, activation)
    return tuple(out), (x, scale, bias, out[1], out[2])


def _backward(epsilon, activation, kept, gradients):
    x, scale, bias, mean, var = kept
    shapes = (x.shape, x.dtype), (scale.shape, jnp.float32), (bias.shape, jnp.float32)
    arrays = x, scale, bias, mean, var, gradients[0]
    return tuple(_call("norm_back", shapes, arrays, epsilon, activation))


normalized.defvjp(_forward, _backward)


def _call(name, shapes, arrays, epsilon, activation):
    least, most = BOUNDS[activation]
    call = jax.ffi.ffi_call(
        f"segjax_{name}",
        [jax.ShapeDtypeStruct(*shape) for shape in shapes],
        vmap_method="sequential",
    )
    return call(
        *arrays,
        epsilon=np.float32(epsilon),
        least=np.float32(least),
        most=np.float32(most),
    )
