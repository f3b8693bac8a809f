"""DeepLabV3+: the pyramid of DeepLabV3, and a decoder that sees stride 4.

Source: Chen, Zhu, Papandreou, Schroff & Adam, Encoder-Decoder with Atrous Separable
  Convolution for Semantic Image Segmentation, 2018, arXiv 1802.02611, figure 2 and
  section 4.1 (48 low-level channels, two 3x3 convolutions of 256).
Differs: a separable convolution has norm and ReLU behind its 1x1 half alone; an
  auxiliary head may be asked for, which the paper does not have.
"""

from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.core.names import Names
from segjax.models import foreign
from segjax.models.backbone_segmenter import BackboneSegmenter
from segjax.models.deeplab_v3 import PYRAMID
from segjax.nn.aspp import ASPP, rates_at
from segjax.nn.conv import Conv, ConvNorm
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.fcn_head import FCNHead
from segjax.nn.norm import NormName
from segjax.nn.resample import resize
from segjax.nn.separable import SeparableConvNorm


class DeepLabV3Plus(BackboneSegmenter):
    """DeepLabV3+ on any backbone; the default is ResNet-50 at output stride 16.

    Default size, 512x512x3 to 19 classes:

    =========  ===================  ============
    stage      output               parameters
    =========  ===================  ============
    backbone   32 x 32 x 2048         23,508,032
    aspp       32 x 32 x 256          15,535,104
    low        128 x 128 x 48             12,384
    fuse0      128 x 128 x 256           700,928
    fuse1      128 x 128 x 256           590,336
    head       128 x 128 x 19              4,883
    total                             40,351,667
    =========  ===================  ============

    The output stride changes strides and rates, never parameters.

    Attributes:
      num_outputs: `K`, channels of the logits.
      backbone: name of the backbone.
      backbone_width: multiplier of its channels.
      output_stride: the largest stride of the features, 8, 16 or 32.
      multi_grid: factors of the rates of a ResNet's last blocks, such as (1, 2, 4).
      features: channels of the pyramid and the decoder.
      low_features: channels that the stride-4 features are brought down to.
      rates: of the pyramid's 3x3 branches; None is (6, 12, 18) at stride 16, twice that
        at 8; () leaves the 1x1 branch and the pooled image.
      separable: all 3x3 convolutions of pyramid and decoder are depthwise-separable,
        as on Xception and MobileNets.
      refine: a 3x3 convolution between the pyramid and the decoder, as in
        segmentation_models_pytorch; the paper has none.
      fusions: 3x3 convolutions behind the concatenation.
      dropout: share of the pyramid's result dropped in training.
      aux_head: whether an auxiliary head reads the stage before the last.
      norm: `batch`, `group`, `layer` or `none`. Batch norm wants 2 images a batch: see
        `ASPP`.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    backbone: str = "resnet50"
    backbone_width: float = 1.0
    output_stride: Literal[8, 16, 32] = 16
    multi_grid: tuple[int, ...] | None = None
    features: int = 256
    low_features: int = 48
    rates: tuple[int, ...] | None = None
    separable: bool = False
    refine: bool = False
    fusions: int = 2
    dropout: float = 0.5
    aux_head: bool = False
    norm: NormName = "batch"
    dtype: DtypeName = "float32"
    may_be_empty = ("rates",)

    @property
    def stride(self) -> int:
        """Input sides must divide by it."""
        return self.output_stride

    @property
    def foreign(self) -> tuple[Names, ...]:
        """The whole model of segmentation_models_pytorch, or the backbone alone."""
        return (
            *foreign.whole(self.backbone, SMP, r"encoder\."),
            *super().foreign,
        )

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
        F, style = self.features, dict(norm=self.norm, dtype=dtype)
        block = SeparableConvNorm if self.separable else ConvNorm
        grid = {} if self.multi_grid is None else {"multi_grid": self.multi_grid}
        features = self.encode(
            x, train, norm=self.norm, output_stride=self.output_stride, **grid
        )
        rates = rates_at(self.output_stride) if self.rates is None else self.rates
        x = ASPP(F, rates, self.separable, self.dropout, **style, name="aspp")(
            features[32], train
        )
        if self.refine:
            x = block(F, 3, **style, name="refine")(x, train)
        low = ConvNorm(self.low_features, 1, **style, name="low")(features[4], train)
        x = jnp.concatenate([resize(x, low.shape[1:3]), low], axis=-1)
        for i in range(self.fusions):
            x = block(F, 3, **style, name=f"fuse{i}")(x, train)
        x = Conv(self.num_outputs, 1, name="head")(x.astype(jnp.float32))
        if self.aux_head and self.has_aux(train):
            head = FCNHead(self.num_outputs, **style, name="aux_head")
            self.sow_aux("stride16", resize(head(features[16], train), size))
        return resize(x, size)


def _halves(there: str, here: str) -> tuple[tuple[str, str], ...]:
    """Rules for a separable convolution and its norm."""
    return (
        (rf"{there}\.0\.0", f"{here}/depth"),
        (rf"{there}\.0\.1", f"{here}/point/conv"),
        (rf"{there}\.1", f"{here}/point/norm"),
    )


SMP = Names(
    project="segmentation_models_pytorch",
    modules=(
        *_halves(r"decoder\.aspp\.0\.convs\.([123])", r"aspp/branch\1"),
        *((rf"decoder\.aspp\.0\.convs\.{a}", f"aspp/{b}") for a, b in PYRAMID),
        (r"decoder\.aspp\.0\.project\.0", "aspp/project/conv"),
        (r"decoder\.aspp\.0\.project\.1", "aspp/project/norm"),
        (r"decoder\.aspp\.1\.0", "refine/depth"),
        (r"decoder\.aspp\.1\.1", "refine/point/conv"),
        (r"decoder\.aspp\.2", "refine/point/norm"),
        (r"decoder\.block1\.0", "low/conv"),
        (r"decoder\.block1\.1", "low/norm"),
        *_halves(r"decoder\.block2", "fuse0"),
        (r"segmentation_head\.0", "head"),
    ),
)
"""Of `separable`, `refine` and one of `fusions`, which is the form there."""
