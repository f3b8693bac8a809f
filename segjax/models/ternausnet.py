"""TernausNet: a U-Net whose encoder is VGG-11.

Source: Iglovikov & Shvets, TernausNet: U-Net with VGG11 Encoder Pre-Trained on
  ImageNet for Image Segmentation, 2018, arXiv 1801.05746, figure 1; widths from the
  authors' `UNet11`.
Differs: kernels that are not loaded are He-initialised. The authors' own files are not
  read: their names count the encoder's layers twice.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.core.errors import UserError
from segjax.models.backbone_segmenter import BackboneSegmenter
from segjax.nn.conv import Conv
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.upconv import UpConv


class TernausNet(BackboneSegmenter):
    """VGG-11, and a decoder of convolution and transposed convolution; no norm.

    Default size, 512x512x3 to one output channel; of the backbone the features at
    stride 1 are shown:

    ========  ===================  ============
    stage     output               parameters
    ========  ===================  ============
    backbone  512 x 512 x 64          9,220,480
    center    32 x 32 x 256           3,539,712
    up4       64 x 64 x 256           4,719,360
    up3       128 x 128 x 128         4,129,408
    up2       256 x 256 x 64          1,032,512
    up1       512 x 512 x 32            258,208
    up0       512 x 512 x 32             27,680
    head      512 x 512 x 1                  33
    total                            22,927,393
    ========  ===================  ============

    `center` reads the last pooling; each further stage reads what has grown and, beside
    it, the encoder's features before the pooling of that size.

    Attributes:
      num_outputs: `K`, channels of the logits.
      backbone: name of a VGG; others have no features at the image's size.
      backbone_width: multiplier of its channels.
      width: channels of `up0`; the other widths are multiples of it.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    backbone: str = "vgg11"
    backbone_width: float = 1.0
    width: int = 32
    dtype: DtypeName = "float32"

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
          UserError: a side of `x` does not divide by `stride`, or the backbone has no
            features at stride 1.
        """
        self.check_size(x)
        dtype = compute_dtype(self.dtype)
        features = self.encode(x, train)
        if 1 not in features:
            raise UserError(
                f"config.model.backbone={self.backbone!r}: has no features at the "
                "image's size; a VGG has. Name one, or take the model 'backbone_unet'."
            )
        W = self.width
        x = Grow(16 * W, 8 * W, dtype, name="center")(features[32])
        plan = {4: (16, 8), 3: (16, 4), 2: (8, 2), 1: (4, 1)}
        for level, (middle, after) in plan.items():
            x = jnp.concatenate([x, features[2**level]], axis=-1)
            x = Grow(middle * W, after * W, dtype, name=f"up{level}")(x)
        x = jnp.concatenate([x, features[1]], axis=-1)
        x = nn.relu(Conv(W, 3, dtype=dtype, name="up0")(x))
        return Conv(self.num_outputs, 1, name="head")(x.astype(jnp.float32))


class Grow(nn.Module):
    """Convolution 3x3 to `middle`, transposed convolution 3x3 to `features`, ReLUs."""

    middle: int
    features: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "B h w C"]) -> Float[Array, "B 2*h 2*w F"]:
        x = nn.relu(Conv(self.middle, 3, dtype=self.dtype, name="conv")(x))
        return nn.relu(UpConv(self.features, dtype=self.dtype, name="grow")(x))
