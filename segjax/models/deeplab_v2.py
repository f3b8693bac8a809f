"""DeepLabV2: classifiers of four rates, added up.

Source: Chen, Papandreou, Kokkinos, Murphy & Yuille, DeepLab: Semantic Image
  Segmentation with Deep Convolutional Nets, Atrous Convolution, and Fully Connected
  CRFs, 2016, arXiv 1606.00915, sections 3.1 and 4.1 (ASPP-L), figure 7.
Differs: no CRF and no fusion of three input scales; batch norm is trained, the paper
  keeps that of ImageNet. ResNet strides in its 3x3 convolutions. The loss sees logits
  resized to the image, not labels of stride 8.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.models.backbone_segmenter import BackboneSegmenter
from segjax.nn.aspp import warn_of_wide
from segjax.nn.conv import Conv, ConvNorm
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.norm import NormName
from segjax.nn.resample import resize


class DeepLabV2(BackboneSegmenter):
    """DeepLabV2 on ResNet-101, or with `branch_features=1024` on VGG-16.

    Default size, 320x320x3 to 21 classes:

    =========  ===================  ============
    stage      output               parameters
    =========  ===================  ============
    backbone   40 x 40 x 2048         42,500,160
    aspp0      40 x 40 x 21              387,093
    aspp1      40 x 40 x 21              387,093
    aspp2      40 x 40 x 21              387,093
    aspp3      40 x 40 x 21              387,093
    total                             44,048,532
    =========  ===================  ============

    Each branch is a 3x3 atrous convolution to the classes; on VGG-16 it is one to 1024
    channels, then 1x1 to as many, then the classifier, 37,877,652 parameters in all.

    Attributes:
      num_outputs: `K`, channels of the logits.
      backbone: name of the backbone.
      backbone_width: multiplier of its channels.
      rates: one branch each; (2, 4, 8, 12) is the small pyramid, ASPP-S.
      branch_features: channels of two layers before each classifier; 0 for none.
      dropout: share dropped in training behind each of these two layers.
      norm: `batch`, `group`, `layer` or `none`; of the backbone alone.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    backbone: str = "resnet101"
    backbone_width: float = 1.0
    rates: tuple[int, ...] = (6, 12, 18, 24)
    branch_features: int = 0
    dropout: float = 0.5
    norm: NormName = "batch"
    dtype: DtypeName = "float32"

    @property
    def stride(self) -> int:
        """Input sides must divide by it."""
        return 8

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool = False
    ) -> Float[Array, "B H W K"]:
        """Logits of every pixel.

        Raises:
          UserError: a side of `x` does not divide by `stride`.
        """
        self.check_size(x)
        size, dtype = x.shape[1:3], compute_dtype(self.dtype)
        features = self.encode(x, train, norm=self.norm, output_stride=8)[32]
        if not self.is_initializing():
            warn_of_wide(self.rates, features)
        logits = sum(
            Branch(
                self.num_outputs,
                rate,
                self.branch_features,
                self.dropout,
                dtype,
                name=f"aspp{i}",
            )(features, train)
            for i, rate in enumerate(self.rates)
        )
        return resize(logits, size)


class Branch(nn.Module):
    """Logits at one rate: a 3x3 classifier, or 3x3 and 1x1 layers and a 1x1 one."""

    num_outputs: int
    rate: int
    features: int
    dropout: float
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B h w C"], train: bool
    ) -> Float[Array, "B h w K"]:
        kernel, rate = 3, self.rate
        if self.features:
            for name in ("fc6", "fc7"):
                x = ConvNorm(
                    self.features,
                    kernel,
                    rate=rate,
                    norm="none",
                    dtype=self.dtype,
                    name=name,
                )(x, train)
                x = nn.Dropout(self.dropout, deterministic=not train)(x)
                kernel, rate = 1, 1
        head = Conv(self.num_outputs, kernel, rate=rate, name="head")
        return head(x.astype(jnp.float32))
