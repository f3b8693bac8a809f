"""What a pixel of an image is: how many numbers, and which range they have."""

import dataclasses
import types

from segjax.core.errors import UserError

FULL = types.MappingProxyType({"uint8": 255, "uint16": 65535, "float32": 1})
"""Depth -> what pixels are divided by before mean and std; floats keep their unit."""

MOST_CHANNELS = 256


@dataclasses.dataclass(frozen=True)
class Pixels:
    """What every image of a data set holds, as its config declares it.

    Attributes:
      channels: `C` numbers a pixel: 1 for grey, 3 for RGB, 4 for RGBA, or any bands.
      depth: dtype of the numbers: `uint8`, `uint16` or `float32`.

    Raises:
      UserError: there are no such images.
    """

    channels: int = 3
    depth: str = "uint8"

    def __post_init__(self):
        problems = []
        if not 1 <= self.channels <= MOST_CHANNELS:
            problems.append(
                f"config.data.channels={self.channels}: must be from 1 to "
                f"{MOST_CHANNELS}."
            )
        if self.depth not in FULL:
            problems.append(
                f"config.data.depth={self.depth!r}: must be one of {', '.join(FULL)}."
            )
        if problems:
            raise UserError(problems)

    def __str__(self) -> str:
        """As messages call it: `1 channel of uint16`."""
        return f"{self.channels} channel{'s' * (self.channels > 1)} of {self.depth}"


RGB = Pixels()
"""8-bit RGB, which every image is unless its data set says otherwise."""
