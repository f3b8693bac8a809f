"""Xception: separable convolutions in residual blocks, poolings between them.

Source: Chollet, Xception: Deep Learning with Depthwise Separable Convolutions, 2016,
  arXiv 1610.02357, figure 5.
Differs: the two convolutions of the stem are padded, so strides are whole. Windows of
  stride 2 are centred on the even pixels, where "same" of Keras begins them there.
  Dilated, a pooling's window is spread by the rate.
"""

from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from segjax.core.names import Names
from segjax.models.backbones.atrous import Step, max_pool_dense, steps
from segjax.models.backbones.backbone import Backbone
from segjax.nn.conv import ConvNorm
from segjax.nn.norm import NormName
from segjax.nn.pooling import max_pool_3x3
from segjax.nn.separable import SeparableConvNorm

ENTRY = (((128, 128), 2), ((256, 256), 2), ((728, 728), 2))
MIDDLE = ((728, 728, 728), 1)
EXIT = ((728, 1024), 2)
"""Channels of each block's convolutions, and the stride of its pooling."""

EPSILON = 1e-3


def _timm() -> Names:
    """Within a block ReLU, convolution and norm are counted; the first lacks a ReLU."""
    rules = [
        (r"conv1", "stem0/conv"),
        (r"bn1", "stem0/norm"),
        (r"conv2", "stem1/conv"),
        (r"bn2", "stem1/norm"),
        (r"block(\d+)\.skip", r"block\1/shortcut/conv"),
        (r"block(\d+)\.skipbn", r"block\1/shortcut/norm"),
    ]
    for block in range(1, 13):
        there = rf"block{block}\.rep"
        for i in range(3 if 4 <= block <= 11 else 2):
            here, at = f"block{block}/conv{i + 1}", 3 * i + (block > 1)
            rules.append((rf"{there}\.{at}\.conv1", f"{here}/depth"))
            rules.append((rf"{there}\.{at}\.pointwise", f"{here}/point/conv"))
            rules.append((rf"{there}\.{at + 1}", f"{here}/point/norm"))
    for i in (1, 2):
        rules.append((rf"conv{i + 2}\.conv1", f"last{i}/depth"))
        rules.append((rf"conv{i + 2}\.pointwise", f"last{i}/point/conv"))
        rules.append((rf"bn{i + 2}", f"last{i}/point/norm"))
    drop = (r"fc\..*", r".*\.num_batches_tracked")
    return Names(project="timm", modules=tuple(rules), drop=drop)


class Xception(Backbone):
    """Xception without its classifier.

    Default size, 224x224x3:

    =======  ================  ============
    stage    output            parameters
    =======  ================  ============
    stem0    112 x 112 x 32             928
    stem1    112 x 112 x 64          18,560
    block1   56 x 56 x 128           35,264
    block2   28 x 28 x 256          136,064
    block3   14 x 14 x 728          915,944
    block4   14 x 14 x 728        1,613,976
    block5   14 x 14 x 728        1,613,976
    block6   14 x 14 x 728        1,613,976
    block7   14 x 14 x 728        1,613,976
    block8   14 x 14 x 728        1,613,976
    block9   14 x 14 x 728        1,613,976
    block10  14 x 14 x 728        1,613,976
    block11  14 x 14 x 728        1,613,976
    block12  7 x 7 x 1024         2,039,584
    last1    7 x 7 x 1536         1,585,152
    last2    7 x 7 x 2048         3,163,648
    total                        20,806,952
    =======  ================  ============

    With the 54,528 running statistics these are the 20,861,480 of Keras. The features
    are, each behind a ReLU, the last of their stride: `stem1`, `block1`, `block2`,
    `block11`, `last2`.

    Attributes:
      middle: number of blocks of the middle flow.
    """

    middle: int = 8

    foreign = (_timm(),)

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool = False
    ) -> dict[int, Array]:
        """Features before each block that strides, and the last."""
        style = dict(norm=self.norm, dtype=self.dtype, epsilon=EPSILON)
        x = ConvNorm(self.channels(32), 3, stride=2, **style, name="stem0")(x, train)
        x = ConvNorm(self.channels(64), 3, **style, name="stem1")(x, train)
        blocks = (*ENTRY, *(MIDDLE,) * self.middle, EXIT)
        plan = steps([stride for _, stride in blocks], self.output_stride, start=2)
        features = {}
        key = 2
        for number, ((channels, stride), step) in enumerate(
            zip(blocks, plan, strict=True), start=1
        ):
            if stride > 1:
                features[key] = nn.relu(x)
                key *= stride
            x = PooledBlock(
                channels=tuple(self.channels(c) for c in channels),
                nominal=stride,
                step=step,
                starts=number > 1,
                norm=self.norm,
                dtype=self.dtype,
                name=f"block{number}",
            )(x, train)
        for i, channels in enumerate((1536, 2048), start=1):
            x = SeparableConvNorm(
                self.channels(channels),
                rate=plan[-1].after,
                **style,
                name=f"last{i}",
            )(x, train)
        return features | {key: x}


class PooledBlock(nn.Module):
    """ReLU and separable convolution in turn, a pooling if it strides; the shortcut.

    Attributes:
      channels: of each convolution.
      nominal: stride of the undilated network.
      step: stride and rate of the pooling.
      starts: whether it starts with a ReLU.
    """

    channels: tuple[int, ...]
    nominal: int
    step: Step
    starts: bool
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B h w F"]:
        style = dict(norm=self.norm, dtype=self.dtype, activation=None, epsilon=EPSILON)
        rate = self.step.rate
        y = x
        for i, channels in enumerate(self.channels, start=1):
            y = nn.relu(y) if self.starts or i > 1 else y
            y = SeparableConvNorm(channels, rate=rate, **style, name=f"conv{i}")(
                y, train
            )
        if self.nominal == 1:
            return x + y
        dense = self.step.stride == 1
        y = max_pool_dense(y, (-rate, 0, rate)) if dense else max_pool_3x3(y)
        shortcut = ConvNorm(
            self.channels[-1], 1, stride=self.step.stride, **style, name="shortcut"
        )
        return shortcut(x, train) + y
