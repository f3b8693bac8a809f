"""MobileNetV2: blocks that widen, filter each channel and narrow again.

Source: Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, 2018,
  arXiv 1801.04381, table 2.
Differs: ends with the 320 channels of the last block, before the convolution to 1280.
  Padding is symmetric, as in PyTorch, where TensorFlow pads an even side at its end
  alone. The epsilon of batch norm is 1e-5, torchvision's.
"""

from typing import Any, NamedTuple

import flax.linen as nn
from jaxtyping import Array, Float

from segjax.core.names import Names
from segjax.models.backbones.atrous import steps
from segjax.models.backbones.backbone import Backbone
from segjax.nn.conv import ConvNorm
from segjax.nn.norm import NormName


class Group(NamedTuple):
    """Blocks alike: widening factor, channels, number, stride of the first."""

    widen: int
    channels: int
    blocks: int
    stride: int


GROUPS = (
    Group(1, 16, 1, 1),
    Group(6, 24, 2, 2),
    Group(6, 32, 3, 2),
    Group(6, 64, 4, 2),
    Group(6, 96, 3, 1),
    Group(6, 160, 3, 2),
    Group(6, 320, 1, 1),
)


def _torchvision() -> Names:
    """A block is `features.N.conv`, a sequence whose entries depend on its widening."""
    rules = [(r"features\.0\.0", "stem/conv"), (r"features\.0\.1", "stem/norm")]
    for block in range(17):
        layers = ("depthwise",) if block == 0 else ("expand", "depthwise")
        there, here = rf"features\.{block + 1}\.conv", f"block{block}"
        for i, layer in enumerate(layers):
            rules.append((rf"{there}\.{i}\.0", f"{here}/{layer}/conv"))
            rules.append((rf"{there}\.{i}\.1", f"{here}/{layer}/norm"))
        last = len(layers)
        rules.append((rf"{there}\.{last}", f"{here}/project/conv"))
        rules.append((rf"{there}\.{last + 1}", f"{here}/project/norm"))
    drop = (r"features\.18\..*", r"classifier\..*", r".*\.num_batches_tracked")
    return Names(project="torchvision", modules=tuple(rules), drop=drop)


def _timm() -> Names:
    """Blocks are counted within groups; the first has no widening convolution."""
    rules = [
        (r"conv_stem", "stem/conv"),
        (r"bn1", "stem/norm"),
        (r"blocks\.0\.0\.conv_dw", "block0/depthwise/conv"),
        (r"blocks\.0\.0\.bn1", "block0/depthwise/norm"),
        (r"blocks\.0\.0\.conv_pw", "block0/project/conv"),
        (r"blocks\.0\.0\.bn2", "block0/project/norm"),
    ]
    layers = (("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3"))
    number = 1
    for group in range(1, len(GROUPS)):
        for i in range(GROUPS[group].blocks):
            for (conv, bn), ours in zip(
                layers, ("expand", "depthwise", "project"), strict=True
            ):
                there, here = rf"blocks\.{group}\.{i}", f"block{number}/{ours}"
                rules.append((rf"{there}\.{conv}", f"{here}/conv"))
                rules.append((rf"{there}\.{bn}", f"{here}/norm"))
            number += 1
    drop = (r"(conv_head|bn2|classifier)\..*", r".*\.num_batches_tracked")
    return Names(project="timm", modules=tuple(rules), drop=drop)


def _transformers() -> Names:
    """The stem there holds the first block; the other blocks are counted from 0."""
    root = r"(?:mobilenet_v2\.)?"
    stem, layer = rf"{root}conv_stem", rf"{root}layer"
    rules = []
    for a, b in (("convolution", "conv"), ("normalization", "norm")):
        rules += [
            (rf"{stem}\.first_conv\.{a}", f"stem/{b}"),
            (rf"{stem}\.conv_3x3\.{a}", f"block0/depthwise/{b}"),
            (rf"{stem}\.reduce_1x1\.{a}", f"block0/project/{b}"),
        ]
        for i in range(16):
            rules += [
                (rf"{layer}\.{i}\.{there}\.{a}", f"block{i + 1}/{here}/{b}")
                for there, here in (
                    ("expand_1x1", "expand"),
                    ("conv_3x3", "depthwise"),
                    ("reduce_1x1", "project"),
                )
            ]
    drop = (
        rf"{root}conv_1x1\..*",
        r"(classifier|segmentation_head)\..*",
        r".*\.num_batches_tracked",
    )
    return Names(project="transformers", modules=tuple(rules), drop=drop)


