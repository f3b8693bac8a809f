"""Strides given up for rates: a finer grid of features from the same parameters.

Source: Chen et al., DeepLab, 2016, arXiv 1606.00915, section 3.1.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Step(NamedTuple):
    """How a layer that strides is applied, and at which rate what follows it.

    The layer itself still reads the grid before it, hence the rate before it; only
    the layers behind it find their neighbours `after` pixels away.

    Attributes:
      stride: stride of the layer now.
      rate: rate of the layer's own kernel.
      after: rate of all kernels behind it, up to the next step.
    """

    stride: int
    rate: int
    after: int


def steps(strides: Sequence[int], output_stride: int, start: int = 1) -> list[Step]:
    """One step for each of `strides`, none of which passes `output_stride`.

    Args:
      strides: of the undilated network, in the order of its layers.
      output_stride: largest stride that the product of strides may reach.
      start: stride of the grid before the first of them.
    """
    planned = []
    reached, rate = start, 1
    for stride in strides:
        if reached * stride <= output_stride:
            reached *= stride
            planned.append(Step(stride, rate, rate))
        else:
            planned.append(Step(1, rate, rate * stride))
            rate *= stride
    return planned


def max_pool_dense(
    x: Float[Array, "B H W C"], offsets: Sequence[int]
) -> Float[Array, "B H W C"]:
    """Maximum of the pixels at all pairs of `offsets` from each, with stride 1.

    What becomes of a pooling whose stride is given up: `(0, rate)` of a 2x2,
    `(-rate, 0, rate)` of a 3x3 with a border.
    """
    low, high = max(0, -min(offsets)), max(0, max(offsets))
    for axis in (1, 2):
        pads = [(low, high) if i == axis else (0, 0) for i in range(4)]
        padded = jnp.pad(x, pads, constant_values=jnp.finfo(x.dtype).min)
        x = functools.reduce(
            jnp.maximum,
            [
                jax.lax.slice_in_dim(padded, low + o, low + o + x.shape[axis], 1, axis)
                for o in offsets
            ],
        )
    return x
