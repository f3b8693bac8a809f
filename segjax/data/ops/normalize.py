"""The op that runs on the device: uint8 pixels to floats near zero.

It stands last in an op string, so that hosts move uint8, a quarter of the bytes.
"""

import dataclasses
from typing import Any, Literal

import numpy as np

from segjax.core.errors import UserError


@dataclasses.dataclass(frozen=True)
class Normalize:
    """`(image / 255 - mean) / std`, per channel, in float32.

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
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise UserError(
                f"mean={self.mean}, std={self.std}: give three numbers each, one a "
                "channel in 0..1, the std above 0."
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
          images: `(..., 3)` uint8, numpy or jax; built from operators alone, so it also
            runs inside jit.

        Returns:
          `(..., 3)` float32 of the same kind of array.

        Raises:
          UserError: the numbers are to be of the data, and were not measured.
        """
        if self.from_data:
            raise UserError(
                "normalize('data'): its numbers come from a training split, and there "
                "is none here. Train a run with it, or write the numbers."
            )
        scale = np.float32(1 / 255) / np.asarray(self.std, np.float32)
        shift = np.asarray(self.mean, np.float32) / np.asarray(self.std, np.float32)
        return images * scale - shift
