"""FC-DenseNet: dense blocks both ways, each layer fed by all before it in its block.

Source: Jegou, Drozdzal, Vazquez, Romero & Bengio, The One Hundred Layers Tiramisu:
  Fully Convolutional DenseNets for Semantic Segmentation, 2016, arXiv 1611.09326,
  tables 1 and 2; padding, cropping and epsilon as in the authors' code.
Differs: evaluates with running averages unless asked otherwise. The authors evaluate
  with the statistics of the batch at hand, which makes a prediction depend on the
  images beside it, and their figures (66.9 mIoU on CamVid) are obtained so. Kernels of
  the transposed convolutions are drawn from a normal, not a uniform distribution.
"""

from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.core.errors import UserError
from segjax.models.segmenter import Segmenter
from segjax.nn.conv import Conv
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.norm import NormName, batch_normalized, norm
from segjax.nn.pooling import max_pool_2x2
from segjax.nn.upconv import UpConv

VARIANTS = {
    56: (12, (4,) * 11),
    67: (16, (5,) * 11),
    103: (16, (4, 5, 7, 10, 12, 15, 12, 10, 7, 5, 4)),
}
"""Growth rate, and layers of the blocks from the image down to it and up again."""

EPSILON = 1e-4
"""Of batch norm, Lasagne's default."""

Evaluation = Literal["running_averages", "batch_statistics"]


