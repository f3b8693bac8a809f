"""LinkNet: narrow decoder blocks, and skips that are added, not concatenated.

Source: Chaurasia & Culurciello, LinkNet: Exploiting Encoder Representations for
  Efficient Semantic Segmentation, 2017, arXiv 1707.03718, figures 1 to 3; the skip of
  the pooled stem, the ReLU behind each sum and the epsilon from the authors' Torch
  model. `form="smp"`: segmentation_models_pytorch (Iakubovskii, 2019).
Differs: a convolution before a norm has no bias; `form="smp"` differs from the paper
  in its kernels of 4x4, in the stem's skip, taken before the pooling, in sums without
  ReLU, and in its end, one decoder block more and a 1x1 classifier.
"""

from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.core.names import Names
from segjax.models import foreign
from segjax.models.backbone_segmenter import BackboneSegmenter
from segjax.nn.conv import Conv, ConvNorm
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.norm import NormName, norm
from segjax.nn.pooling import max_pool_3x3
from segjax.nn.upconv import UpConv, UpConv2x2


class LinkNet(BackboneSegmenter):
    """LinkNet on any backbone; the default is the paper's, on ResNet-18.

    Default size, 512x512x3 to 19 classes; of the backbone the features at stride 2 are
    shown:

    ========  ===================  ============
    stage     output               parameters
    ========  ===================  ============
    backbone  256 x 256 x 64         11,176,512
    up4       32 x 32 x 256             246,784
    up3       64 x 64 x 128              61,952
    up2       128 x 128 x 64             15,616
    up1       128 x 128 x 64              4,544
    end0      256 x 256 x 32             18,496
    end1      256 x 256 x 32              9,280
    head      512 x 512 x 19              2,451
    total                            11,535,635
    ========  ===================  ============

    The paper says 11.5 million.

    Attributes:
      num_outputs: `K`, channels of the logits.
      backbone: name of a backbone with features at the strides 2 to 32.
      backbone_width: multiplier of its channels.
      end_width: channels between the last skip and the classifier.
      form: `paper`, or `smp`, that of segmentation_models_pytorch.
      norm: `batch`, `group`, `layer` or `none`.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    backbone: str = "resnet18"
    backbone_width: float = 1.0
    end_width: int = 32
    form: Literal["paper", "smp"] = "paper"
    norm: NormName = "batch"
    dtype: DtypeName = "float32"

    @property
    def stride(self) -> int:
        """Input sides must divide by it."""
        return 32

    @property
    def foreign(self) -> tuple[Names, ...]:
        """The whole model of segmentation_models_pytorch, or the backbone alone."""
        whole = foreign.whole(self.backbone, SMP, foreign.SMP_ENCODER)
        return (
            *(whole if self.form == "smp" else ()),
            *super().foreign,
        )

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
        features = self.encode(x, train, norm=self.norm)
        end = self._paper if self.form == "paper" else self._smp
        return end(features, style, train)

    def _paper(self, features: dict[int, Array], style: dict, train: bool) -> Array:
        """The stem is added pooled, at stride 4, and three convolutions end."""
        style |= dict(epsilon=1e-3)
        x = features[32]
        for level in (4, 3, 2):
            skip = features[2**level]
            block = LinkBlock(skip.shape[-1], **style, name=f"up{level}")
            x = nn.relu(block(x, train) + skip)
        skip = max_pool_3x3(features[2])
        x = LinkBlock(skip.shape[-1], stride=1, **style, name="up1")(x, train)
        x = nn.relu(x + skip)
        x = UpConvNorm(self.end_width, 3, 2, False, **style, name="end0")(x, train)
        x = ConvNorm(self.end_width, 3, **style, name="end1")(x, train)
        return UpConv2x2(self.num_outputs, name="head")(x.astype(jnp.float32))

    def _smp(self, features: dict[int, Array], style: dict, train: bool) -> Array:
        """Every block doubles the size, the stem is added at stride 2."""
        style |= dict(kernel=4, use_bias=True)
        x = features[32]
        for level in (4, 3, 2, 1):
            skip = features[2**level]
            x = LinkBlock(skip.shape[-1], **style, name=f"up{level}")(x, train) + skip
        x = LinkBlock(self.end_width, **style, name="up0")(x, train)
        return Conv(self.num_outputs, 1, name="head")(x.astype(jnp.float32))


class LinkBlock(nn.Module):
    """1x1 to a quarter (`narrow`), transposed convolution (`grow`), 1x1 (`widen`)."""

    features: int
    kernel: int = 3
    stride: int = 2
    use_bias: bool = False
    norm: NormName = "batch"
    epsilon: float = 1e-5
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "B h w C"], train: bool
    ) -> Float[Array, "B H W F"]:
        style = dict(norm=self.norm, epsilon=self.epsilon, dtype=self.dtype)
        narrow = max(1, x.shape[-1] // 4)
        x = ConvNorm(narrow, 1, **style, name="narrow")(x, train)
        x = UpConvNorm(
            narrow, self.kernel, self.stride, self.use_bias, **style, name="grow"
        )(x, train)
        return ConvNorm(self.features, 1, **style, name="widen")(x, train)


class UpConvNorm(nn.Module):
    """Transposed convolution (`conv`), norm, ReLU."""

    features: int
    kernel: int
    stride: int
    use_bias: bool
    norm: NormName
    dtype: Any
    epsilon: float = 1e-5

    @nn.compact
    def __call__(
        self, x: Float[Array, "B h w C"], train: bool
    ) -> Float[Array, "B H W F"]:
        bias = self.use_bias or self.norm == "none"
        x = UpConv(
            self.features, self.kernel, self.stride, bias, self.dtype, name="conv"
        )(x)
        style = dict(epsilon=self.epsilon, activation=nn.relu, dtype=self.dtype)
        return norm(x, self.norm, train=train, **style)


SMP = Names(
    project="segmentation_models_pytorch",
    modules=(
        *(
            (rf"decoder\.blocks\.{4 - level}\.block\.{i}\.{j}", f"up{level}/{ours}")
            for level in range(5)
            for i, block in enumerate(("narrow", "grow", "widen"))
            for j, ours in enumerate((f"{block}/conv", f"{block}/norm"))
        ),
        (r"segmentation_head\.0", "head"),
    ),
    kinds=((r"decoder\.blocks\.\d\.block\.1\.0\.weight", "transposed"),),
)
