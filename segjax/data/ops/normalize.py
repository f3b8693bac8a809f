"""The op that runs on the device: pixels as they are stored to floats near zero.

It stands last in an op string, so that hosts move uint8, a quarter of the bytes, or
uint16, a half.
"""

import dataclasses
from typing import Any, Literal

import numpy as np

from segjax.core.errors import UserError
from segjax.core.pixels import FULL


@dataclasses.dataclass(frozen=True)
class Normalize:
    """`(image / full - mean) / std`, per channel, in float32.

    `full` is 255 for images of 8 bits, 65535 for 16 bits and 1 for floats.

    The defaults are the mean and standard deviation of ImageNet. `normalize('data')`
    takes both from the images of the training split; a run measures them once and
    keeps them beside its weights.
    """

    mean: tuple[float | int, ...] | Literal["data"] = (0.485, 0.456, 0.406)
    std: tuple[float | int, ...] | Literal["data"] = (0.229, 0.224, 0.225)

    def __post_init__(self):
        if self.mean == "data" and self.std == Normalize.std:
            object.__setattr__(self, "std", "data")
        if self.from_data:
            if self.mean != self.std:
                raise UserError(
                    f"mean={self.mean!r}, std={self.std!r}: both are numbers, or both "
                    "are of the data. Write normalize('data')."
                )
            return
        if not len(self.mean) == len(self.std) > 0 or min(self.std) <= 0:
            raise UserError(
                f"mean={self.mean}, std={self.std}: give a number each for every "
                "channel, of integers in 0..1, the std above 0."
            )

    @property
    def from_data(self) -> bool:
        """Whether the numbers are yet to be measured."""
        return "data" in (self.mean, self.std)

    def numbers(self) -> dict[str, list[float]]:
        """`mean` and `std` as plain data, to write down."""
        return {"mean": list(self.mean), "std": list(self.std)}

    def __call__(self, images: Any) -> Any:
        """Normalise a batch, a clip or an image.

        Args:
          images: `(..., C)` uint8, uint16 or float32, numpy or jax; built from
            operators alone, so it also runs inside jit.

        Returns:
          `(..., C)` float32 of the same kind of array.

        Raises:
          UserError: the numbers are to be of the data, and were not measured; or the
            images have other channels or another dtype.
        """
        if self.from_data:
            raise UserError(
                "normalize('data'): its numbers come from a training split, and there "
                "is none here. Train a run with it, or write the numbers."
            )
        name = np.dtype(images.dtype).name
        if name not in FULL or images.shape[-1] != len(self.mean):
            raise UserError(
                f"normalize: got {images.shape[-1]} channels of {name}; it has the "
                f"numbers of {len(self.mean)} channels, and takes {', '.join(FULL)}."
            )
        scale = np.float32(1 / FULL[name]) / np.asarray(self.std, np.float32)
        shift = np.asarray(self.mean, np.float32) / np.asarray(self.std, np.float32)
        return images * scale - shift
