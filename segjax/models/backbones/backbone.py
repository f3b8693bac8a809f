"""What every backbone is: an image to features at the strides 2, 4, 8, 16 and 32."""

from typing import Any, ClassVar, Literal

import flax.linen as nn
import jax.numpy as jnp

from segjax.core.names import Names
from segjax.nn.norm import NormName

OutputStride = Literal[8, 16, 32]


class Backbone(nn.Module):
    """Base of all backbones; `__call__(x, train)` gives `{stride: features}`.

    The keys are the strides of the undilated network. With `output_stride` 16 or 8 the
    stages behind it keep their keys and parameters but stay at that stride: their
    strides become 1 and their kernels are applied with rates 2 and 4, so that the
    features, subsampled, equal those of the undilated network (atrous consistency).

    Attributes:
      output_stride: largest true stride, 8, 16 or 32.
      width: multiplier of all channels; 1 is the network of the paper.
      norm: `batch`, `group`, `layer` or `none`.
      dtype: dtype of the computation.
    """

    output_stride: OutputStride = 32
    width: float = 1.0
    norm: NormName = "batch"
    dtype: Any = jnp.float32

    foreign: ClassVar[tuple[Names, ...]] = ()
    """What other projects call the arrays of this backbone."""

    def channels(self, number: int, multiple: int = 8) -> int:
        """`number` of channels times `width`, made `divisible` by a `multiple`."""
        if self.width == 1:
            return number
        return divisible(number * self.width, multiple)


def divisible(number: float | int, multiple: int = 8) -> int:
    """The nearest multiple, at most a tenth below `number`, as in MobileNetV2."""
    rounded = max(multiple, int(number + multiple / 2) // multiple * multiple)
    return rounded + multiple if rounded < 0.9 * number else rounded
