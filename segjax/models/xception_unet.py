"""U-Net-Xception: separable convolutions going down, each block with its residual.

Source: Chollet, Image segmentation with a U-Net-like architecture, keras.io, 2019;
  after Chollet, Xception, 2016, arXiv 1610.02357.
Differs: windows of stride 2 are centred on the even pixels, where "same" of Keras
  begins them there; kernels are He-initialised; the 1x1 residual of a growing block is
  taken before its nearest up-sampling, which is the same function in a quarter of the
  time. A transposed 3x3 convolution of stride 1 is a plain one with its kernel turned
  by 180 degrees. `skips=True` is no part of the source.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.models.segmenter import Segmenter
from segjax.nn.conv import Conv, ConvNorm
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.norm import NormName
from segjax.nn.pooling import max_pool_3x3
from segjax.nn.resample import upsample_nearest
from segjax.nn.separable import SeparableConvNorm

KERAS = dict(epsilon=1e-3, momentum=0.99)
"""Of batch norm, as Keras has them by default."""


class XceptionUNet(Segmenter):
    """U-Net-Xception of any width and depth; by default without encoder skips.

    Default size, 160x160x3 to 3 classes:

    ======  =================  ===========
    stage   output             parameters
    ======  =================  ===========
    stem    80 x 80 x 32               960
    down1   40 x 40 x 64             9,504
    down2   20 x 20 x 128           35,392
    down3   10 x 10 x 256          136,320
    up3     20 x 20 x 256        1,246,976
    up2     40 x 40 x 128          476,032
    up1     80 x 80 x 64           119,232
    up0     160 x 160 x 32          29,920
    head    160 x 160 x 3              867
    total                        2,055,203
    ======  =================  ===========

    Batch norm adds 3,776 running statistics, which are not trained: 2,058,979 in all.

    Attributes:
      num_outputs: `K`, channels of the logits.
      width: channels of the stem; each stage doubles them.
      depth: number of halvings after the stem's.
      skips: concatenate the stem's and each stage's output to what has grown to its
        size, as in a U-Net; the source has no such skips.
      norm: `batch`, `group`, `layer` or `none`.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    width: int = 32
    depth: int = 3
    skips: bool = False
    norm: NormName = "batch"
    dtype: DtypeName = "float32"

    @property
    def stride(self) -> int:
        """Input sides must divide by it."""
        return 2 ** (self.depth + 1)

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

        x = ConvNorm(
            self.width, 3, stride=2, use_bias=True, **KERAS, **style, name="stem"
        )(x, train)
        kept = [x]
        for level in range(1, self.depth + 1):
            x = Shrink(self.width * 2**level, **style, name=f"down{level}")(x, train)
            kept.append(x)
        for level in reversed(range(self.depth + 1)):
            x = Grow(self.width * 2**level, **style, name=f"up{level}")(x, train)
            if self.skips and level:
                x = jnp.concatenate([kept[level - 1], x], axis=-1)
        return Conv(self.num_outputs, 3, name="head")(x.astype(jnp.float32))


class Shrink(nn.Module):
    """Two separable convolutions and a pooling, beside a 1x1 of stride 2."""

    features: int
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B H/2 W/2 F"]:
        y = x
        for i in (1, 2):
            y = SeparableConvNorm(
                self.features,
                3,
                norm=self.norm,
                activation=None,
                use_bias=True,
                **KERAS,
                dtype=self.dtype,
                name=f"conv{i}",
            )(nn.relu(y), train)
        shortcut = Conv(self.features, 1, stride=2, dtype=self.dtype, name="shortcut")
        return max_pool_3x3(y) + shortcut(x)


class Grow(nn.Module):
    """Two convolutions 3x3 beside a 1x1, up-sampled."""

    features: int
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B h w C"], train: bool
    ) -> Float[Array, "B 2*h 2*w F"]:
        y = x
        for i in (1, 2):
            y = ConvNorm(
                self.features,
                3,
                norm=self.norm,
                activation=None,
                use_bias=True,
                **KERAS,
                dtype=self.dtype,
                name=f"conv{i}",
            )(nn.relu(y), train)
        shortcut = Conv(self.features, 1, dtype=self.dtype, name="shortcut")
        return upsample_nearest(y + shortcut(x), 2)
