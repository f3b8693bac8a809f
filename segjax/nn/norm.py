"""Normalisation by name: `batch`, `group`, `layer` or `none`."""

from collections.abc import Callable
from typing import Literal

import flax.linen as nn
from jaxtyping import Array

NormName = Literal["batch", "group", "layer", "none"]

GROUPS = 8
"""Groups of group norm; a narrower layer takes as many groups as divide its width."""


def make_norm(name: NormName, *, train: bool, dtype) -> Callable[[Array], Array]:
    """A function `(x, name) -> x` to call inside a compact module.

    Statistics are computed in float32 whatever `dtype` is. Batch norm is over the
    global batch: under `jit` with a sharded batch the mean is a mean over all devices,
    and no axis name is needed. Running averages keep 0.9 of the old value a step.

    Source: Ioffe & Szegedy, Batch Normalization, 2015, arXiv 1502.03167; Wu & He,
      Group Normalization, 2018, arXiv 1803.08494.
    """

    def norm(x: Array, layer_name: str) -> Array:
        if name == "batch":
            layer = nn.BatchNorm(
                use_running_average=not train,
                momentum=0.9,
                dtype=dtype,
                name=layer_name,
            )
        elif name == "group":
            layer = nn.GroupNorm(
                num_groups=_groups(x.shape[-1]), dtype=dtype, name=layer_name
            )
        elif name == "layer":
            layer = nn.LayerNorm(dtype=dtype, name=layer_name)
        else:
            return x
        return layer(x)

    return norm


def _groups(width: int) -> int:
    return max(g for g in range(1, GROUPS + 1) if width % g == 0)
