"""FCN: a classifier of images slid over the image, its coarse scores refined by skips.

Source: Long, Shelhamer & Darrell, Fully Convolutional Networks for Semantic
  Segmentation, 2015, arXiv 1411.4038, sections 3 and 4, figure 3.
Differs: the 7x7 convolution is padded by 3, where the authors pad the image by 100
  pixels and crop the scores; the last enlargement, which is fixed there too, repeats
  edges; scores begin with He's random weights, not with zeros; the three forms train
  at once, each by itself, not one from another. ResNets, which came later, are scored
  at the same strides, without the two wide layers.
"""

from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.core.names import Names
from segjax.models import foreign
from segjax.models.backbone_segmenter import BackboneSegmenter
from segjax.nn.conv import Conv
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.norm import NormName
from segjax.nn.pooling import max_pool_2x2
from segjax.nn.resample import resize
from segjax.nn.upconv import UpConvBilinear


class FCN(BackboneSegmenter):
    """FCN-32s, -16s or -8s on any backbone; the default is FCN-8s on VGG-16.

    Default size, 512x512x3 to 21 classes:

    =========  ===================  ============
    stage      output               parameters
    =========  ===================  ============
    backbone   512 x 512 x 64         14,714,688
    fc6        16 x 16 x 4096        102,764,544
    fc7        16 x 16 x 4096         16,781,312
    score32    16 x 16 x 21               86,037
    up32       32 x 32 x 21                7,056
    score16    32 x 32 x 21               10,773
    up16       64 x 64 x 21                7,056
    score8     64 x 64 x 21                5,397
    total                            134,376,863
    =========  ===================  ============

    `up32` and `up16` begin as bilinear interpolation; beyond the border they see
    zeros. `fc6` and `fc7` are VGG's fully connected layers as convolutions, so they
    start from its weights, and an image of any size is one pass.

    Attributes:
      num_outputs: `K`, channels of the logits.
      finest_stride: of the features that are scored: 32, 16 or 8, the FCN-32s, -16s
        and -8s of the paper.
      backbone: name of the backbone.
      backbone_width: multiplier of its channels.
      fc_width: channels of `fc6` and `fc7`; 0 leaves both out. None is 4096 on VGG and
        0 on all others.
      dropout: share of `fc6`'s and of `fc7`'s features dropped in training.
      norm: `batch`, `group`, `layer` or `none`, of the backbone; plain VGG has none.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    finest_stride: Literal[32, 16, 8] = 8
    backbone: str = "vgg16"
    backbone_width: float = 1.0
    fc_width: int | None = None
    dropout: float = 0.5
    norm: NormName = "batch"
    dtype: DtypeName = "float32"

    @property
    def stride(self) -> int:
        """Input sides must divide by it."""
        return 32

    @property
    def foreign(self) -> tuple[Names, ...]:
        """The backbone's names; of a VGG, its two wide layers besides."""
        if self._wide() and self.backbone.startswith("vgg"):
            return foreign.whole(self.backbone, DENSE, r"features\.")
        return super().foreign

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
        features = self.encode(x, train, norm=self.norm)
        x = features[32]
        if width := self._wide():
            for name, kernel in (("fc6", 7), ("fc7", 1)):
                x = nn.relu(Conv(width, kernel, dtype=dtype, name=name)(x))
                x = nn.Dropout(self.dropout, deterministic=not train)(x)
        x = self._score(x, 32)
        for stride in (32, 16):
            if stride > self.finest_stride:
                finer = self._score(features_at(features, stride // 2), stride // 2)
                x = UpConvBilinear(2, depthwise=False, name=f"up{stride}")(x) + finer
        return resize(x, size)

    def _score(
        self, x: Float[Array, "B h w C"], stride: int
    ) -> Float[Array, "B h w K"]:
        return Conv(self.num_outputs, 1, name=f"score{stride}")(x.astype(jnp.float32))

    def _wide(self) -> int:
        """Channels of `fc6` and `fc7`, 0 for none."""
        if self.fc_width is not None:
            return self.fc_width
        return 4096 if self.backbone.startswith("vgg") else 0


def features_at(features: dict[int, Array], stride: int) -> Float[Array, "B h w C"]:
    """Features whose true stride is `stride`; VGG's stages end with a pooling."""
    ends_with_pooling = 1 in features
    if ends_with_pooling:
        return max_pool_2x2(features[stride // 2])
    return features[stride]


DENSE = Names(
    project="torchvision",
    modules=((r"classifier\.0", "fc6"), (r"classifier\.3", "fc7")),
    kinds=((r"classifier\.0\.weight", "dense_7x7"),),
    drop=(r"classifier\.6\..*", r".*\.num_batches_tracked"),
    new=(r"(score|up)\d+/.*",),
)
"""Of VGG's fully connected layers; the scores are new."""
