"""SegNet: a decoder that puts features back where the encoder's poolings found them.

Source: Badrinarayanan, Kendall & Cipolla, SegNet: A Deep Convolutional Encoder-Decoder
  Architecture for Image Segmentation, 2015, arXiv 1511.00561, section 3 and figure 2.
  Encoder: the 13 convolutions of VGG16, Simonyan & Zisserman, 2014, arXiv 1409.1556.
Differs: a softmax is left to the loss; odd sides are padded before a pooling and the
  padding is taken off again, so images of any size fit.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from segjax.core.names import Names
from segjax.models.backbones.vgg import VGG11, VGG16, VGG11Normed, VGG16Normed
from segjax.models.ranges import count_problems
from segjax.models.segmenter import Segmenter
from segjax.nn.conv import Conv, ConvNorm
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.norm import NormName
from segjax.nn.pooling import max_pool_indices, unpool


class SegNet(Segmenter):
    """SegNet of any width and depth, with the indices of its poolings.

    Default size, 360x480x3 to eleven classes; outputs before pooling:

    ==============  ===================  ============
    stage           output               parameters
    ==============  ===================  ============
    encoder/stage1  360 x 480 x 64             38,976
    encoder/stage2  180 x 240 x 128           221,952
    encoder/stage3  90 x 120 x 256          1,476,864
    encoder/stage4  45 x 60 x 512           5,902,848
    encoder/stage5  23 x 30 x 512           7,082,496
    up5             23 x 30 x 512           7,082,496
    up4             45 x 60 x 256           5,902,080
    up3             90 x 120 x 128          1,476,480
    up2             180 x 240 x 64            221,760
    up1             360 x 480 x 64             37,056
    head            360 x 480 x 11              6,347
    total                                  29,449,355
    ==============  ===================  ============

    19 classes make 29,453,971. Batch norm adds 15,872 running statistics. The encoder
    starts from weights of VGG16, with or without batch norm, under the names of
    torchvision and timm.

    Attributes:
      num_outputs: `K`, channels of the logits.
      widths: channels of the encoder's stages; the decoder mirrors them.
      convolutions: convolutions of each stage, both ways.
      norm: `batch`, `group`, `layer` or `none`.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    convolutions: tuple[int, ...] = (2, 2, 3, 3, 3)
    norm: NormName = "batch"
    dtype: DtypeName = "float32"

    def problems(self) -> list[str]:
        """What is wrong with the fields, as messages."""
        return super().problems() + count_problems(
            self, "convolutions", len(self.widths), "one for each of the widths"
        )

    @property
    def foreign(self) -> tuple[Names, ...]:
        """VGG's names for the arrays of `encoder`, if it is VGG-11's or VGG-16's."""
        return tuple(
            names.within("encoder")
            for vgg in (VGG16Normed, VGG16, VGG11Normed, VGG11)
            if vgg.convolutions == tuple(self.convolutions)
            for names in vgg.foreign
        )

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool = False
    ) -> Float[Array, "B H W K"]:
        """Logits of every pixel."""
        self.check_size(x)
        style = dict(norm=self.norm, dtype=compute_dtype(self.dtype))
        x, trail = Encoder(self.widths, self.convolutions, **style, name="encoder")(
            x.astype(style["dtype"]), train
        )
        for level in reversed(range(len(trail))):
            indices, size = trail[level]
            x = unpool(x, indices, size)
            features = [self.widths[level]] * self.convolutions[level]
            # The last convolution prepares the next stage's width; in the first it is
            # the classifier.
            features[-1:] = [self.widths[level - 1]] if level else []
            if features:
                x = Stage(tuple(features), **style, name=f"up{level + 1}")(x, train)
        return Conv(self.num_outputs, 3, name="head")(x.astype(jnp.float32))


class Encoder(nn.Module):
    """VGG's convolutions; gives its last pooling, and what undoes each pooling.

    The trail holds, from the first stage to the last, the indices of its pooling and
    the size before it.
    """

    widths: tuple[int, ...]
    convolutions: tuple[int, ...]
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> tuple[Float[Array, "B h w F"], list[tuple[UInt8[Array, "..."], tuple]]]:
        trail = []
        for level, (width, n) in enumerate(
            zip(self.widths, self.convolutions, strict=True)
        ):
            x = Stage((width,) * n, self.norm, self.dtype, name=f"stage{level + 1}")(
                x, train
            )
            size = x.shape[1:3]
            x, indices = max_pool_indices(x)
            trail.append((indices, size))
        return x, trail


class Stage(nn.Module):
    """Convolutions 3x3 with bias, norm and ReLU, one for each of `features`."""

    features: tuple[int, ...]
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B H W F"]:
        for i, features in enumerate(self.features):
            x = ConvNorm(
                features,
                norm=self.norm,
                use_bias=True,
                dtype=self.dtype,
                name=f"conv{i + 1}",
            )(x, train)
        return x
