"""The commonest class of the training split at each place of the image."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import UInt8

from segjax.baselines.examples import Examples, Image, Progress, each, low
from segjax.baselines.sample import unlabelled
from segjax.core.errors import UserError, raise_problems
from segjax.core.keys import IGNORE


@dataclasses.dataclass(frozen=True)
class Prior:
    """A map of classes that is the same for every image, stretched to its size.

    What it scores is what the camera's position is worth: in street scenes the sky is
    above and the road below.

    Attributes:
      grid: cells of the map along each side; pixels of a cell vote together.
    """

    grid: int = 48

    def __post_init__(self):
        raise_problems(low(self, grid=1))

    def fit(
        self, source: Examples, *, seed: int = 0, progress: Progress = None
    ) -> "Map":
        """Count the classes of each cell over all training images.

        A cell that is never labelled takes the class of the whole split.

        Raises:
          UserError: no pixel is labelled.
        """
        del seed
        K, n = source.info.num_classes, self.grid
        total = np.zeros(n * n * 256, np.int64)
        for _, label in each(source, progress):
            cells = _cells(label.shape, n) * 256 + label
            total += np.bincount(cells.ravel(), minlength=total.size)
        counts = total.reshape(n, n, 256)[..., :K]
        if not counts.any():
            raise UserError(unlabelled(source))
        ids = counts.argmax(-1).astype(np.uint8)
        empty = counts.sum(-1) == 0
        ids[empty] = counts.sum((0, 1)).argmax()
        found = [source.info.class_names[k] for k in np.unique(ids) if k != IGNORE]
        return Map(ids, {"classes": found})


@dataclasses.dataclass(frozen=True, eq=False)
class Map:
    """Classes by place."""

    ids: UInt8[np.ndarray, "n n"]
    facts: dict[str, Any]

    def __call__(self, image: Image) -> UInt8[np.ndarray, "H W"]:
        """The map at the size of the image."""
        return self.ids.ravel()[_cells(image.shape[:2], len(self.ids))]


def _cells(shape: tuple[int, ...], n: int) -> np.ndarray:
    """The number of the cell of each pixel, `(H, W)`."""
    rows, columns = ((np.arange(side) * n) // side for side in shape)
    return rows[:, None] * n + columns
