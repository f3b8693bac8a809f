"""MobileNet-SegNet: MobileNet cut at stride 16, and a decoder that repeats pixels.

Source: the model `mobilenet_segnet` of Gupta's image-segmentation-keras, a collection
  of 2017 and later; encoder: Howard et al., MobileNets, 2017, arXiv 1704.04861.
Differs: runs at any size that 16 divides, where that model takes 224x224 alone; logits
  are resized to the image, where that model is trained and scored at half its size.
"""

import dataclasses
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.core.names import Names
from segjax.models.backbone_segmenter import BackboneSegmenter
from segjax.models.ranges import count_problems
from segjax.nn.conv import Conv, ConvNorm
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.norm import NormName
from segjax.nn.resample import resize, upsample_nearest

EPSILON = 1e-3
"""Of the decoder's batch norm, Keras's default."""


class MobileNetSegNet(BackboneSegmenter):
    """MobileNet's first eleven blocks and four convolutions with up-sampling between.

    **The decoder is SegNet's in name only.** SegNet puts features back where its
    poolings found them; MobileNet halves the grid by convolutions with stride 2, so
    there are no pooling indices to reuse. What goes by the name "MobileNet-SegNet"
    repeats every pixel instead. `segnet` has the decoder of the paper.

    Default size, 224x224x3 to 19 classes:

    ========  =================  ============
    stage     output             parameters
    ========  =================  ============
    backbone  112 x 112 x 64        1,613,120
    up16      14 x 14 x 512         2,360,832
    up8       28 x 28 x 256         1,180,416
    up4       56 x 56 x 128           295,296
    up2       112 x 112 x 64           73,920
    head      112 x 112 x 19           10,963
    total                           5,534,547
    ========  =================  ============

    Keras counts the running statistics in: 14,720 of the encoder, which make it
    1,627,840, and 1,920 of the decoder, 5,551,187 in all.

    Attributes:
      num_outputs: `K`, channels of the logits.
      decoder: `upsampling`, pixels repeated and convolutions with norm, without ReLU,
        as in the source; `upsampling_relu` has the ReLU that it lacks.
      widths: channels of the decoder, deepest first; one at each stride from 16 to 2.
      backbone_width: multiplier of the encoder's channels.
      norm: `batch`, `group`, `layer` or `none`.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    decoder: Literal["upsampling", "upsampling_relu"] = "upsampling"
    widths: tuple[int, int, int, int] = (512, 256, 128, 64)
    backbone_width: float = 1.0
    norm: NormName = "batch"
    dtype: DtypeName = "float32"
    backbone = "mobilenet_v1"

    def problems(self) -> list[str]:
        """What is wrong with the fields, as messages."""
        return super().problems() + count_problems(
            self, "widths", 4, "one for each of the strides 16 to 2"
        )

    @property
    def stride(self) -> int:
        """Input sides must divide by it."""
        return 16

    @property
    def foreign(self) -> tuple[Names, ...]:
        """MobileNet's names, less the two blocks that are cut off."""
        return tuple(
            dataclasses.replace(names, drop=(*names.drop, *DEEPEST))
            for names in super().foreign
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
        size = x.shape[1:3]
        style = dict(norm=self.norm, dtype=compute_dtype(self.dtype))
        x = self.encode(x, train, norm=self.norm, blocks=11)[16]
        style |= dict(use_bias=True, epsilon=EPSILON)
        style |= dict(activation=nn.relu if self.decoder.endswith("relu") else None)
        for stride, width in zip((16, 8, 4, 2), self.widths, strict=True):
            if stride < 16:
                x = upsample_nearest(x, 2)
            x = ConvNorm(width, 3, **style, name=f"up{stride}")(x, train)
        x = Conv(self.num_outputs, 3, name="head")(x.astype(jnp.float32))
        return resize(x, size)


DEEPEST = (
    r"blocks\.4\..*",
    r"(mobilenet_v1\.)?layer\.2[2-5]\..*",
)
"""The blocks 12 and 13, as timm and transformers call them."""
