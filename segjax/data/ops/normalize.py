"""The op that runs on the device: uint8 pixels to floats near zero.

It stands last in an op string, so that hosts move uint8, a quarter of the bytes.
"""

import dataclasses
from typing import Any

import numpy as np

from segjax.core.errors import UserError


@dataclasses.dataclass(frozen=True)
class Normalize:
    """`(image / 255 - mean) / std`, per channel, in float32.

    The defaults are the mean and standard deviation of ImageNet.
    """

    mean: tuple[float | int, ...] = (0.485, 0.456, 0.406)
    std: tuple[float | int, ...] = (0.229, 0.224, 0.225)

    def __post_init__(self):
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise UserError(
                f"mean={self.mean}, std={self.std}: give three numbers each, one a "
                "channel in 0..1, the std above 0."
            )

    def __call__(self, images: Any) -> Any:
        """Normalise a batch, a clip or an image.

        Args:
          images: `(..., 3)` uint8, numpy or jax; built from operators alone, so it also
            runs inside jit.

        Returns:
          `(..., 3)` float32 of the same kind of array.
        """
        scale = np.float32(1 / 255) / np.asarray(self.std, np.float32)
        shift = np.asarray(self.mean, np.float32) / np.asarray(self.std, np.float32)
        return images * scale - shift
