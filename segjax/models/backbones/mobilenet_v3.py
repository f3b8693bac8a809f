"""MobileNetV3-Large: inverted residuals with squeeze-and-excitation and hard swish.

Source: Howard et al., Searching for MobileNetV3, 2019, arXiv 1905.02244, table 1;
  `reduced` is section 6.4.
Differs: padding is symmetric, as in PyTorch. Dilated, the block that gives up its
  stride keeps the rate before it, so that it sees the pixels of the undilated network;
  torchvision applies the new rate to that block already. The weights of squeeze and
  excitation are means over the finer grid then, so the features equal the undilated
  ones but for those. The epsilon of batch norm is 1e-3, torchvision's.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.core.names import Names
from segjax.models.backbones.atrous import steps
from segjax.models.backbones.backbone import Backbone, divisible
from segjax.nn.conv import Conv, ConvNorm
from segjax.nn.norm import NormName


class Row(NamedTuple):
    """A block: its kernel, its wide and its output channels, and what it does."""

    kernel: int
    wide: int
    channels: int
    squeeze: bool
    swish: bool
    stride: int


ROWS = (
    Row(3, 16, 16, False, False, 1),
    Row(3, 64, 24, False, False, 2),
    Row(3, 72, 24, False, False, 1),
    Row(5, 72, 40, True, False, 2),
    Row(5, 120, 40, True, False, 1),
    Row(5, 120, 40, True, False, 1),
    Row(3, 240, 80, False, True, 2),
    Row(3, 200, 80, False, True, 1),
    Row(3, 184, 80, False, True, 1),
    Row(3, 184, 80, False, True, 1),
    Row(3, 480, 112, True, True, 1),
    Row(3, 672, 112, True, True, 1),
    Row(5, 672, 160, True, True, 2),
    Row(5, 960, 160, True, True, 1),
    Row(5, 960, 160, True, True, 1),
)

EPSILON = 1e-3


def _torchvision() -> Names:
    """A block's layers are counted; those that it lacks are left out of the count."""
    rules = [
        (r"features\.0\.0", "stem/conv"),
        (r"features\.0\.1", "stem/norm"),
        (r"features\.16\.0", "last/conv"),
        (r"features\.16\.1", "last/norm"),
    ]
    for block, row in enumerate(ROWS):
        layers = ["depthwise", "squeeze", "project"]
        if block > 0:
            layers.insert(0, "expand")
        if not row.squeeze:
            layers.remove("squeeze")
        for i, layer in enumerate(layers):
            there = rf"features\.{block + 1}\.block\.{i}"
            here = f"block{block}/{layer}"
            if layer == "squeeze":
                rules.append((rf"{there}\.fc1", f"{here}/reduce"))
                rules.append((rf"{there}\.fc2", f"{here}/expand"))
            else:
                rules.append((rf"{there}\.0", f"{here}/conv"))
                rules.append((rf"{there}\.1", f"{here}/norm"))
    drop = (r"classifier\..*", r".*\.num_batches_tracked")
    return Names(project="torchvision", modules=tuple(rules), drop=drop)


class MobileNetV3Large(Backbone):
    """MobileNetV3-Large without its classifier.

    Default size, 224x224x3:

    =======  ================  ============
    stage    output            parameters
    =======  ================  ============
    stem     112 x 112 x 16             464
    block0   112 x 112 x 16             464
    block1   56 x 56 x 24             3,440
    block2   56 x 56 x 24             4,440
    block3   28 x 28 x 40            10,328
    block4   28 x 28 x 40            20,992
    block5   28 x 28 x 40            20,992
    block6   14 x 14 x 80            32,080
    block7   14 x 14 x 80            34,760
    block8   14 x 14 x 80            31,992
    block9   14 x 14 x 80            31,992
    block10  14 x 14 x 112          214,424
    block11  14 x 14 x 112          386,120
    block12  7 x 7 x 160            429,224
    block13  7 x 7 x 160            797,360
    block14  7 x 7 x 160            797,360
    last     7 x 7 x 960            155,520
    total                         2,971,952
    =======  ================  ============

    The features are the last block's of each stride: `block0`, `block2`, `block5`,
    `block11`; at stride 32, `last`.

    Attributes:
      reduced: half the channels from `block12` on, as for segmentation.
    """

    reduced: bool = False

    foreign = (_torchvision(),)

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool = False
    ) -> dict[int, Array]:
        """Features of the last block of each stride."""
        style = dict(norm=self.norm, dtype=self.dtype)
        ends = dict(activation=nn.hard_swish, epsilon=EPSILON, **style)
        x = ConvNorm(self.channels(16), 3, stride=2, **ends, name="stem")(x, train)
        plan = steps([row.stride for row in ROWS], self.output_stride, start=2)
        features = {}
        key = 2
        for number, (row, step) in enumerate(zip(ROWS, plan, strict=True)):
            wide, channels = row.wide, row.channels
            if self.reduced and number >= 12:
                wide = wide // 2 if number > 12 else wide
                channels //= 2
            wide, channels = self.channels(wide), self.channels(channels)
            x = SqueezeBlock(
                kernel=row.kernel,
                wide=wide,
                features=channels,
                squeeze=divisible(wide // 4) if row.squeeze else 0,
                swish=row.swish,
                stride=step.stride,
                rate=step.rate,
                expands=wide != x.shape[-1],
                adds=row.stride == 1 and channels == x.shape[-1],
                **style,
                name=f"block{number}",
            )(x, train)
            key *= row.stride
            features[key] = x
        last = ConvNorm(6 * x.shape[-1], 1, **ends, name="last")
        features[key] = last(x, train)
        return features


class SqueezeBlock(nn.Module):
    """Convolution 1x1 that widens, depthwise, channel weights, linear 1x1.

    Attributes:
      kernel: side of the depthwise kernel.
      wide: channels between the 1x1 convolutions.
      features: output channels.
      squeeze: channels of the bottleneck of the channel weights; 0 for none.
      swish: hard swish in place of ReLU.
      stride: of the depthwise convolution.
      rate: of the same.
      expands: whether there is a 1x1 convolution before it.
      adds: whether the input is added to the output.
    """

    kernel: int
    wide: int
    features: int
    squeeze: int
    swish: bool
    stride: int
    rate: int
    expands: bool
    adds: bool
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B h w F"]:
        style = dict(
            norm=self.norm,
            activation=nn.hard_swish if self.swish else nn.relu,
            epsilon=EPSILON,
            dtype=self.dtype,
        )
        y = x
        if self.expands:
            y = ConvNorm(self.wide, 1, **style, name="expand")(y, train)
        y = ConvNorm(
            None,
            self.kernel,
            stride=self.stride,
            rate=self.rate,
            groups=-1,
            **style,
            name="depthwise",
        )(y, train)
        if self.squeeze:
            y = SqueezeExcite(self.squeeze, self.dtype, name="squeeze")(y)
        style |= dict(activation=None)
        y = ConvNorm(self.features, 1, **style, name="project")(y, train)
        return x + y if self.adds else y


class SqueezeExcite(nn.Module):
    """Each channel times a weight in 0..1 that the means of all channels decide.

    Source: Hu et al., Squeeze-and-Excitation Networks, 2017, arXiv 1709.01507; hard
      sigmoid for sigmoid, after MobileNetV3.
    """

    features: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
        y = jnp.mean(x, axis=(1, 2), keepdims=True)
        y = nn.relu(Conv(self.features, 1, dtype=self.dtype, name="reduce")(y))
        y = Conv(x.shape[-1], 1, dtype=self.dtype, name="expand")(y)
        return x * nn.hard_sigmoid(y)
