"""FCN on a dilated backbone: one small head on features of stride 8.

Source: Long, Shelhamer & Darrell, Fully Convolutional Networks for Semantic
  Segmentation, 2015, arXiv 1411.4038; on a dilated ResNet as torchvision's
  `fcn_resnet50`, after Yu & Koltun, Multi-Scale Context Aggregation by Dilated
  Convolutions, 2015, arXiv 1511.07122.
Differs: no skips, unlike the paper; this is torchvision's form, which is what newer
  comparisons call FCN.
"""

from typing import Literal

import flax.linen as nn
from jaxtyping import Array, Float

from segjax.core.names import Names
from segjax.models import foreign
from segjax.models.backbone_segmenter import BackboneSegmenter
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.fcn_head import FCNHead
from segjax.nn.norm import NormName
from segjax.nn.resample import resize


class FCNResNet(BackboneSegmenter):
    """torchvision's FCN on any backbone; the default is ResNet-50 at stride 8.

    Default size, 512x512x3 to 21 classes:

    =========  ===================  ============
    stage      output               parameters
    =========  ===================  ============
    backbone   256 x 256 x 64         23,508,032
    head       64 x 64 x 21            9,448,981
    aux_head   64 x 64 x 21            2,365,205
    total                             35,322,218
    =========  ===================  ============

    Attributes:
      num_outputs: `K`, channels of the logits.
      backbone: name of the backbone.
      backbone_width: multiplier of its channels.
      output_stride: the largest stride of the features, 8, 16 or 32.
      features: channels between a head's two convolutions; None is a quarter of the
        backbone's.
      dropout: share of them dropped in training.
      aux_head: whether an auxiliary head reads the stage before the last.
      norm: `batch`, `group`, `layer` or `none`.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    backbone: str = "resnet50"
    backbone_width: float = 1.0
    output_stride: Literal[8, 16, 32] = 8
    features: int | None = None
    dropout: float = 0.1
    aux_head: bool = True
    norm: NormName = "batch"
    dtype: DtypeName = "float32"

    @property
    def stride(self) -> int:
        """Input sides must divide by it."""
        return self.output_stride

    @property
    def foreign(self) -> tuple[Names, ...]:
        """torchvision's whole model, or the backbone alone."""
        return (
            *foreign.whole(self.backbone, TORCHVISION, r"backbone\."),
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
        features = self.encode(
            x, train, norm=self.norm, output_stride=self.output_stride
        )
        style |= dict(features=self.features, dropout=self.dropout)
        head = FCNHead(self.num_outputs, **style, name="head")
        logits = resize(head(features[32], train), size)
        if self.aux_head and self.has_aux(train):
            head = FCNHead(self.num_outputs, **style, name="aux_head")
            self.sow_aux("stride16", resize(head(features[16], train), size))
        return logits


TORCHVISION = Names(
    project="torchvision",
    modules=tuple(
        (rf"{there}\.{number}", f"{here}/{layer}")
        for there, here in (("classifier", "head"), ("aux_classifier", "aux_head"))
        for number, layer in ((0, "conv/conv"), (1, "conv/norm"), (4, "head"))
    ),
)
