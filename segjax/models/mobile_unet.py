"""U-Net on MobileNetV2: a light encoder and a decoder of transposed convolutions.

Source: Image segmentation, TensorFlow tutorials, 2019 (encoder and its layers); the
  up-sampling block of Isola et al., Image-to-Image Translation with Conditional
  Adversarial Networks (pix2pix), 2016, arXiv 1611.07004; Sandler et al., MobileNetV2,
  2018, arXiv 1801.04381.
Differs: the deepest features, `block_16_project` there, are taken behind their norm,
  which has 640 parameters and 640 running statistics that the tutorial lacks; padding
  is PyTorch's, symmetric, in the encoder and in the transposed convolutions; the
  encoder's batch norm has torchvision's epsilon of 1e-5, not Keras's 1e-3.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.models.backbone_segmenter import BackboneSegmenter
from segjax.models.ranges import count_problems
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.norm import NormName, norm
from segjax.nn.upconv import UpConv


class MobileUNet(BackboneSegmenter):
    """MobileNetV2, skips from its widened features, and a wide decoder.

    Default size, 128x128x3 to 3 classes; of the backbone the features at stride 2 are
    shown:

    ========  =================  ===========
    stage     output             parameters
    ========  =================  ===========
    backbone  64 x 64 x 96         1,811,712
    up4       8 x 8 x 512          1,475,584
    up3       16 x 16 x 256        2,507,264
    up2       32 x 32 x 128          516,352
    up1       64 x 64 x 64           156,800
    head      128 x 128 x 3            4,323
    total                          6,472,035
    ========  =================  ===========

    The skips are 64x64x96, 32x32x144, 16x16x192 and 8x8x576, what the blocks that
    leave those sizes have widened; the deepest features are 4x4x320. With the running
    statistics it is 6,505,507; less the 1,280 of the last norm that is 6,504,227, the
    tutorial's total, of which 4,660,323 are trained there, the decoder alone. To train
    so, freeze `backbone`.

    Attributes:
      num_outputs: `K`, channels of the logits.
      backbone_width: multiplier of the encoder's channels.
      decoder_widths: channels of the four up-convolutions, deepest first.
      norm: `batch`, `group`, `layer` or `none`.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    backbone_width: float = 1.0
    decoder_widths: tuple[int, ...] = (512, 256, 128, 64)
    norm: NormName = "batch"
    dtype: DtypeName = "float32"
    backbone = "mobilenet_v2"

    def problems(self) -> list[str]:
        """What is wrong with the fields, as messages."""
        return super().problems() + count_problems(
            self, "decoder_widths", 4, "one for each of the strides 16 to 2"
        )

    @property
    def stride(self) -> int:
        """Input sides must divide by it."""
        return 32

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool = False
    ) -> Float[Array, "B H W K"]:
        """Logits of every pixel.

        Raises:
          UserError: a side of `x` does not divide by `stride`.
        """
        self.check_size(x)
        style = dict(norm=self.norm, dtype=compute_dtype(self.dtype))
        features = self.encode(x, train, norm=self.norm, expansions=True)
        x = features[32]
        for level, width in zip((4, 3, 2, 1), self.decoder_widths, strict=True):
            x = Grow(width, **style, name=f"up{level}")(x, train)
            x = jnp.concatenate([x, features[2**level]], axis=-1)
        return UpConv(self.num_outputs, name="head")(x.astype(jnp.float32))


class Grow(nn.Module):
    """Transposed convolution 3x3 of stride 2 (`conv`), norm, ReLU."""

    features: int
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B h w C"], train: bool
    ) -> Float[Array, "B 2*h 2*w F"]:
        bias = self.norm == "none"
        x = UpConv(self.features, use_bias=bias, dtype=self.dtype, name="conv")(x)
        # Keras's defaults for batch norm
        return norm(
            x,
            self.norm,
            train=train,
            epsilon=1e-3,
            momentum=0.99,
            activation=nn.relu,
            dtype=self.dtype,
        )
