"""ResNet: stages of blocks that add what they compute to what they were given.

Source: He et al., Deep Residual Learning for Image Recognition, 2015, arXiv
  1512.03385, table 1. Deep stem: He et al., Bag of Tricks, 2018, arXiv 1812.01187,
  figure 2b. Multi-grid: Chen et al., Rethinking Atrous Convolution, 2017, arXiv
  1706.05587, section 3.1.
Differs: a bottleneck strides in its 3x3 convolution, not in its first 1x1
  ("version 1.5"). Dilated, the first block of a stage keeps the rate of the stage
  before: its input still lies on the coarser stage's sampling, so the features equal
  those of the undilated network. Multi-grid therefore multiplies the rates (1, 2, 2),
  not (2, 2, 2), at output stride 16.
"""

from typing import Any, Literal

import flax.linen as nn
from jaxtyping import Array, Float

from segjax.core.errors import raise_problems
from segjax.core.names import Names
from segjax.models.backbones.atrous import Step, steps
from segjax.models.backbones.backbone import Backbone
from segjax.nn.conv import ConvNorm
from segjax.nn.norm import NormName
from segjax.nn.pooling import max_pool_3x3

TORCHVISION = Names(
    project="torchvision",
    modules=(
        (r"conv1", r"stem/conv"),
        (r"bn1", r"stem/norm"),
        (r"layer(\d)\.(\d+)\.conv(\d)", r"stage\1/block\2/conv\3/conv"),
        (r"layer(\d)\.(\d+)\.bn(\d)", r"stage\1/block\2/conv\3/norm"),
        (r"layer(\d)\.(\d+)\.downsample\.0", r"stage\1/block\2/shortcut/conv"),
        (r"layer(\d)\.(\d+)\.downsample\.1", r"stage\1/block\2/shortcut/norm"),
    ),
    drop=(r"fc\.(weight|bias)", r".*\.num_batches_tracked"),
)

TIMM = Names(
    project="timm",
    modules=(
        (r"conv1\.0", r"stem0/conv"),
        (r"conv1\.1", r"stem0/norm"),
        (r"conv1\.3", r"stem1/conv"),
        (r"conv1\.4", r"stem1/norm"),
        (r"conv1\.6", r"stem/conv"),
        *TORCHVISION.modules,
    ),
    drop=TORCHVISION.drop,
)


def _transformers(convolutions: int) -> Names:
    """The names of transformers, which counts stages and convolutions from 0."""
    root = r"(?:resnet\.)?"
    parts = (("convolution", "conv"), ("normalization", "norm"))
    rules = [(rf"{root}embedder\.embedder\.{a}", rf"stem/{b}") for a, b in parts]
    for stage in range(4):
        block = rf"{root}encoder\.stages\.{stage}\.layers\.(\d+)"
        ours = rf"stage{stage + 1}/block\1"
        for a, b in parts:
            rules.append((rf"{block}\.shortcut\.{a}", rf"{ours}/shortcut/{b}"))
            rules += [
                (rf"{block}\.layer\.{i}\.{a}", rf"{ours}/conv{i + 1}/{b}")
                for i in range(convolutions)
            ]
    return Names(
        project="transformers",
        modules=tuple(rules),
        drop=(r"classifier\..*", r".*\.num_batches_tracked"),
    )


