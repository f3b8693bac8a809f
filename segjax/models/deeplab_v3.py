"""DeepLabV3: features of a dilated backbone, seen at several rates side by side.

Source: Chen, Papandreou, Schroff & Adam, Rethinking Atrous Convolution for Semantic
  Image Segmentation, 2017, arXiv 1706.05587, figure 5 and section 4.1; numbers of
  channels and dropout as in torchvision's `deeplabv3_resnet50`.
Differs: the auxiliary head is torchvision's (the paper has none), as is the 3x3
  convolution between the pyramid and the classifier; no multi-grid unless asked for
  (the paper's best is (1, 2, 4)), no training on logits of stride 8 or 16: the loss
  sees them resized to the image.
"""

from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.core.names import Names
from segjax.models import foreign
from segjax.models.backbone_segmenter import BackboneSegmenter
from segjax.nn.aspp import ASPP, rates_at
from segjax.nn.conv import Conv, ConvNorm
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.fcn_head import FCNHead
from segjax.nn.norm import NormName
from segjax.nn.resample import resize


class DeepLabV3(BackboneSegmenter):
    """DeepLabV3 on any backbone; the default is ResNet-50 at output stride 8.

    Default size, 512x512x3 to 19 classes, as torchvision's with its auxiliary head:

    =========  ===================  ============
    stage      output               parameters
    =========  ===================  ============
    backbone   64 x 64 x 2048         23,508,032
    aspp       64 x 64 x 256          15,535,104
    refine     64 x 64 x 256             590,336
    head       64 x 64 x 19                4,883
    aux_head   64 x 64 x 19            2,364,691
    total                             42,003,046
    =========  ===================  ============

    The output stride changes strides and rates, never parameters. torchvision's form on
    MobileNetV3-Large, 11,029,328 parameters at 21 classes, has `output_stride=16`,
    `rates=(12, 24, 36)` and `aux_stride=8`; its auxiliary head reads the first block of
    that stride, ours the last, and its first dilated block has the larger rate already.

    Attributes:
      num_outputs: `K`, channels of the logits.
      backbone: name of the backbone.
      backbone_width: multiplier of its channels.
      output_stride: the largest stride of the features, 8, 16 or 32; finer features
        cost time and memory and win 1 to 2 points of mIoU in the paper.
      multi_grid: factors of the rates of a ResNet's last blocks, such as (1, 2, 4).
      features: channels of the pyramid.
      rates: of the pyramid's 3x3 branches; None is (6, 12, 18) at stride 16, twice that
        at 8; () leaves the 1x1 branch and the pooled image, as MobileNets have it.
      separable: depthwise-separable 3x3 branches.
      refine: a 3x3 convolution between the pyramid and the classifier.
      dropout: share of the pyramid's result dropped in training.
      aux_head: whether there is an auxiliary head.
      aux_stride: stride of the undilated stage that it reads. 16 is the last but one;
        8 makes the head that torchvision puts on MobileNetV3.
      norm: `batch`, `group`, `layer` or `none`. Batch norm wants 2 images a batch: see
        `ASPP`.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    backbone: str = "resnet50"
    backbone_width: float = 1.0
    output_stride: Literal[8, 16, 32] = 8
    multi_grid: tuple[int, ...] | None = None
    features: int = 256
    rates: tuple[int, ...] | None = None
    separable: bool = False
    refine: bool = True
    dropout: float = 0.5
    aux_head: bool = True
    aux_stride: Literal[8, 16] = 16
    norm: NormName = "batch"
    dtype: DtypeName = "float32"
    may_be_empty = ("rates",)

    @property
    def stride(self) -> int:
        """Input sides must divide by it."""
        return self.output_stride

    @property
    def foreign(self) -> tuple[Names, ...]:
        """Whole models of torchvision and transformers, or the backbone alone.

        Where the number of classes differs, the last classifier of each head does not
        fit and has to be named as new.
        """
        return (
            *foreign.whole(self.backbone, TORCHVISION, r"backbone\."),
            *foreign.whole(self.backbone, TRANSFORMERS, ""),
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
        style = dict(norm=self.norm, dtype=dtype)
        grid = {} if self.multi_grid is None else {"multi_grid": self.multi_grid}
        features = self.encode(
            x, train, norm=self.norm, output_stride=self.output_stride, **grid
        )
        rates = rates_at(self.output_stride) if self.rates is None else self.rates
        x = ASPP(
            self.features, rates, self.separable, self.dropout, **style, name="aspp"
        )(features[32], train)
        if self.refine:
            x = ConvNorm(self.features, 3, **style, name="refine")(x, train)
        x = Conv(self.num_outputs, 1, name="head")(x.astype(jnp.float32))
        if self.aux_head and self.has_aux(train):
            head = FCNHead(self.num_outputs, **style, name="aux_head")
            logits = head(features[self.aux_stride], train)
            self.sow_aux(f"stride{self.aux_stride}", resize(logits, size))
        return resize(x, size)


PYRAMID = (
    (r"0\.0", r"branch0/conv"),
    (r"0\.1", r"branch0/norm"),
    (r"([123])\.0", r"branch\1/conv"),
    (r"([123])\.1", r"branch\1/norm"),
    (r"4\.1", r"pool/conv"),
    (r"4\.2", r"pool/norm"),
)
"""Branches of a pyramid of three rates in torchvision, and here."""

TORCHVISION = Names(
    project="torchvision",
    modules=(
        *((rf"classifier\.0\.convs\.{a}", f"aspp/{b}") for a, b in PYRAMID),
        (r"classifier\.0\.project\.0", "aspp/project/conv"),
        (r"classifier\.0\.project\.1", "aspp/project/norm"),
        (r"classifier\.1", "refine/conv"),
        (r"classifier\.2", "refine/norm"),
        (r"classifier\.4", "head"),
        (r"aux_classifier\.0", "aux_head/conv/conv"),
        (r"aux_classifier\.1", "aux_head/conv/norm"),
        (r"aux_classifier\.4", "aux_head/head"),
    ),
)

TRANSFORMERS = Names(
    project="transformers",
    modules=(
        *(
            (rf"segmentation_head\.conv_{a}\.{c}", f"aspp/{b}/{d}")
            for a, b in (
                ("aspp", "branch0"),
                ("pool", "pool"),
                ("projection", "project"),
            )
            for c, d in (("convolution", "conv"), ("normalization", "norm"))
        ),
        (r"segmentation_head\.classifier\.convolution", "head"),
    ),
    # the pooled image stands before the 1x1 branch there
    kinds=((r"segmentation_head\.conv_projection\.convolution\.weight", "swapped"),),
    drop=(r"mobilenet_v\d\.conv_1x1\..*", r".*\.num_batches_tracked"),
)
"""Of a MobileNet with `rates=()` and without `refine`."""
