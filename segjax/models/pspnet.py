"""PSPNet: what regions of four sizes hold on average, beside what each pixel shows.

Source: Zhao, Shi, Qi, Wang & Jia, Pyramid Scene Parsing Network, 2016, arXiv
  1612.01105, figures 3 and 4, section 3.3 (auxiliary loss, of weight 0.4).
Differs: the ResNet's stem is one 7x7 convolution where the authors' has three 3x3;
  pooled grids grow by half-pixel centres; the loss sees logits resized to the image.
"""

from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.models.backbone_segmenter import BackboneSegmenter
from segjax.nn.aspp import warn_of_lone
from segjax.nn.conv import Conv, ConvNorm
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.fcn_head import FCNHead
from segjax.nn.norm import NormName
from segjax.nn.pooling import adaptive_average_pool
from segjax.nn.resample import resize


class PSPNet(BackboneSegmenter):
    """PSPNet on any backbone; the default is ResNet-50 at output stride 8.

    Default size, 512x512x3 to 19 classes:

    =========  ===================  ============
    stage      output               parameters
    =========  ===================  ============
    backbone   64 x 64 x 2048         23,508,032
    pyramid    64 x 64 x 4096          4,198,400
    fuse       64 x 64 x 512          18,875,392
    head       64 x 64 x 19                9,747
    aux_head   64 x 64 x 19            2,364,691
    total                             48,956,262
    =========  ===================  ============

    In training, batch norm of the region that is the whole image sees one value an
    image: with a batch of 1 that branch learns nothing, and a warning says so.

    Attributes:
      num_outputs: `K`, channels of the logits.
      backbone: name of the backbone.
      backbone_width: multiplier of its channels.
      output_stride: the largest stride of the features, 8, 16 or 32.
      bins: regions each way, of each level of the pyramid.
      features: channels behind the pyramid.
      dropout: share of them dropped in training.
      aux_head: whether an auxiliary head reads the stage before the last.
      norm: `batch`, `group`, `layer` or `none`.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    backbone: str = "resnet50"
    backbone_width: float = 1.0
    output_stride: Literal[8, 16, 32] = 8
    bins: tuple[int, ...] = (1, 2, 3, 6)
    features: int = 512
    dropout: float = 0.1
    aux_head: bool = True
    norm: NormName = "batch"
    dtype: DtypeName = "float32"

    @property
    def stride(self) -> int:
        """Input sides must divide by it."""
        return self.output_stride

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
        style = dict(norm=self.norm, dtype=dtype)
        features = self.encode(
            x, train, norm=self.norm, output_stride=self.output_stride
        )
        x = PyramidPooling(self.bins, **style, name="pyramid")(features[32], train)
        x = ConvNorm(self.features, 3, **style, name="fuse")(x, train)
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        x = Conv(self.num_outputs, 1, name="head")(x.astype(jnp.float32))
        if self.aux_head and self.has_aux(train):
            head = FCNHead(self.num_outputs, **style, name="aux_head")
            self.sow_aux("stride16", resize(head(features[16], train), size))
        return resize(x, size)


class PyramidPooling(nn.Module):
    """The features, and their means over `bins x bins` regions, concatenated.

    Each level is pooled, brought down to its share of the channels by 1x1, norm and
    ReLU (`level0 ..`), and resized.

    Attributes:
      bins: regions each way, of each level; they need not divide the sides.
      norm: `batch`, `group`, `layer` or `none`.
      dtype: dtype of the computation.
    """

    bins: tuple[int, ...]
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B h w C"], train: bool
    ) -> Float[Array, "B h w D"]:
        if 1 in self.bins and not self.is_initializing():
            warn_of_lone(x, self.norm, train)
        features = max(1, x.shape[-1] // len(self.bins))
        levels = [x]
        for i, bins in enumerate(self.bins):
            level = ConvNorm(
                features, 1, norm=self.norm, dtype=self.dtype, name=f"level{i}"
            )(adaptive_average_pool(x, bins), train)
            levels.append(resize(level, x.shape[1:3]))
        return jnp.concatenate(levels, axis=-1)
