"""ICNet: a deep network sees a small image, shallow ones sharpen it on larger ones.

Source: Zhao, Qi, Shen, Shi & Jia, ICNet for Real-Time Semantic Segmentation on
  High-Resolution Images, 2017, arXiv 1704.08545, figures 2 and 3; channels, the pooled
  regions that are added, and the point where the branches part are those of the
  authors' network for Cityscapes (PSPNet-50 of half the channels).
Differs: blocks stride in their 3x3 convolution; the first block of a dilated stage
  keeps the rate before it, as in our ResNet; grids grow by half-pixel centres; the
  auxiliary heads see labels of full size and share one weight (0.16 and 0.4 there); the
  network is not pruned after training but has half the channels from the start.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.models.backbones.atrous import Step, steps
from segjax.models.backbones.resnet import Stage
from segjax.models.segmenter import Segmenter
from segjax.nn.conv import Conv, ConvNorm
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.norm import NormName
from segjax.nn.pooling import adaptive_average_pool, max_pool_3x3
from segjax.nn.resample import resize

BINS = (1, 2, 3, 6)
"""Regions each way whose means are added to the deepest features."""


class ICNet(Segmenter):
    """ICNet of any width; the default is PSPNet-50 of half the channels.

    Default size, 1024x2048x3 to 19 classes:

    =========  ====================  ============
    stage      output                parameters
    =========  ====================  ============
    stem       256 x 512 x 64              28,768
    stage1     128 x 256 x 128             59,776
    stage2a    64 x 128 x 256              95,488
    stage2b    32 x 64 x 256              211,200
    stage3     32 x 64 x 512            1,779,712
    stage4     32 x 64 x 1024           3,746,816
    squeeze    32 x 64 x 256              262,656
    fine       128 x 256 x 64              28,768
    fuse0      64 x 128 x 128             328,192
    fuse1      128 x 256 x 128            156,160
    head       256 x 512 x 19               2,451
    aux0       64 x 128 x 19                4,883
    aux1       128 x 256 x 19               2,451
    total                               6,707,321
    =========  ====================  ============

    The stages up to `stage2a` see the image at half its size, `stage2b` and those
    behind it see the result of `stage2a` at half its size, `fine` sees the image.
    `aux0` and `aux1` classify what `fuse0` and `fuse1` are about to sharpen; without
    them there are 6,699,987 parameters, and 24,804,537 with a full ResNet.

    Attributes:
      num_outputs: `K`, channels of the logits.
      width: channels of the first stage's 3x3 convolutions; 64 is a full ResNet.
      blocks: residual blocks of the four stages.
      features: channels of the fused features.
      aux_heads: whether the coarser results are trained too (label guidance).
      norm: `batch`, `group`, `layer` or `none`.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    width: int = 32
    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    features: int = 128
    aux_heads: bool = True
    norm: NormName = "batch"
    dtype: DtypeName = "float32"

    def problems(self) -> list[str]:
        """What is wrong with the fields, as messages."""
        problems = super().problems()
        if self.blocks[1] < 2:
            problems.append(
                f"config.model.blocks={self.blocks}: the second stage needs two, since "
                "it is shared and then goes on alone."
            )
        return problems

    @property
    def stride(self) -> int:
        """Input sides must divide by it."""
        return 32

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool = False
    ) -> Float[Array, "B H W K"]:
        """Logits of every pixel.

        Raises:
          UserError: a side of `x` does not divide by `stride`.
        """
        self.check_size(x)
        size = H, W = x.shape[1:3]
        dtype = compute_dtype(self.dtype)
        style = dict(norm=self.norm, dtype=dtype)
        image = x.astype(dtype)

        def stage(name: str, level: int, blocks: int, step: Step, **options) -> Stage:
            return Stage(
                features=self.width * 2 ** (level - 1),
                grid=(1,) * blocks,
                bottleneck=True,
                step=step,
                **dict(projects=True) | options,
                **style,
                name=name,
            )

        one, two, three, four = self.blocks
        plain, halving = Step(1, 1, 1), Step(2, 1, 1)
        third, fourth = steps((2, 2), output_stride=1)
        x = resize(image, (H // 2, W // 2))
        x = max_pool_3x3(Entry(self.width, (2, 1, 1), **style, name="stem")(x, train))
        x = stage("stage1", 1, one, plain)(x, train)
        middle = x = stage("stage2a", 2, 1, halving)(x, train)
        x = resize(x, (H // 32, W // 32))
        x = stage("stage2b", 2, two - 1, plain, projects=False)(x, train)
        x = stage("stage3", 3, three, third)(x, train)
        x = stage("stage4", 4, four, fourth)(x, train)
        x += sum(resize(adaptive_average_pool(x, n), x.shape[1:3]) for n in BINS)
        x = ConvNorm(2 * self.features, 1, **style, name="squeeze")(x, train)

        fine = Entry(self.width, (2, 2, 2), **style, name="fine")(image, train)
        for i, finer in enumerate((middle, fine)):
            x = resize(x, finer.shape[1:3])
            if self.aux_heads and self.has_aux(train):
                head = Conv(self.num_outputs, 1, name=f"aux{i}")
                logits = head(x.astype(jnp.float32))
                self.sow_aux(f"stride{H // x.shape[1]}", resize(logits, size))
            x = Fusion(self.features, **style, name=f"fuse{i}")(x, finer, train)
        x = resize(x, (H // 4, W // 4))
        x = Conv(self.num_outputs, 1, name="head")(x.astype(jnp.float32))
        return resize(x, size)


class Entry(nn.Module):
    """Three convolutions 3x3, the last of which doubles the channels."""

    features: int
    strides: tuple[int, int, int]
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B h w F"]:
        for i, (stride, times) in enumerate(zip(self.strides, (1, 1, 2), strict=True)):
            x = ConvNorm(
                self.features * times,
                3,
                stride=stride,
                norm=self.norm,
                dtype=self.dtype,
                name=f"conv{i + 1}",
            )(x, train)
        return x


class Fusion(nn.Module):
    """Cascade feature fusion: coarse features, grown already, and finer ones, added.

    The coarse ones pass a 3x3 convolution of rate 2 (`coarse`), the finer ones a 1x1
    (`fine`), each with its norm; ReLU behind the sum.
    """

    features: int
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self,
        coarse: Float[Array, "B h w C"],
        fine: Float[Array, "B h w D"],
        train: bool,
    ) -> Float[Array, "B h w F"]:
        style = dict(activation=None, norm=self.norm, dtype=self.dtype)
        coarse = ConvNorm(self.features, 3, rate=2, **style, name="coarse")(
            coarse, train
        )
        fine = ConvNorm(self.features, 1, **style, name="fine")(fine, train)
        return nn.relu(coarse + fine)
