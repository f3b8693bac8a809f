"""The ops on images that an exported model takes along, by numpy alone.

They give the bits of the ops of the same name in `data.ops`, see `predict.resize`.
"""

import dataclasses
from typing import Any

import numpy as np

from segjax.core.errors import UserError
from segjax.core.keys import IMAGE
from segjax.core.tables import Table
from segjax.predict.resize import rescale, resize
from segjax.serve.description import MOST_SIDE

LARGEST = 16
"""Factor of `rescale`, so that no file asks for pictures that fill the memory."""


@dataclasses.dataclass(frozen=True)
class Rescale:
    """Sides `factor` times as long."""

    factor: float | int

    def __post_init__(self):
        if not 0 < self.factor <= LARGEST:
            raise UserError(f"factor={self.factor}: must be above 0, to {LARGEST}.")

    def map(self, example: dict[str, Any]) -> dict[str, Any]:
        """`(H, W)` becomes `round(factor * (H, W))`, at least 1."""
        return {**example, IMAGE: rescale(example[IMAGE], self.factor)}


@dataclasses.dataclass(frozen=True)
class Resize:
    """One size for all."""

    height: int
    width: int

    def __post_init__(self):
        if not (0 < self.height <= MOST_SIDE and 0 < self.width <= MOST_SIDE):
            raise UserError(f"{self}: its sides must be from 1 to {MOST_SIDE}.")

    def map(self, example: dict[str, Any]) -> dict[str, Any]:
        """Any size becomes `(height, width)`."""
        image = example[IMAGE]
        if image.ndim == 3:
            image = resize(image, self.height, self.width)
        else:
            image = np.stack([resize(f, self.height, self.width) for f in image])
        return {**example, IMAGE: image}


OPS = Table("op of an exported model", {"rescale": Rescale, "resize": Resize})
