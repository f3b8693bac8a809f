"""Atrous spatial pyramid pooling: the same features seen at several rates at once.

Source: Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation,
  2017, arXiv 1706.05587, section 3.3 and figure 5; separable form: Chen et al.,
  Encoder-Decoder with Atrous Separable Convolution, 2018, arXiv 1802.02611, 3.1.
Differs: dropout behind the projection, as in torchvision; the separable form has a
  norm and an activation only behind its 1x1 half.
"""

import warnings
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.nn.conv import ConvNorm
from segjax.nn.norm import NormName
from segjax.nn.separable import SeparableConvNorm

RATES_AT_16 = (6, 12, 18)
"""Rates at output stride 16; in pixels of the image they are 96, 192 and 288."""


def rates_at(output_stride: int) -> tuple[int, ...]:
    """The rates that see the same context whatever the grid: doubled at stride 8."""
    return tuple(rate * 16 // output_stride for rate in RATES_AT_16)


class ASPP(nn.Module):
    """Branches side by side, concatenated and projected to `features` channels.

    `branch0` is 1x1, `branch1 ..` are 3x3 at `rates`, `pool` is the mean of the image,
    seen by every pixel. With no rates only `branch0` and `pool` are left, which is the
    form that MobileNets use.

    Two things are said by a Python warning while the model is traced. A rate that is
    below neither side of the features leaves the 3x3 kernel its middle tap alone: the
    branch is then 1x1. And batch norm in `pool` has one value an image to
    normalise: in training with one image a batch, that is the mean itself, so the
    branch gives its bias whatever it sees, its convolution learns nothing, and the
    running variance sinks towards 0, which makes evaluation wrong.

    Attributes:
      features: channels of each branch and of the result.
      rates: rates of the 3x3 branches.
      separable: 3x3 branches as a depthwise and a 1x1 convolution.
      dropout: share of the result dropped in training.
      norm: `batch`, `group`, `layer` or `none`.
      dtype: dtype of the computation.
    """

    features: int = 256
    rates: tuple[int, ...] = RATES_AT_16
    separable: bool = False
    dropout: float = 0.5
    norm: NormName = "batch"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "B h w C"], train: bool
    ) -> Float[Array, "B h w F"]:
        if not self.is_initializing():
            warn_of_wide(self.rates, x)
            warn_of_lone(x, self.norm, train)
        F, style = self.features, dict(norm=self.norm, dtype=self.dtype)
        block = SeparableConvNorm if self.separable else ConvNorm
        branches = [ConvNorm(F, 1, **style, name="branch0")(x, train)]
        for i, rate in enumerate(self.rates, start=1):
            branch = block(F, 3, rate=rate, **style, name=f"branch{i}")
            branches.append(branch(x, train))
        mean = x.mean((1, 2), keepdims=True, dtype=jnp.float32).astype(x.dtype)
        mean = ConvNorm(F, 1, **style, name="pool")(mean, train)
        branches.append(jnp.broadcast_to(mean, branches[0].shape))
        x = ConvNorm(F, 1, **style, name="project")(
            jnp.concatenate(branches, axis=-1), train
        )
        return nn.Dropout(self.dropout, deterministic=not train)(x)


def warn_of_wide(rates: tuple[int, ...], x: Float[Array, "B h w C"]) -> None:
    """Warn of 3x3 kernels of which only the middle tap meets the features `x`."""
    h, w = x.shape[1:3]
    if wide := [rate for rate in rates if rate >= max(h, w)]:
        warnings.warn(
            f"rates {wide} are not below the features' {h}x{w}: these 3x3 convolutions "
            "are 1x1 now. Give larger images or crops, or smaller config.model.rates.",
            stacklevel=2,
        )


def warn_of_lone(x: Float[Array, "B h w C"], norm: NormName, train: bool) -> None:
    """Warn of batch norm over the pooled image of a batch of one."""
    if train and len(x) == 1 and norm == "batch":
        warnings.warn(
            "batch norm of the pooled image sees one value a channel in a batch of 1: "
            "the branch learns nothing. Take a batch of 2 or more, or "
            "config.model.norm='group'.",
            stacklevel=2,
        )
