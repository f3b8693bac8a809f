"""ENet: an early small grid, slim bottlenecks, and a decoder far smaller than that.

Source: Paszke, Chaurasia, Kim & Culurciello, ENet: A Deep Neural Network Architecture
  for Real-Time Semantic Segmentation, 2016, arXiv 1606.02147, table 1 and figure 2;
  biases, activations and epsilon as in the authors' code.
Differs: trained in one go, not the encoder first by a classifier of its own. The first
  block has 13 channels of a convolution and those of the image, three or not.
"""

from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from segjax.models.segmenter import Segmenter
from segjax.nn.conv import Conv, ConvNorm
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.norm import NormName, norm
from segjax.nn.pooling import max_pool_2x2, max_pool_indices, unpool
from segjax.nn.upconv import UpConv, UpConv2x2

CONTEXT = (
    dict(),
    dict(rate=2),
    dict(asymmetric=5),
    dict(rate=4),
    dict(),
    dict(rate=8),
    dict(asymmetric=5),
    dict(rate=16),
)
"""The eight bottlenecks of a section of context."""

EPSILON = 1e-3
"""Of batch norm in the authors' code."""

Activation = Literal["prelu", "relu"]


class ENet(Segmenter):
    """ENet; `bottleneckS_N` is the paper's bottleneck S.N.

    Default size, 512x512x3 to 20 classes (Cityscapes and its unlabelled class):

    =============  ==============  ============
    stage          output          parameters
    =============  ==============  ============
    initial        256 x 256 x 16           412
    bottleneck1_0  128 x 128 x 64         4,656
    bottleneck1_1  128 x 128 x 64         4,656
    bottleneck1_2  128 x 128 x 64         4,656
    bottleneck1_3  128 x 128 x 64         4,656
    bottleneck1_4  128 x 128 x 64         4,656
    bottleneck2_0  64 x 64 x 128         22,112
    bottleneck2_1  64 x 64 x 128         18,016
    bottleneck2_2  64 x 64 x 128         18,016
    bottleneck2_3  64 x 64 x 128         19,040
    bottleneck2_4  64 x 64 x 128         18,016
    bottleneck2_5  64 x 64 x 128         18,016
    bottleneck2_6  64 x 64 x 128         18,016
    bottleneck2_7  64 x 64 x 128         19,040
    bottleneck2_8  64 x 64 x 128         18,016
    bottleneck3_0  64 x 64 x 128         18,016
    bottleneck3_1  64 x 64 x 128         18,016
    bottleneck3_2  64 x 64 x 128         19,040
    bottleneck3_3  64 x 64 x 128         18,016
    bottleneck3_4  64 x 64 x 128         18,016
    bottleneck3_5  64 x 64 x 128         18,016
    bottleneck3_6  64 x 64 x 128         19,040
    bottleneck3_7  64 x 64 x 128         18,016
    bottleneck4_0  128 x 128 x 64        13,904
    bottleneck4_1  128 x 128 x 64         4,560
    bottleneck4_2  128 x 128 x 64         4,560
    bottleneck5_0  256 x 256 x 16         1,572
    bottleneck5_1  256 x 256 x 16           324
    head           512 x 512 x 20         1,300
    total                               364,376
    =============  ==============  ============

    Batch norm adds 8,352 running statistics; both together are the 0.37 million that
    the paper prints.

    Attributes:
      num_outputs: `K`, channels of the logits.
      width: channels of the first block on an RGB image, three of them the image; the
        sections have 4, 8, 8, 4 and 1 times as many.
      plain: bottlenecks of section 1 behind its first.
      sections: how often the eight bottlenecks of context stand: 2 is the paper's
        sections 2 and 3, 1 leaves out section 3.
      dropouts: share of whole channels dropped in training behind the bottlenecks of
        section 1, and of sections 2 and 3; the decoder has none.
      norm: `batch`, `group`, `layer` or `none`.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    width: int = 16
    plain: int = 4
    sections: Literal[1, 2] = 2
    dropouts: tuple[float, float] = (0.01, 0.1)
    norm: NormName = "batch"
    dtype: DtypeName = "float32"

    def problems(self) -> list[str]:
        """What is wrong with the fields, as messages."""
        problems = super().problems()
        if 1 <= self.width < 4:
            problems.append(
                f"config.model.width={self.width}: 4 or more is allowed, since the "
                "first convolution is given three channels less."
            )
        return problems

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
        style = dict(norm=self.norm, dtype=compute_dtype(self.dtype))
        small, large = self.dropouts
        middle, wide = 4 * self.width, 8 * self.width

        x = Initial(self.width - 3, **style, name="initial")(
            x.astype(style["dtype"]), train
        )
        x, first = Shrink(middle, small, **style, name="bottleneck1_0")(x, train)
        for i in range(1, self.plain + 1):
            x = Bottleneck(middle, dropout=small, **style, name=f"bottleneck1_{i}")(
                x, train
            )
        x, second = Shrink(wide, large, **style, name="bottleneck2_0")(x, train)
        for section, start in ((2, 1), (3, 0))[: self.sections]:
            for i, context in enumerate(CONTEXT, start):
                x = Bottleneck(
                    wide,
                    dropout=large,
                    **context,
                    **style,
                    name=f"bottleneck{section}_{i}",
                )(x, train)

        style |= dict(activation="relu")
        x = Grow(**style, name="bottleneck4_0")(x, second, train)
        for i in (1, 2):
            x = Bottleneck(middle, **style, name=f"bottleneck4_{i}")(x, train)
        x = Grow(**style, name="bottleneck5_0")(x, first, train)
        x = Bottleneck(x.shape[-1], **style, name="bottleneck5_1")(x, train)
        return UpConv2x2(self.num_outputs, name="head")(x.astype(jnp.float32))


class Initial(nn.Module):
    """A convolution of stride 2 beside the pooled image, norm, PReLU."""

    features: int
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B H/2 W/2 F"]:
        y = Conv(self.features, 3, stride=2, dtype=self.dtype, name="conv")(x)
        x = jnp.concatenate([y, max_pool_2x2(x)], axis=-1)
        x = norm(x, self.norm, train=train, epsilon=EPSILON, dtype=self.dtype)
        return activate(x, "prelu", "prelu")


class Bottleneck(nn.Module):
    """The input, and beside it a fourth of its channels convolved; their sum.

    Attributes:
      features: channels.
      rate: of the 3x3 convolution.
      asymmetric: side of a pair of convolutions 1xn and nx1 in its place; 0 for none.
      dropout: share of whole channels dropped.
      activation: `prelu` or `relu`.
      norm: `batch`, `group`, `layer` or `none`.
      dtype: dtype of the computation.
    """

    features: int
    rate: int = 1
    asymmetric: int = 0
    dropout: float = 0.0
    activation: Activation = "prelu"
    norm: NormName = "batch"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B H W C"]:
        inner = max(1, self.features // 4)
        style = dict(activation=None, norm=self.norm, epsilon=EPSILON, dtype=self.dtype)
        y = ConvNorm(inner, 1, **style, name="conv1")(x, train)
        y = activate(y, self.activation, "prelu1")
        kernel: int | tuple[int, int] = 3
        if n := self.asymmetric:
            row = Conv(
                inner, (1, n), use_bias=False, dtype=self.dtype, name="conv2_row"
            )
            y = row(y)
            kernel = (n, 1)
        y = ConvNorm(
            inner, kernel, rate=self.rate, use_bias=True, **style, name="conv2"
        )(y, train)
        y = activate(y, self.activation, "prelu2")
        y = ConvNorm(self.features, 1, **style, name="conv3")(y, train)
        y = drop_channels(y, self.dropout, train)
        return activate(x + y, self.activation, "prelu3")


class Shrink(nn.Module):
    """The bottleneck that halves the grid; also gives the indices of its pooling."""

    features: int
    dropout: float
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> tuple[Float[Array, "B H/2 W/2 F"], UInt8[Array, "B H/2 W/2 C"]]:
        inner = max(1, self.features // 4)
        style = dict(activation=None, norm=self.norm, epsilon=EPSILON, dtype=self.dtype)
        y = ConvNorm(inner, 2, stride=2, padding=0, **style, name="conv1")(x, train)
        y = activate(y, "prelu", "prelu1")
        y = ConvNorm(inner, 3, use_bias=True, **style, name="conv2")(y, train)
        y = activate(y, "prelu", "prelu2")
        y = ConvNorm(self.features, 1, **style, name="conv3")(y, train)
        y = drop_channels(y, self.dropout, train)
        x, indices = max_pool_indices(x)
        missing = self.features - x.shape[-1]
        x = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, missing)))
        return activate(x + y, "prelu", "prelu3"), indices


class Grow(nn.Module):
    """The bottleneck that doubles the grid: unpooling, and a transposed convolution.

    The indices decide how many channels it gives.
    """

    activation: Activation
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B h w C"], indices: UInt8[Array, "B h w F"], train: bool
    ) -> Float[Array, "B 2*h 2*w F"]:
        features = indices.shape[-1]
        inner = max(1, features // 4)
        style = dict(norm=self.norm, epsilon=EPSILON, dtype=self.dtype)
        y = ConvNorm(inner, 1, activation=None, **style, name="conv1")(x, train)
        y = activate(y, self.activation, "prelu1")
        y = UpConv(inner, 3, dtype=self.dtype, name="conv2")(y)
        y = norm(y, self.norm, train=train, epsilon=EPSILON, dtype=self.dtype)
        y = activate(y, self.activation, "prelu2")
        y = ConvNorm(features, 1, activation=None, **style, name="conv3")(y, train)
        x = ConvNorm(features, 1, activation=None, **style, name="shortcut")(x, train)
        x = unpool(x, indices, y.shape[1:3])
        return activate(x + y, self.activation, "prelu3")


class PReLU(nn.Module):
    """`max(x, 0) + slope * min(x, 0)` with a slope for each channel.

    Source: He et al., Delving Deep into Rectifiers, 2015, arXiv 1502.01852.
    """

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
        slope = self.param("slope", nn.initializers.constant(0.25), (x.shape[-1],))
        return jnp.where(x > 0, x, slope.astype(x.dtype) * x)


def activate(
    x: Float[Array, "B H W C"], which: Activation, name: str
) -> Float[Array, "B H W C"]:
    """ReLU, or inside a compact module a PReLU under `name`."""
    return nn.relu(x) if which == "relu" else PReLU(name=name)(x)


def drop_channels(
    x: Float[Array, "B H W C"], rate: float, train: bool
) -> Float[Array, "B H W C"]:
    """Dropout of whole channels, each image by itself."""
    return nn.Dropout(rate, broadcast_dims=(1, 2), deterministic=not train)(x)
