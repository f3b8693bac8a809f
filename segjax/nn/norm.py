"""Normalisation by name: `batch`, `group`, `layer` or `none`."""

from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

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
    dtype: Any = jnp.float32,
) -> Float[Array, "*B C"]:
    """Normalise inside a compact module, under the parameter name `name`.

    Statistics are computed in float32 whatever `dtype` is, in one pass over `x`: mean
    and mean of squares together (flax's `use_fast_variance`). Batch norm is over the
    global batch: under `jit` with a sharded batch the mean is a mean over all devices,
    and no axis name is needed. Running averages keep `momentum` of the old value a
    step (PyTorch states the rest: 0.1 there is 0.9 here).

    Source: Ioffe & Szegedy, Batch Normalization, 2015, arXiv 1502.03167; Wu & He,
      Group Normalization, 2018, arXiv 1803.08494.
    """
    if kind == "batch":
        layer = nn.BatchNorm(
            use_running_average=not train,
            momentum=momentum,
            epsilon=epsilon,
            dtype=dtype,
            name=name,
        )
    elif kind == "group":
        groups = _groups(x.shape[-1])
        layer = nn.GroupNorm(groups, epsilon=epsilon, dtype=dtype, name=name)
    elif kind == "layer":
        layer = nn.LayerNorm(epsilon=epsilon, dtype=dtype, name=name)
    else:
        return x
    return layer(x)


def _groups(width: int) -> int:
    return max(g for g in range(1, GROUPS + 1) if width % g == 0)