class FCDenseNet(Segmenter):
    """FC-DenseNet 56, 67 or 103, or of any other blocks.

    Default size, 224x224x3 to eleven classes:

    ============  ================  ============
    stage         output            parameters
    ============  ================  ============
    first         224 x 224 x 48           1,344
    down0         224 x 224 x 64          42,112
    down0_shrink  224 x 224 x 112         12,880
    down1         112 x 112 x 80         105,200
    down1_shrink  112 x 112 x 192         37,440
    down2         56 x 56 x 112          245,392
    down2_shrink  56 x 56 x 304           93,328
    down3         28 x 28 x 160          549,120
    down3_shrink  28 x 28 x 464          216,688
    down4         14 x 14 x 192          967,296
    down4_shrink  14 x 14 x 656          432,304
    bottom        7 x 7 x 240          1,682,160
    up4_grow      14 x 14 x 240          518,640
    up4           14 x 14 x 192        1,724,160
    up3_grow      28 x 28 x 192          331,968
    up3           28 x 28 x 160        1,063,040
    up2_grow      56 x 56 x 160          230,560
    up2           56 x 56 x 112          523,376
    up1_grow      112 x 112 x 112        113,008
    up1           112 x 112 x 80         245,360
    up0_grow      224 x 224 x 80          57,680
    up0           224 x 224 x 64         126,208
    head          224 x 224 x 11           2,827
    total                              9,322,091
    ============  ================  ============

    A block's row counts its new channels alone. Variant 56 has 1,376,795 parameters and
    67 has 3,463,243; with 21,168, 39,680 and 103,072 running statistics that is 1.4,
    3.5 and 9.4 million, where the paper prints 1.5, 3.5 and 9.4.

    Attributes:
      num_outputs: `K`, channels of the logits.
      variant: number of layers of a network of the paper; gives `growth` and `layers`.
      growth: channels that a layer adds; overrides the variant's.
      layers: layers of each block, an odd number of blocks, the middle one the bottom;
        overrides the variant's.
      first: channels of the convolution on the image.
      dropout: share of the output of every convolution in a block dropped in training.
      evaluation: `running_averages`, or `batch_statistics` as the authors evaluate:
        the norms use the mean and variance of the batch that is predicted. Then only
        in a batch of one image does its result not depend on other images.
      norm: `batch`, `group`, `layer` or `none`.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    variant: Literal[56, 67, 103] = 103
    growth: int | None = None
    layers: tuple[int, ...] | None = None
    first: int = 48
    dropout: float = 0.2
    evaluation: Evaluation = "running_averages"
    norm: NormName = "batch"
    dtype: DtypeName = "float32"

    def problems(self) -> list[str]:
        """What is wrong with the fields, as messages."""
        problems = super().problems()
        if self.layers is not None and len(self.layers) % 2 == 0:
            problems.append(
                f"config.model.layers={self.layers}: must be an odd number of blocks: "
                "as many up as down, one between."
            )
        if self.evaluation == "batch_statistics" and self.norm != "batch":
            problems.append(
                f"config.model.evaluation={self.evaluation!r}: {self.norm!r} norm has "
                "no statistics of the batch; use norm='batch' or 'running_averages'."
            )
        return problems

    def input_side(self, side: int) -> int:
        """Any side that leaves a pixel at the bottom."""
        return max(side, 2 ** (len(self._plan()[1]) // 2))

    def check_size(self, x: Array) -> None:
        """Refuse an image that is pooled to nothing.

        Raises:
          UserError: a side of `x` is too small.
        """
        H, W = x.shape[1:3]
        if (least := self.input_side(1)) > min(H, W):
            raise UserError(
                f"{type(self).__name__}: input is {H}x{W}; both sides must be {least} "
                f"or more. Resize or pad to {max(H, least)}x{max(W, least)}."
            )

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool = False
    ) -> Float[Array, "B H W K"]:
        """Logits of every pixel.

        Raises:
          UserError: a side of `x` is too small.
        """
        self.check_size(x)
        growth, layers = self._plan()
        dtype = compute_dtype(self.dtype)
        style = dict(
            dropout=self.dropout,
            evaluation=self.evaluation,
            norm=self.norm,
            dtype=dtype,
        )
        blocks = iter(layers)
        depth = len(layers) // 2

        x = Conv(self.first, 3, kernel_init=HE_UNIFORM, dtype=dtype, name="first")(
            x.astype(dtype)
        )
        skips = []
        for level in range(depth):
            new = DenseBlock(next(blocks), growth, **style, name=f"down{level}")
            x = jnp.concatenate([x, new(x, train)], axis=-1)
            skips.append(x)
            shrink = Layer(x.shape[-1], 1, **style, name=f"down{level}_shrink")
            x = pool(shrink(x, train))
        # From here on only the new features of a block go up, not what fed it.
        x = DenseBlock(next(blocks), growth, **style, name="bottom")(x, train)
        for level in reversed(range(depth)):
            size = skips[level].shape[1:3]
            x = Grow(x.shape[-1], dtype, name=f"up{level}_grow")(x, size)
            below = jnp.concatenate([x, skips[level]], axis=-1)
            x = DenseBlock(next(blocks), growth, **style, name=f"up{level}")(
                below, train
            )
        x = jnp.concatenate([below, x], axis=-1)
        return Conv(self.num_outputs, 1, kernel_init=HE_UNIFORM, name="head")(
            x.astype(jnp.float32)
        )

    def _plan(self) -> tuple[int, tuple[int, ...]]:
        """Growth rate and layers of the blocks."""
        growth, layers = VARIANTS[self.variant]
        return self.growth or growth, tuple(self.layers or layers)


HE_UNIFORM = nn.initializers.he_uniform()


class DenseBlock(nn.Module):
    """Layers of `growth` channels, each fed by the input and all layers before it.

    Gives the layers' outputs side by side, without the input.
    """

    layers: int
    growth: int
    dropout: float
    evaluation: Evaluation
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B H W F"]:
        C = x.shape[-1]
        for i in range(self.layers):
            new = Layer(
                self.growth,
                3,
                self.dropout,
                self.evaluation,
                self.norm,
                self.dtype,
                name=f"layer{i + 1}",
            )(x, train)
            x = jnp.concatenate([x, new], axis=-1)
        return x[..., C:]


class Layer(nn.Module):
    """Norm, ReLU, convolution, dropout."""

    features: int
    kernel: int
    dropout: float
    evaluation: Evaluation
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B H W F"]:
        if self.evaluation == "batch_statistics" and not train:
            x = nn.relu(BatchStatistics(self.dtype, name="norm")(x))
        else:
            style = dict(epsilon=EPSILON, activation=nn.relu, dtype=self.dtype)
            x = norm(x, self.norm, train=train, **style)
        x = Conv(
            self.features,
            self.kernel,
            kernel_init=HE_UNIFORM,
            dtype=self.dtype,
            name="conv",
        )(x)
        return nn.Dropout(self.dropout, deterministic=not train)(x)


class BatchStatistics(nn.Module):
    """Batch norm by the batch at hand, leaving the running averages as they are.

    Its variables are those of `nn.norm.BatchNorm`, which stands here in training.
    """

    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
        C = x.shape[-1]
        scale = self.param("scale", nn.initializers.ones, (C,))
        bias = self.param("bias", nn.initializers.zeros, (C,))
        self.variable("batch_stats", "mean", jnp.zeros, (C,))
        self.variable("batch_stats", "var", jnp.ones, (C,))
        x, _, _ = batch_normalized(x, scale, bias, EPSILON)
        return x.astype(self.dtype)


class Grow(nn.Module):
    """Transposed convolution 3x3 of stride 2, cropped to a skip's size.

    Uncropped, `h` pixels become `2 * h + 1`; the first of them are kept. So the odd
    sides that a pooling shortens come back.
    """

    features: int
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B h w C"], size: tuple[int, int]
    ) -> Float[Array, "B H W F"]:
        # `UpConv` drops the first pixel; one more row and column brings it back.
        x = jnp.pad(x, ((0, 0), (1, 0), (1, 0), (0, 0)))
        x = UpConv(self.features, 3, dtype=self.dtype, name="conv")(x)
        return x[:, 1 : 1 + size[0], 1 : 1 + size[1]]


def pool(x: Float[Array, "B H W C"]) -> Float[Array, "B h w C"]:
    """`max_pool_2x2` of the even part of a grid."""
    H, W = x.shape[1:3]
    return max_pool_2x2(x[:, : H // 2 * 2, : W // 2 * 2])
