"""Separable convolution: one kernel a channel, then 1x1 across the channels.

Source: Chollet, Xception: Deep Learning with Depthwise Separable Convolutions, 2016,
  arXiv 1610.02357.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.nn.conv import Conv, ConvNorm, Sides
from segjax.nn.norm import NormName


class SeparableConvNorm(nn.Module):
    """Depthwise convolution (`depth`), then 1x1, norm, activation (`point`).

    Attributes:
      features: output channels.
      kernel: side of the depthwise kernel, or `(kh, kw)`.
      stride: of the depthwise convolution.
      rate: of the depthwise convolution.
      norm: `batch`, `group`, `layer` or `none`.
      activation: applied last; None for none.
      use_bias: whether the 1x1 has a bias; None: only where no norm follows.
      epsilon: of the norm.
      momentum: of the norm's running averages.
      dtype: dtype of the computation.
    """

    features: int
    kernel: Sides = 3
    stride: int = 1
    rate: int = 1
    norm: NormName = "batch"
    activation: Callable | None = nn.relu
    use_bias: bool | None = None
    epsilon: float = 1e-5
    momentum: float = 0.9
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B h w F"]:
        C = x.shape[-1]
        x = Conv(
            C,
            self.kernel,
            stride=self.stride,
            rate=self.rate,
            groups=C,
            use_bias=False,
            dtype=self.dtype,
            name="depth",
        )(x)
        return ConvNorm(
            self.features,
            1,
            norm=self.norm,
            activation=self.activation,
            use_bias=self.use_bias,
            epsilon=self.epsilon,
            momentum=self.momentum,
            dtype=self.dtype,
            name="point",
        )(x, train)


class SeparableBlock(nn.Module):
    """Depthwise convolution (`depth`), 1x1 (`point`), each with norm and activation.

    Attributes:
      features: output channels.
      kernel: side of the depthwise kernel, or `(kh, kw)`.
      stride: of the depthwise convolution.
      rate: of the depthwise convolution.
      norm: `batch`, `group`, `layer` or `none`.
      activation: behind both; None for none.
      epsilon: of the norms.
      dtype: dtype of the computation.
    """

    features: int
    kernel: Sides = 3
    stride: int = 1
    rate: int = 1
    norm: NormName = "batch"
    activation: Callable | None = nn.relu
    epsilon: float = 1e-5
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B h w F"]:
        style = dict(
            norm=self.norm,
            activation=self.activation,
            epsilon=self.epsilon,
            dtype=self.dtype,
        )
        x = ConvNorm(
            None,
            self.kernel,
            stride=self.stride,
            rate=self.rate,
            groups=-1,
            **style,
            name="depth",
        )(x, train)
        return ConvNorm(self.features, 1, **style, name="point")(x, train)
