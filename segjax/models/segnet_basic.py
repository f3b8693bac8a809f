"""SegNet-Basic: the four-stage form of SegNet, with wide kernels, trained from scratch.

Source: Badrinarayanan, Kendall & Cipolla, SegNet: A Deep Convolutional Encoder-Decoder
  Architecture for Image Segmentation, 2015, arXiv 1511.00561, section 3.3.
Differs: no local contrast or response normalisation of the input, which belongs to
  data preparation. As the paper says, and unlike some published configurations, the
  convolutions have no bias; only the classifier, a 1x1 convolution, has one. Odd sides
  are padded before a pooling and the padding is taken off again.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.models.segmenter import Segmenter
from segjax.nn.conv import Conv, ConvNorm
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.norm import NormName
from segjax.nn.pooling import max_pool_indices, unpool


class SegNetBasic(Segmenter):
    """SegNet-Basic of any width and depth.

    Default size, 360x480x3 to eleven classes; outputs before pooling:

    =====  ===================  ============
    stage  output               parameters
    =====  ===================  ============
    down0  360 x 480 x 64              9,536
    down1  180 x 240 x 64            200,832
    down2  90 x 120 x 64             200,832
    down3  45 x 60 x 64              200,832
    up3    45 x 60 x 64              200,832
    up2    90 x 120 x 64             200,832
    up1    180 x 240 x 64            200,832
    up0    360 x 480 x 64            200,832
    head   360 x 480 x 11                715
    total                          1,416,075
    =====  ===================  ============

    Batch norm adds 1,024 running statistics. A stage of the encoder is a convolution,
    norm and ReLU; one of the decoder is unpooling, a convolution and norm.

    Attributes:
      num_outputs: `K`, channels of the logits.
      width: channels of every stage.
      depth: number of poolings.
      kernel: side of all kernels but the classifier's; odd.
      norm: `batch`, `group`, `layer` or `none`.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    width: int = 64
    depth: int = 4
    kernel: int = 7
    norm: NormName = "batch"
    dtype: DtypeName = "float32"

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool = False
    ) -> Float[Array, "B H W K"]:
        """Logits of every pixel."""
        self.check_size(x)
        dtype = compute_dtype(self.dtype)
        style = dict(norm=self.norm, use_bias=self.norm == "none", dtype=dtype)
        x = x.astype(dtype)
        trail = []
        for level in range(self.depth):
            x = ConvNorm(self.width, self.kernel, **style, name=f"down{level}")(
                x, train
            )
            size = x.shape[1:3]
            x, indices = max_pool_indices(x)
            trail.append((indices, size))
        style |= dict(activation=None)
        for level in reversed(range(self.depth)):
            x = unpool(x, *trail[level])
            x = ConvNorm(self.width, self.kernel, **style, name=f"up{level}")(x, train)
        return Conv(self.num_outputs, 1, name="head")(x.astype(jnp.float32))