class MobileNetV2(Backbone):
    """MobileNetV2 without its last convolution.

    Default size, 224x224x3; `blockN` is numbered as in Keras:

    =======  ================  ============
    stage    output            parameters
    =======  ================  ============
    stem     112 x 112 x 32             928
    block0   112 x 112 x 16             896
    block1   56 x 56 x 24             5,136
    block2   56 x 56 x 24             8,832
    block3   28 x 28 x 32            10,000
    block4   28 x 28 x 32            14,848
    block5   28 x 28 x 32            14,848
    block6   14 x 14 x 64            21,056
    block7   14 x 14 x 64            54,272
    block8   14 x 14 x 64            54,272
    block9   14 x 14 x 64            54,272
    block10  14 x 14 x 96            66,624
    block11  14 x 14 x 96           118,272
    block12  14 x 14 x 96           118,272
    block13  7 x 7 x 160            155,264
    block14  7 x 7 x 160            320,000
    block15  7 x 7 x 160            320,000
    block16  7 x 7 x 320            473,920
    total                         1,811,712
    =======  ================  ============

    The features are the last block's of each stride, linear: `block0`, `block2`,
    `block5`, `block12`, `block16`.

    Attributes:
      expansions: give for the strides 2 to 16 what the block that leaves the stride has
        widened (`block1`, 3, 6 and 13: 96, 144, 192 and 576 channels, behind ReLU6), as
        U-Nets on this encoder take it.
    """

    expansions: bool = False

    foreign = (_torchvision(), _timm(), _transformers())

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool = False
    ) -> dict[int, Array]:
        """Features of the last block of each stride, or of the first of the next."""
        style = dict(norm=self.norm, dtype=self.dtype)
        plan = steps([g.stride for g in GROUPS], self.output_stride, start=2)
        x = ConvNorm(
            self.channels(32), 3, stride=2, activation=nn.relu6, **style, name="stem"
        )(x, train)
        features, expanded = {}, {}
        stride, number = 2, 0
        for group, step in zip(GROUPS, plan, strict=True):
            for i in range(group.blocks):
                channels = self.channels(group.channels)
                block = InvertedResidual(
                    features=channels,
                    widen=group.widen,
                    stride=step.stride if i == 0 else 1,
                    rate=step.rate if i == 0 else step.after,
                    adds=(i > 0 or group.stride == 1) and x.shape[-1] == channels,
                    **style,
                    name=f"block{number}",
                )
                x, wide = block(x, train)
                if i == 0 and group.stride == 2:
                    expanded[stride] = wide
                    stride *= 2
                features[stride] = x
                number += 1
        return features | expanded if self.expansions else features


class InvertedResidual(nn.Module):
    """Convolution 1x1 that widens, depthwise 3x3, linear 1x1; and what it widened.

    Attributes:
      features: output channels.
      widen: factor of the depthwise channels over those of the input.
      stride: of the depthwise convolution.
      rate: of the same.
      adds: whether the input is added to the output.
    """

    features: int
    widen: int
    stride: int
    rate: int
    adds: bool
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> tuple[Float[Array, "B h w F"], Float[Array, "B H W D"]]:
        style = dict(norm=self.norm, dtype=self.dtype)
        wide = x
        if self.widen > 1:
            wide = ConvNorm(
                self.widen * x.shape[-1],
                1,
                activation=nn.relu6,
                **style,
                name="expand",
            )(x, train)
        y = ConvNorm(
            None,
            3,
            stride=self.stride,
            rate=self.rate,
            groups=-1,
            activation=nn.relu6,
            **style,
            name="depthwise",
        )(wide, train)
        project = ConvNorm(self.features, 1, activation=None, **style, name="project")
        y = project(y, train)
        return (x + y if self.adds else y), wide
