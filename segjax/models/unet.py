"""U-Net: an encoder of halving stages, a decoder of doubling stages, skips between.

Source: Ronneberger, Fischer & Brox, U-Net: Convolutional Networks for Biomedical Image
  Segmentation, 2015, arXiv 1505.04597, figure 1.
Differs: "same" convolutions, so the output has the input's size; a norm after every
  convolution; kernels initialised as He et al. 2015 (arXiv 1502.01852).
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.core.errors import UserError
from segjax.models.segmenter import Segmenter
from segjax.nn.conv import Conv
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.norm import NormName, norm
from segjax.nn.pooling import max_pool_2x2
from segjax.nn.resample import depth_to_space, space_to_depth
from segjax.nn.upconv import UpConv2x2


class UNet(Segmenter):
    """U-Net of any width and depth.

    Default size, 512x512x3 to one output channel; `grow` is the up-convolution:

    =========  ===================  ============
    stage      output               parameters
    =========  ===================  ============
    down0      512 x 512 x 64             38,976
    down1      256 x 256 x 128           221,952
    down2      128 x 128 x 256           886,272
    down3      64 x 64 x 512           3,542,016
    bottom     32 x 32 x 1024         14,161,920
    up3_grow   64 x 64 x 512           2,097,664
    up3        64 x 64 x 512           7,080,960
    up2_grow   128 x 128 x 256           524,544
    up2        128 x 128 x 256         1,771,008
    up1_grow   256 x 256 x 128           131,200
    up1        256 x 256 x 128           443,136
    up0_grow   512 x 512 x 64             32,832
    up0        512 x 512 x 64            110,976
    head       512 x 512 x 1                  65
    total                             31,043,521
    =========  ===================  ============

    Batch norm adds 11,776 running statistics, which are not trained.

    Attributes:
      num_outputs: `K`, channels of the logits.
      width: channels of the first stage; each stage doubles them.
      depth: number of halvings.
      widths: channels of `down0 .. bottom`; overrides `width` and `depth`.
      up_widths: channels of the up-convolutions, deepest first; as the skips if None.
      decoder_widths: channels of the decoder stages, deepest first; as the encoder's
        if None.
      norm: `batch`, `group`, `layer` or `none`.
      dropout: share of the deepest features dropped in training.
      patch: fold `patch x patch` pixels into channels before the first stage and
        unfold the logits after the last: a network `patch` times coarser, for slow
        machines. 1 is the U-Net of the paper.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    width: int = 64
    depth: int = 4
    widths: tuple[int, ...] | None = None
    up_widths: tuple[int, ...] | None = None
    decoder_widths: tuple[int, ...] | None = None
    norm: NormName = "batch"
    dropout: float = 0.0
    patch: int = 1
    dtype: DtypeName = "float32"

    @property
    def stride(self) -> int:
        """Input sides must divide by it."""
        return self.patch * 2 ** (len(self.encoder_widths) - 1)

    @property
    def encoder_widths(self) -> tuple[int, ...]:
        """Channels of `down0 .. bottom`."""
        if self.widths is not None:
            return tuple(self.widths)
        return tuple(self.width * 2**level for level in range(self.depth + 1))

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool = False
    ) -> Float[Array, "B H W K"]:
        """Logits of every pixel.

        Raises:
          UserError: a side of `x` does not divide by `stride`, or the lists of widths
            do not fit each other.
        """
        self.check_size(x)
        self._check_widths()
        dtype = compute_dtype(self.dtype)
        encoder = self.encoder_widths
        decoder = self.decoder_widths or encoder[-2::-1]
        up = self.up_widths or encoder[-2::-1]

        x = x.astype(dtype)
        if self.patch > 1:
            x = space_to_depth(x, self.patch)
        skips = []
        for level, features in enumerate(encoder[:-1]):
            x = DoubleConv(features, self.norm, dtype, name=f"down{level}")(x, train)
            skips.append(x)
            x = max_pool_2x2(x)
        x = DoubleConv(encoder[-1], self.norm, dtype, name="bottom")(x, train)
        if self.dropout:
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        for level, up_features, features in zip(
            reversed(range(len(skips))), up, decoder, strict=True
        ):
            x = UpConv2x2(up_features, dtype, name=f"up{level}_grow")(x)
            x = jnp.concatenate([skips[level], x], axis=-1)
            x = DoubleConv(features, self.norm, dtype, name=f"up{level}")(x, train)
        x = Conv(
            self.num_outputs * self.patch**2,
            kernel=1,
            kernel_init=nn.initializers.lecun_normal(),
            name="head",
        )(x.astype(jnp.float32))
        return depth_to_space(x, self.patch) if self.patch > 1 else x

    def _check_widths(self) -> None:
        levels = len(self.encoder_widths) - 1
        for field in ("up_widths", "decoder_widths"):
            widths = getattr(self, field)
            if widths is not None and len(widths) != levels:
                raise UserError(
                    f"config.model.{field}={widths}: has {len(widths)} entries; the "
                    f"encoder halves {levels} times, so {levels} are needed."
                )


class DoubleConv(nn.Module):
    """Twice: convolution 3x3 "same" with bias, norm, ReLU."""

    features: int
    norm: NormName
    dtype: jnp.dtype

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B H W F"]:
        for i in (1, 2):
            x = Conv(self.features, dtype=self.dtype, name=f"conv{i}")(x)
            x = norm(
                x,
                self.norm,
                train=train,
                name=f"norm{i}",
                activation=nn.relu,
                dtype=self.dtype,
            )
        return x
