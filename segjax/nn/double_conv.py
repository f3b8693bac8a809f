"""Two convolutions 3x3 with norm and ReLU: what a U-Net's decoder does at each size."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.nn.conv import ConvNorm
from segjax.nn.norm import NormName


class DoubleConvNorm(nn.Module):
    """Twice (`conv1`, `conv2`): convolution 3x3, norm, ReLU.

    Attributes:
      features: output channels.
      norm: `batch`, `group`, `layer` or `none`, with which the convolutions have a
        bias.
      dtype: dtype of the computation.
    """

    features: int
    norm: NormName = "batch"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B H W F"]:
        style = dict(norm=self.norm, dtype=self.dtype)
        x = ConvNorm(self.features, 3, **style, name="conv1")(x, train)
        return ConvNorm(self.features, 3, **style, name="conv2")(x, train)
