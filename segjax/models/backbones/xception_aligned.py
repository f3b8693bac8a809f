"""Aligned Xception, as DeepLabV3+ has it: strided separable convolutions, no pooling.

Source: Chen et al., Encoder-Decoder with Atrous Separable Convolution, 2018, arXiv
  1802.02611, section 3.2 and figure 4; after Qi et al., Deformable Convolutional
  Networks - COCO Challenge entry, 2017.
Differs: ReLU stands before each separable convolution, and behind both of its halves
  in the last block alone, as in the authors' code; the paper writes both everywhere.
  Padding is symmetric, as in PyTorch. The epsilon of batch norm is 1e-3.
"""

from typing import Any, NamedTuple

import flax.linen as nn
from jaxtyping import Array, Float

from segjax.core.names import Names
from segjax.models.backbones.atrous import steps
from segjax.models.backbones.backbone import Backbone
from segjax.nn.conv import ConvNorm
from segjax.nn.norm import NormName
from segjax.nn.separable import SeparableBlock

EPSILON = 1e-3

TIMM = Names(
    project="timm",
    modules=(
        (r"stem\.(\d)\.conv", r"stem\1/conv"),
        (r"stem\.(\d)\.bn", r"stem\1/norm"),
        (r"blocks\.(\d+)\.shortcut\.conv", r"block\1/shortcut/conv"),
        (r"blocks\.(\d+)\.shortcut\.bn", r"block\1/shortcut/norm"),
        (r"blocks\.(\d+)\.stack\.conv(\d)\.conv_dw", r"block\1/conv\2/depth/conv"),
        (r"blocks\.(\d+)\.stack\.conv(\d)\.bn_dw", r"block\1/conv\2/depth/norm"),
        (r"blocks\.(\d+)\.stack\.conv(\d)\.conv_pw", r"block\1/conv\2/point/conv"),
        (r"blocks\.(\d+)\.stack\.conv(\d)\.bn_pw", r"block\1/conv\2/point/norm"),
    ),
    drop=(r"head\..*", r".*\.num_batches_tracked"),
)


class Plan(NamedTuple):
    """Channels of a block's three convolutions, and the stride of the third."""

    channels: tuple[int, int, int]
    stride: int


ENTRY = (Plan((128,) * 3, 2), Plan((256,) * 3, 2), Plan((728,) * 3, 2))
MIDDLE = Plan((728,) * 3, 1)
EXIT = Plan((728, 1024, 1024), 2)
LAST = Plan((1536, 1536, 2048), 1)


class AlignedXception(Backbone):
    """Aligned Xception of any depth; the default is Xception-41.

    Default size, 224x224x3:

    =======  ================  ============
    stage    output            parameters
    =======  ================  ============
    stem0    112 x 112 x 32             928
    stem1    112 x 112 x 64          18,560
    block0   56 x 56 x 128           53,696
    block1   28 x 28 x 256          205,696
    block2   14 x 14 x 728        1,457,360
    block3   14 x 14 x 728        1,618,344
    block4   14 x 14 x 728        1,618,344
    block5   14 x 14 x 728        1,618,344
    block6   14 x 14 x 728        1,618,344
    block7   14 x 14 x 728        1,618,344
    block8   14 x 14 x 728        1,618,344
    block9   14 x 14 x 728        1,618,344
    block10  14 x 14 x 728        1,618,344
    block11  7 x 7 x 1024         3,104,384
    block12  7 x 7 x 2048         7,133,184
    total                        24,920,560
    =======  ================  ============

    The features at the strides 2, 4, 8 and 16 are taken within the block that leaves
    the stride: behind two of its convolutions and a ReLU, of 128, 256, 728 and 1024
    channels. Stride 4 is what the decoder of DeepLabV3+ sees. Stride 32 is the last
    block.

    Attributes:
      middle: number of blocks of the middle flow.
    """

    middle: int = 8

    foreign = (TIMM,)

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool = False
    ) -> dict[int, Array]:
        """Features before each stride, and the last."""
        style = dict(norm=self.norm, dtype=self.dtype)
        stem = dict(epsilon=EPSILON, **style)
        x = ConvNorm(self.channels(32), 3, stride=2, **stem, name="stem0")(x, train)
        x = ConvNorm(self.channels(64), 3, **stem, name="stem1")(x, train)
        blocks = (*ENTRY, *(MIDDLE,) * self.middle, EXIT)
        plan = steps([block.stride for block in blocks], self.output_stride, start=2)
        features = {}
        key = 2
        for number, (block, step) in enumerate(zip(blocks, plan, strict=True)):
            x, before = ResidualBlock(
                channels=tuple(self.channels(c) for c in block.channels),
                stride=step.stride,
                rate=step.rate,
                projects=block.stride > 1,
                **style,
                name=f"block{number}",
            )(x, train)
            if block.stride > 1:
                features[key] = before
                key *= block.stride
        features[key] = LastBlock(
            channels=tuple(self.channels(c) for c in LAST.channels),
            rate=plan[-1].after,
            **style,
            name=f"block{len(blocks)}",
        )(x, train)
        return features


class Xception41(AlignedXception):
    """Aligned Xception-41: 24,920,560 parameters."""


class Xception65(AlignedXception):
    """Aligned Xception-65: 37,867,312 parameters."""

    middle: int = 16


class ResidualBlock(nn.Module):
    """Three times ReLU and separable convolution, the last strided; and the shortcut.

    Gives beside its output the input of the last of them.
    """

    channels: tuple[int, int, int]
    stride: int
    rate: int
    projects: bool
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> tuple[Float[Array, "B h w F"], Float[Array, "B H W D"]]:
        style = dict(norm=self.norm, activation=None, epsilon=EPSILON, dtype=self.dtype)
        y = before = x
        for i, channels in enumerate(self.channels, start=1):
            before = nn.relu(y)
            y = SeparableBlock(
                channels,
                stride=self.stride if i == 3 else 1,
                rate=self.rate,
                **style,
                name=f"conv{i}",
            )(before, train)
        if self.projects:
            x = ConvNorm(
                self.channels[-1], 1, stride=self.stride, **style, name="shortcut"
            )(x, train)
        return x + y, before


class LastBlock(nn.Module):
    """Three separable convolutions, each half of them with ReLU; no shortcut."""

    channels: tuple[int, int, int]
    rate: int
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B H W F"]:
        for i, channels in enumerate(self.channels, start=1):
            x = SeparableBlock(
                channels,
                rate=self.rate,
                norm=self.norm,
                epsilon=EPSILON,
                dtype=self.dtype,
                name=f"conv{i}",
            )(x, train)
        return x
