"""DeepLab-LargeFOV: VGG-16 whose fully connected layers became atrous convolutions.

Source: Chen, Papandreou, Kokkinos, Murphy & Yuille, Semantic Image Segmentation with
  Deep Convolutional Nets and Fully Connected CRFs, 2014, arXiv 1412.7062, sections 3.1,
  3.2 and table 2 (20.5M parameters). Other tables give this name 37.3M; the paper's
  other forms have 65.1M and 134.3M.
Differs: no CRF behind it. The last two poolings keep their 2x2 window, spread by the
  rate, where the paper widens them to 3x3, so the network computes on ImageNet's
  weights what VGG-16 computes; no pooling of the first three is widened either. The
  loss sees logits resized to the image, not labels of stride 8.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.models.backbone_segmenter import BackboneSegmenter
from segjax.nn.aspp import warn_of_wide
from segjax.nn.conv import Conv, ConvNorm
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.norm import NormName
from segjax.nn.resample import resize


class DeepLabLargeFOV(BackboneSegmenter):
    """DeepLab-LargeFOV on VGG-16 or VGG-11.

    Default size, 320x320x3 to 21 classes:

    =========  ===================  ============
    stage      output               parameters
    =========  ===================  ============
    backbone   40 x 40 x 512          14,714,688
    fc6        40 x 40 x 1024          4,719,616
    fc7        40 x 40 x 1024          1,049,600
    head       40 x 40 x 21               21,525
    total                             20,505,429
    =========  ===================  ============

    Attributes:
      num_outputs: `K`, channels of the logits.
      backbone: name of the backbone; `vgg16` is the paper's.
      backbone_width: multiplier of its channels.
      features: channels of `fc6` and `fc7`; VGG-16 has 4096.
      kernel: side of the kernel of `fc6`.
      rate: its rate; 12 with a kernel of 3 is the large field of view, 224 pixels.
      dropout: share dropped behind `fc6` and behind `fc7` in training.
      norm: `batch`, `group`, `layer` or `none`, in `fc6`, `fc7` and a backbone that has
        norms; the paper has none.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    backbone: str = "vgg16"
    backbone_width: float = 1.0
    features: int = 1024
    kernel: int = 3
    rate: int = 12
    dropout: float = 0.5
    norm: NormName = "none"
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
        style = dict(norm=self.norm, dtype=dtype)
        x = self.encode(x, train, norm=self.norm, output_stride=8)[32]
        if not self.is_initializing():
            warn_of_wide((self.rate,), x)
        for name, kernel, rate in (("fc6", self.kernel, self.rate), ("fc7", 1, 1)):
            x = ConvNorm(self.features, kernel, rate=rate, **style, name=name)(x, train)
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        x = Conv(self.num_outputs, 1, name="head")(x.astype(jnp.float32))
        return resize(x, size)
