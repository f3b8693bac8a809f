"""ConvLSTM encoding-forecasting network: the frames that come next in a clip.

Source: Shi et al., Convolutional LSTM Network: A Machine Learning Approach for
  Precipitation Nowcasting, 2015, arXiv 1506.04214, figure 3, section 4.1 and table 1.
Differs: none that is known; the three parameter counts of the paper's table are met.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.core.errors import UserError, raise_problems
from segjax.nn.conv import Conv
from segjax.nn.convlstm import ConvLSTM
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.frames import each_frame
from segjax.nn.resample import depth_to_space, space_to_depth


class ConvLSTMForecaster(nn.Module):
    """Encodes a clip into the carries of its layers and unrolls copies of them.

    Default size, clips of 64x64x1; the output is of a frame:

    =========  ===================  ============
    stage      output               parameters
    =========  ===================  ============
    encode0    16 x 16 x 128           1,844,096
    encode1    16 x 16 x 64            1,229,248
    encode2    16 x 16 x 64              819,648
    forecast0  16 x 16 x 128           1,639,296
    forecast1  16 x 16 x 64            1,229,248
    forecast2  16 x 16 x 64              819,648
    head       16 x 16 x 16                4,112
    total                              7,585,296
    =========  ===================  ============

    The first forecasting layer has no input but its carry. The head sees the states of
    all forecasting layers. Widths of (128, 128) and (256,) are the paper's smaller
    networks, of 10,042,896 and 13,524,496 parameters.

    Attributes:
      num_frames: `S`, frames that are forecast.
      widths: channels of the layers.
      kernel: side of all their convolutions.
      patch: pixels a side that are folded into channels; the sides of the frames must
        divide by it.
      peepholes: whether the gates see the cell.
      remat: compute the insides of the layers again in training; see `ConvLSTM`.
      dtype: `float32`, or `bfloat16` to compute in it; logits and cells are float32.
    """

    num_frames: int = 10
    widths: tuple[int, ...] = (128, 64, 64)
    kernel: int = 5
    patch: int = 4
    peepholes: bool = True
    remat: bool = False
    dtype: DtypeName = "float32"

    def __post_init__(self):
        super().__post_init__()
        low = {
            "num_frames": self.num_frames,
            "widths": min(self.widths, default=0),
            "kernel": self.kernel,
            "patch": self.patch,
        }
        raise_problems(
            [
                f"ConvLSTMForecaster: {field}={getattr(self, field)}: 1 or more is "
                "allowed."
                for field, least in low.items()
                if least < 1
            ]
        )

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T H W C"], train: bool = False
    ) -> Float[Array, "B S H W C"]:
        """Logits of the next frames' pixels; `sigmoid` of them lies in `[0, 1]`.

        Args:
          x: the frames so far, pixels in `[0, 1]`.
          train: makes no difference: there is neither dropout nor batch norm.

        Raises:
          UserError: a side of `x` does not divide by `patch`.
        """
        H, W, C = x.shape[2:]
        if H % self.patch or W % self.patch:
            raise UserError(
                f"ConvLSTMForecaster: frames are {H}x{W}; both sides must divide by "
                f"patch={self.patch}. Resize, crop or pad them."
            )
        dtype = compute_dtype(self.dtype)
        x = each_frame(lambda frames: space_to_depth(frames, self.patch), x)
        carries = []
        for i, features in enumerate(self.widths):
            x, carry = self._layer(features, dtype, f"encode{i}")(x)
            carries.append(carry)
        x, states = self.num_frames, []
        for i, (features, carry) in enumerate(zip(self.widths, carries, strict=True)):
            x, _ = self._layer(features, dtype, f"forecast{i}")(x, carry)
            states.append(x)
        x = jnp.concatenate(states, axis=-1).astype(jnp.float32)
        x = each_frame(Conv(self.patch**2 * C, 1, name="head"), x)
        return each_frame(lambda frames: depth_to_space(frames, self.patch), x)

    def _layer(self, features: int, dtype: jnp.dtype, name: str) -> ConvLSTM:
        return ConvLSTM(
            features,
            self.kernel,
            peepholes=self.peepholes,
            remat=self.remat,
            dtype=dtype,
            name=name,
        )