class ResNet(Backbone):
    """ResNet of any depth; the default is ResNet-50.

    Default size, 224x224x3:

    =======  =================  ============
    stage    output             parameters
    =======  =================  ============
    stem     112 x 112 x 64            9,536
    stage1   56 x 56 x 256           215,808
    stage2   28 x 28 x 512         1,219,584
    stage3   14 x 14 x 1024        7,098,368
    stage4   7 x 7 x 2048         14,964,736
    total                         23,508,032
    =======  =================  ============

    A 3x3 max pooling stands between `stem` and `stage1`. The features are the stem
    (stride 2) and the four stages (4 to 32), each after its last ReLU.

    Attributes:
      blocks: blocks of the four stages.
      bottleneck: blocks 1x1, 3x3, 1x1 with four times as many channels at their end;
        otherwise two 3x3.
      stem: `7x7`, one convolution, or `deep`, three 3x3 of 32, 32 and 64 channels:
        `stem0`, `stem1`, `stem`.
      multi_grid: factors of the rates of the last stage's blocks, one a block; None
        is all 1.
    """

    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    bottleneck: bool = True
    stem: Literal["7x7", "deep"] = "7x7"
    multi_grid: tuple[int, ...] | None = None

    foreign = (TORCHVISION, TIMM, _transformers(3))

    def __post_init__(self):
        super().__post_init__()
        grid, last = self.multi_grid, self.blocks[-1]
        if grid is not None and (len(grid) != last or min(grid) < 1):
            raise_problems(
                [
                    f"config.model.multi_grid={grid}: does not fit the last stage; "
                    f"{last} factors of 1 or more are allowed, one a block."
                ]
            )

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool = False
    ) -> dict[int, Array]:
        """Features after the stem and after each stage."""
        style = dict(norm=self.norm, dtype=self.dtype)
        channels = self.channels(64)
        if self.stem == "deep":
            half = max(1, channels // 2)
            x = ConvNorm(half, 3, stride=2, **style, name="stem0")(x, train)
            x = ConvNorm(half, 3, **style, name="stem1")(x, train)
            x = ConvNorm(channels, 3, **style, name="stem")(x, train)
        else:
            x = ConvNorm(channels, 7, stride=2, **style, name="stem")(x, train)
        features = {2: x}
        x = max_pool_3x3(x)
        plan = steps((1, 2, 2, 2), self.output_stride, start=4)
        for i, (blocks, step) in enumerate(zip(self.blocks, plan, strict=True)):
            last = i == len(self.blocks) - 1
            x = Stage(
                features=self.channels(64 * 2**i),
                grid=self.multi_grid if last and self.multi_grid else (1,) * blocks,
                bottleneck=self.bottleneck,
                step=step,
                projects=i > 0 or self.bottleneck,
                **style,
                name=f"stage{i + 1}",
            )(x, train)
            features[4 * 2**i] = x
        return features


class ResNet18(ResNet):
    """ResNet-18: 11,176,512 parameters."""

    blocks: tuple[int, int, int, int] = (2, 2, 2, 2)
    bottleneck: bool = False

    foreign = (TORCHVISION, TIMM, _transformers(2))


class ResNet34(ResNet):
    """ResNet-34: 21,284,672 parameters."""

    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    bottleneck: bool = False

    foreign = (TORCHVISION, TIMM, _transformers(2))


class ResNet50(ResNet):
    """ResNet-50: 23,508,032 parameters."""


class ResNet101(ResNet):
    """ResNet-101: 42,500,160 parameters."""

    blocks: tuple[int, int, int, int] = (3, 4, 23, 3)


class ResNet152(ResNet):
    """ResNet-152: 58,143,808 parameters."""

    blocks: tuple[int, int, int, int] = (3, 8, 36, 3)


class Stage(nn.Module):
    """Residual blocks, the first of which strides.

    Attributes:
      features: channels of the 3x3 convolutions.
      grid: a factor of the rate for each block.
      bottleneck: which of the two blocks.
      step: stride and rates of the stage.
      projects: whether the first block's shortcut is a convolution 1x1.
    """

    features: int
    grid: tuple[int, ...]
    bottleneck: bool
    step: Step
    projects: bool
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B h w F"]:
        block = Bottleneck if self.bottleneck else BasicBlock
        for j, factor in enumerate(self.grid):
            first = j == 0
            rate = self.step.rate if first else self.step.after
            x = block(
                features=self.features,
                stride=self.step.stride if first else 1,
                rate=rate * factor,
                after=self.step.after * factor,
                projects=first and self.projects,
                norm=self.norm,
                dtype=self.dtype,
                name=f"block{j}",
            )(x, train)
        return x


class BasicBlock(nn.Module):
    """Two convolutions 3x3 of `rate` and `after`, and the shortcut."""

    features: int
    stride: int
    rate: int
    after: int
    projects: bool
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B h w F"]:
        style = dict(norm=self.norm, dtype=self.dtype)
        F, stride = self.features, self.stride
        y = ConvNorm(F, 3, stride, self.rate, **style, name="conv1")(x, train)
        style |= dict(activation=None)
        y = ConvNorm(F, 3, rate=self.after, **style, name="conv2")(y, train)
        if self.projects:
            x = ConvNorm(F, 1, stride, **style, name="shortcut")(x, train)
        return nn.relu(x + y)


class Bottleneck(nn.Module):
    """Convolutions 1x1, 3x3 of `rate` and 1x1 to `4 * features`, and the shortcut."""

    features: int
    stride: int
    rate: int
    after: int
    projects: bool
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B h w F"]:
        style = dict(norm=self.norm, dtype=self.dtype)
        F, stride = self.features, self.stride
        y = ConvNorm(F, 1, **style, name="conv1")(x, train)
        y = ConvNorm(F, 3, stride, self.rate, **style, name="conv2")(y, train)
        style |= dict(activation=None)
        y = ConvNorm(4 * F, 1, **style, name="conv3")(y, train)
        if self.projects:
            x = ConvNorm(4 * F, 1, stride, **style, name="shortcut")(x, train)
        return nn.relu(x + y)
