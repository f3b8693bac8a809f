"""The U-Net as published: unpadded convolutions, so the logits lose a margin.

Source: Ronneberger, Fischer & Brox, U-Net: Convolutional Networks for Biomedical Image
  Segmentation, 2015, arXiv 1505.04597, figure 1 (network), section 2 (tiling), section
  3.1 (dropout). Where the dropout stands, and its rate, is in the authors' Caffe model.
Differs: nothing in the network. The authors' Caffe model, not the paper, has a ReLU
  after each up-convolution and 128 channels in the last one.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.core.errors import UserError
from segjax.models.segmenter import Segmenter
from segjax.nn.conv import Conv
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.pooling import max_pool_2x2
from segjax.nn.upconv import UpConv2x2


class ValidUNet(Segmenter):
    """U-Net of unpadded convolutions, without norm, of any width and depth.

    Default size, 572x572x1 to 388x388x2; `grow` is the up-convolution:

    =========  ===================  ============
    stage      output               parameters
    =========  ===================  ============
    down0      568 x 568 x 64             37,568
    down1      280 x 280 x 128           221,440
    down2      136 x 136 x 256           885,248
    down3      64 x 64 x 512           3,539,968
    bottom     28 x 28 x 1024         14,157,824
    up3_grow   56 x 56 x 512           2,097,664
    up3        52 x 52 x 512           7,078,912
    up2_grow   104 x 104 x 256           524,544
    up2        100 x 100 x 256         1,769,984
    up1_grow   200 x 200 x 128           131,200
    up1        196 x 196 x 128           442,624
    up0_grow   392 x 392 x 64             32,832
    up0        388 x 388 x 64            110,720
    head       388 x 388 x 2                 130
    total                             31,030,658
    =========  ===================  ============

    The skip of each stage is cropped at its centre to the size of `grow`.

    Attributes:
      num_outputs: `K`, channels of the logits.
      width: channels of the first stage; each stage doubles them.
      depth: number of halvings.
      dropout: share of the features dropped in training at the end of the contracting
        path: in the last stage before `bottom`, skip and all, and in `bottom`.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    width: int = 64
    depth: int = 4
    dropout: float = 0.5
    dtype: DtypeName = "float32"

    @property
    def stride(self) -> int:
        """Legal sides are this far apart."""
        return 2**self.depth

    @property
    def margin(self) -> int:
        """Pixels that the logits lose at each border: 92 at depth 4.

        A double convolution takes 2 pixels of its own grid off each border; grid `d`
        has a pixel of `2**d`, and every grid but the deepest is crossed twice.
        """
        return 2 * (2 * (2**self.depth - 1) + 2**self.depth)

    @property
    def least_side(self) -> int:
        """The smallest legal side: 188 at depth 4."""
        grid = (
            7 if self.depth == 1 else 8
        )  # into `bottom`, so that all that grows stays
        return grid * self.stride + 4 * (self.stride - 1)

    def input_side(self, side: int) -> int:
        """The smallest legal input side whose logits cover `side` pixels."""
        excess = max(0, side + 2 * self.margin - self.least_side)
        return self.least_side + -(-excess // self.stride) * self.stride

    def check_size(self, x: Array) -> None:
        """Refuse sides at which a pooling would meet an odd size, or nothing is left.

        Raises:
          UserError: a side of `x` does not fit.
        """
        H, W = x.shape[-3:-1]
        least, stride = self.least_side, self.stride
        problems = []
        for axis, n in (("height", H), ("width", W)):
            if n < least:
                problems.append(f"{axis} {n} is less than {least}")
            elif (n - least) % stride:
                below = n - (n - least) % stride
                problems.append(f"{axis} {n} lies between {below} and {below + stride}")
        if problems:
            raise UserError(
                f"{type(self).__name__}: input is {H}x{W}; {', '.join(problems)}. "
                f"Sides {least}, {least + stride}, {least + 2 * stride} ... are legal. "
                "Crop or mirror the image to one of them."
            )

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool = False
    ) -> Float[Array, "B h w K"]:
        """Logits of the inner pixels: `h = H - 2 * margin`.

        Raises:
          UserError: a side of `x` is not legal.
        """
        self.check_size(x)
        dtype = compute_dtype(self.dtype)
        drop = nn.Dropout(self.dropout, deterministic=not train)

        x = x.astype(dtype)
        skips = []
        for level in range(self.depth):
            features = self.width * 2**level
            x = ValidDoubleConv(features, dtype, name=f"down{level}")(x)
            if level == self.depth - 1:
                x = drop(x)
            skips.append(x)
            x = max_pool_2x2(x)
        features = self.width * 2**self.depth
        x = drop(ValidDoubleConv(features, dtype, name="bottom")(x))
        for level in reversed(range(self.depth)):
            features = self.width * 2**level
            x = UpConv2x2(features, dtype, name=f"up{level}_grow")(x)
            x = jnp.concatenate([center(skips[level], x.shape[1:3]), x], axis=-1)
            x = ValidDoubleConv(features, dtype, name=f"up{level}")(x)
        return Conv(self.num_outputs, 1, name="head")(x.astype(jnp.float32))


def center(x: Float[Array, "B H W C"], size: tuple[int, int]) -> Array:
    """The central `size = (h, w)` of an image; the borders lost are equal."""
    top, left = ((n - m) // 2 for n, m in zip(x.shape[1:3], size, strict=True))
    return x[:, top : top + size[0], left : left + size[1]]


class ValidDoubleConv(nn.Module):
    """Twice: convolution 3x3 without padding, ReLU; the sides lose 4 pixels."""

    features: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B h w F"]:
        for i in (1, 2):
            conv = Conv(self.features, padding=0, dtype=self.dtype, name=f"conv{i}")
            x = nn.relu(conv(x))
        return x
