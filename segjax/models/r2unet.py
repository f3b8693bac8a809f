"""R2U-Net: a U-Net of residual units whose convolutions are recurrent.

Source: Alom, Hasan, Yakopcic, Taha & Asari, Recurrent Residual Convolutional Neural
  Network based on U-Net (R2U-Net) for Medical Image Segmentation, 2018, arXiv
  1802.06955, equation 1 and figures 3, 4d; the 1x1 before each unit and the growing
  convolution from the usual PyTorch form (LeeJunHyun, Image_Segmentation, 2018), which
  `tied` equals.
Differs: batch norm behind each step, by default with statistics of its own. `tied` uses
  one kernel and one norm for both terms of equation 1 and all steps, which the paper
  does not.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.models.segmenter import Segmenter
from segjax.nn.conv import Conv, ConvNorm
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.norm import NormName, norm
from segjax.nn.pooling import max_pool_2x2
from segjax.nn.resample import upsample_nearest


class R2UNet(Segmenter):
    """R2U-Net of any width, depth and number of steps.

    Default size, 512x512x3 to one output channel; `grow` is nearest up-sampling and a
    convolution 3x3:

    =========  ===================  ============
    stage      output               parameters
    =========  ===================  ============
    down0      512 x 512 x 64            148,608
    down1      256 x 256 x 128           599,936
    down2      128 x 128 x 256         2,395,904
    down3      64 x 64 x 512           9,575,936
    bottom     32 x 32 x 1024         38,288,384
    up3_grow   64 x 64 x 512           4,720,128
    up3        64 x 64 x 512           9,969,152
    up2_grow   128 x 128 x 256         1,180,416
    up2        128 x 128 x 256         2,494,208
    up1_grow   256 x 256 x 128           295,296
    up1        256 x 256 x 128           624,512
    up0_grow   512 x 512 x 64             73,920
    up0        512 x 512 x 64            156,608
    head       512 x 512 x 1                  65
    total                             70,523,073
    =========  ===================  ============

    Tied it has 39,091,393.

    Attributes:
      num_outputs: `K`, channels of the logits.
      width: channels of the first stage; each stage doubles them.
      depth: number of halvings.
      steps: times that a convolution's output returns to it, `t` in the paper.
      tied: one kernel for what comes in and what returns, and one norm for all steps.
      norm: `batch`, `group`, `layer` or `none`.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    width: int = 64
    depth: int = 4
    steps: int = 2
    tied: bool = False
    norm: NormName = "batch"
    dtype: DtypeName = "float32"

    @property
    def stride(self) -> int:
        """Input sides must divide by it."""
        return 2**self.depth

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
        unit = dict(steps=self.steps, tied=self.tied, **style)

        x = x.astype(style["dtype"])
        skips = []
        for level in range(self.depth):
            width = self.width * 2**level
            x = RecurrentResidual(width, **unit, name=f"down{level}")(x, train)
            skips.append(x)
            x = max_pool_2x2(x)
        width = self.width * 2**self.depth
        x = RecurrentResidual(width, **unit, name="bottom")(x, train)
        for level in reversed(range(self.depth)):
            width = self.width * 2**level
            grow = ConvNorm(width, 3, use_bias=True, **style, name=f"up{level}_grow")
            x = grow(upsample_nearest(x, 2), train)
            x = jnp.concatenate([skips[level], x], axis=-1)
            x = RecurrentResidual(width, **unit, name=f"up{level}")(x, train)
        return Conv(self.num_outputs, 1, name="head")(x.astype(jnp.float32))


class RecurrentResidual(nn.Module):
    """1x1 (`project`), then two recurrent convolutions, added to it."""

    features: int
    steps: int
    tied: bool
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B H W F"]:
        x = Conv(self.features, 1, dtype=self.dtype, name="project")(x)
        y = x
        recurrent = TiedRecurrentConv if self.tied else RecurrentConv
        for i in (1, 2):
            y = recurrent(self.steps, self.norm, self.dtype, name=f"recurrent{i}")(
                y, train
            )
        return x + y


class RecurrentConv(nn.Module):
    """Equation 1: a convolution of the input, and of the last state one of its own.

    The input's convolution is the same at all steps and computed once.
    """

    steps: int
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B H W C"]:
        C = x.shape[-1]
        style = dict(train=train, activation=nn.relu, dtype=self.dtype)
        forward = Conv(C, 3, dtype=self.dtype, name="forward")(x)
        back = Conv(C, 3, use_bias=False, dtype=self.dtype, name="back")
        state = norm(forward, self.norm, name="norm0", **style)
        for step in range(1, self.steps + 1):
            y = forward + back(state)
            state = norm(y, self.norm, name=f"norm{step}", **style)
        return state


class TiedRecurrentConv(nn.Module):
    """One convolution and norm (`conv`), of the input and then of input plus state."""

    steps: int
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B H W C"]:
        style = dict(norm=self.norm, use_bias=True, dtype=self.dtype)
        step = ConvNorm(x.shape[-1], 3, **style, name="conv")
        state = step(x, train)
        for _ in range(self.steps):
            state = step(x + state, train)
        return state
