"""UNet++ whose encoder is a classifier: a backbone, and dense skips from its stages.

Source: Zhou, Siddiquee, Tajbakhsh & Liang, UNet++, 2018, arXiv 1807.10165, figure 1;
  in the form of segmentation_models_pytorch (Iakubovskii, 2019).
Differs: up-sampling is nearest; the nodes that lie inside the grid are as wide as the
  backbone's features of their stride, those at its edge as wide as a decoder; the
  network ends with one block more, at the image's size, which has no skip, and has one
  head, 3x3, without deep supervision.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.core.names import Names
from segjax.models import foreign
from segjax.models.backbone_segmenter import BackboneSegmenter
from segjax.models.ranges import count_problems
from segjax.nn.conv import Conv
from segjax.nn.double_conv import DoubleConvNorm
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.norm import NormName
from segjax.nn.resample import upsample_nearest

DEPTH = 4
"""Grids between the deepest and the image's: the strides 16, 8, 4 and 2."""


class BackboneUNetPlusPlus(BackboneSegmenter):
    """UNet++ on any backbone; the default is ResNet-34.

    Node `xI_J` lies at stride `2**I`, `J` steps along the skip. It reads the node below
    and before it, up-sampled, all nodes before it and the backbone's features.

    Default size, 512x512x3 to one output channel; of the backbone the features at
    stride 2 are shown:

    ========  ===================  ============
    node      output               parameters
    ========  ===================  ============
    backbone  256 x 256 x 64         21,284,672
    x4_1      32 x 32 x 256           2,360,320
    x3_1      64 x 64 x 128             590,336
    x2_1      128 x 128 x 64            147,712
    x1_1      256 x 256 x 64            110,848
    x3_2      64 x 64 x 128             737,792
    x2_2      128 x 128 x 64            184,576
    x1_2      256 x 256 x 64            147,712
    x2_3      128 x 128 x 64            221,440
    x1_3      256 x 256 x 64            184,576
    x1_4      256 x 256 x 32            101,504
    up0       512 x 512 x 16              6,976
    head      512 x 512 x 1                 145
    total                            26,078,609
    ========  ===================  ============

    Attributes:
      num_outputs: `K`, channels of the logits.
      backbone: name of a backbone with features at the strides 2 to 32.
      backbone_width: multiplier of its channels.
      decoder_widths: channels of the last node of each grid, and of the block at the
        image's size, deepest first.
      norm: `batch`, `group`, `layer` or `none`.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    backbone: str = "resnet34"
    backbone_width: float = 1.0
    decoder_widths: tuple[int, ...] = (256, 128, 64, 32, 16)
    norm: NormName = "batch"
    dtype: DtypeName = "float32"

    def problems(self) -> list[str]:
        """What is wrong with the fields, as messages."""
        return super().problems() + count_problems(
            self, "decoder_widths", 5, "one for each of the strides 16 to 1"
        )

    @property
    def stride(self) -> int:
        """Input sides must divide by it."""
        return 32

    @property
    def foreign(self) -> tuple[Names, ...]:
        """The whole model of segmentation_models_pytorch, or the backbone alone."""
        return (
            *foreign.whole(self.backbone, SMP, foreign.SMP_ENCODER),
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
        nodes = {(i, 0): features[2**i] for i in range(1, DEPTH + 2)}
        for j in range(1, DEPTH + 1):
            for i in range(1, DEPTH + 2 - j):
                last = i + j == DEPTH + 1
                width = self.decoder_widths[DEPTH - i]
                width = width if last else features[2**i].shape[-1]
                grown = upsample_nearest(nodes[i + 1, j - 1], 2)
                before = [nodes[i, k] for k in reversed(range(j))]
                x = jnp.concatenate([grown, *before], axis=-1)
                x = DoubleConvNorm(width, **style, name=f"x{i}_{j}")(x, train)
                nodes[i, j] = x
        x = upsample_nearest(nodes[1, DEPTH], 2)
        x = DoubleConvNorm(self.decoder_widths[-1], **style, name="up0")(x, train)
        return Conv(self.num_outputs, 3, name="head")(x.astype(jnp.float32))


def _rules(there: str, here: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (rf"{there}\.{i}", f"{here}/{part}") for i, part in enumerate(("conv", "norm"))
    )


SMP = Names(
    project="segmentation_models_pytorch",
    modules=(
        # there grids are counted from the deepest, and nodes from the last
        *(
            rule
            for i in range(1, DEPTH + 1)
            for j in range(1, DEPTH + 2 - i)
            for rule in _rules(
                rf"decoder\.blocks\.x_{DEPTH + 1 - i - j}_{DEPTH - i}\.conv(\d)",
                rf"x{i}_{j}/conv\1",
            )
        ),
        *_rules(rf"decoder\.blocks\.x_0_{DEPTH}\.conv(\d)", r"up0/conv\1"),
        (r"segmentation_head\.0", "head"),
    ),
    # made there for a VGG, and never called
    drop=(r"decoder\.center\..*", r".*\.num_batches_tracked"),
)
