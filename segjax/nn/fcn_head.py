"""The small head that turns features into logits: 3x3, dropout, 1x1.

Source: torchvision's `FCNHead`, after Long, Shelhamer & Darrell, Fully Convolutional
  Networks, 2015, arXiv 1411.4038; as an auxiliary head: Zhao et al., Pyramid Scene
  Parsing Network, 2016, arXiv 1612.01105, section 3.3.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.nn.conv import Conv, ConvNorm
from segjax.nn.norm import NormName


class FCNHead(nn.Module):
    """Convolution 3x3 with norm and ReLU (`conv`), dropout, classifier (`head`).

    Attributes:
      num_outputs: `K`, channels of the logits, which are float32.
      features: channels in between; None is a quarter of the input's.
      dropout: share dropped in training.
      norm: `batch`, `group`, `layer` or `none`.
      dtype: dtype of the convolution 3x3.
    """

    num_outputs: int
    features: int | None = None
    dropout: float = 0.1
    norm: NormName = "batch"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "B h w C"], train: bool
    ) -> Float[Array, "B h w K"]:
        features = self.features or max(1, x.shape[-1] // 4)
        x = ConvNorm(features, 3, norm=self.norm, dtype=self.dtype, name="conv")(
            x, train
        )
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return Conv(self.num_outputs, 1, name="head")(x.astype(jnp.float32))
