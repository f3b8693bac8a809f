"""U-Net whose encoder is a classifier: a backbone, and skips from its stages.

Source: Ronneberger, Fischer & Brox, U-Net, 2015, arXiv 1505.04597; on a classifier's
  encoder: Iglovikov & Shvets, TernausNet, 2018, arXiv 1801.05746 (see `ternausnet`).
  Decoder of the form of segmentation_models_pytorch (Iakubovskii, 2019).
Differs: up-sampling is nearest, not an up-convolution, and the convolutions have a
  norm; the last block, at the image's size, has no skip; the classifier is 3x3.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.core.names import Names
from segjax.models import foreign
from segjax.models.backbone_segmenter import BackboneSegmenter
from segjax.models.ranges import count_problems
from segjax.nn.conv import Conv
from segjax.nn.double_conv import DoubleConvNorm
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.norm import NormName
from segjax.nn.resample import upsample_nearest


class BackboneUNet(BackboneSegmenter):
    """U-Net on any backbone; the default is ResNet-34.

    Default size, 512x512x3 to one output channel; of the backbone the features at
    stride 2 are shown:

    ========  ===================  ============
    stage     output               parameters
    ========  ===================  ============
    backbone  256 x 256 x 64         21,284,672
    up4       32 x 32 x 256           2,360,320
    up3       64 x 64 x 128             590,336
    up2       128 x 128 x 64            147,712
    up1       256 x 256 x 32             46,208
    up0       512 x 512 x 16              6,976
    head      512 x 512 x 1                 145
    total                            24,436,369
    ========  ===================  ============

    Attributes:
      num_outputs: `K`, channels of the logits.
      backbone: name of the backbone.
      backbone_width: multiplier of its channels.
      decoder_widths: channels of the five decoder blocks, deepest first.
      center: two more convolutions before the first block, as wide as the deepest
        features, for encoders such as VGG that end in a pooling.
      norm: `batch`, `group`, `layer` or `none`.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    backbone: str = "resnet34"
    backbone_width: float = 1.0
    decoder_widths: tuple[int, ...] = (256, 128, 64, 32, 16)
    center: bool = False
    norm: NormName = "batch"
    dtype: DtypeName = "float32"

    def problems(self) -> list[str]:
        """What is wrong with the fields, as messages."""
        return super().problems() + count_problems(
            self, "decoder_widths", 5, "one for each of the strides 16 to 1"
        )

    @property
    def stride(self) -> int:
        """Input sides must divide by it."""
        return 32

    @property
    def foreign(self) -> tuple[Names, ...]:
        """The whole model of segmentation_models_pytorch, or the backbone alone."""
        return (
            *foreign.whole(self.backbone, SMP, foreign.SMP_ENCODER),
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
        style = dict(norm=self.norm, dtype=compute_dtype(self.dtype))
        features = self.encode(x, train, norm=self.norm)
        x = features[32]
        if self.center:
            x = DoubleConvNorm(x.shape[-1], **style, name="center")(x, train)
        for level, width in zip(reversed(range(5)), self.decoder_widths, strict=True):
            x = upsample_nearest(x, 2)
            if level and 2**level in features:  # a backbone may begin at stride 4
                x = jnp.concatenate([x, features[2**level]], axis=-1)
            x = DoubleConvNorm(width, **style, name=f"up{level}")(x, train)
        return Conv(self.num_outputs, 3, name="head")(x.astype(jnp.float32))


SMP = Names(
    project="segmentation_models_pytorch",
    modules=(
        *(
            (
                rf"decoder\.blocks\.{4 - level}\.conv(\d)\.{i}",
                rf"up{level}/conv\1/{part}",
            )
            for level in range(5)
            for i, part in enumerate(("conv", "norm"))
        ),
        *(
            (rf"decoder\.center\.{n}\.{i}", f"center/conv{n + 1}/{part}")
            for n in range(2)
            for i, part in enumerate(("conv", "norm"))
        ),
        (r"segmentation_head\.0", "head"),
    ),
)
