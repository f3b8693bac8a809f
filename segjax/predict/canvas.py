"""The logits of one look at an image, put together from windows, a band of rows."""

import numpy as np

from segjax.core.shapes import Float, Float32
from segjax.predict.ways import Windows

BLOCK = 128
"""Rows that are allocated and given back together."""


class Canvas:
    """Sums of weighted logits and of their weights, where windows overlap.

    Windows are added row by row from the top. Held are the rows from the first that is
    still wanted to the last that a window has reached, and never the whole image.
    """

    def __init__(self, height: int, width: int, windows: Windows):
        self.size = height, width
        self.windows = windows
        self.tops, self.lefts = (
            windows.starts(axis, side) for axis, side in enumerate(self.size)
        )
        self.reach = windows.weights.shape[0]  # rows that a window answers
        self._blocks: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._missing = {top: len(self.lefts) for top in self.tops}

    @property
    def done(self) -> int:
        """The first row that a window is still to be added to."""
        return next(iter(self._missing), self.size[0])

    def add(self, top: int, left: int, weighted: Float32[np.ndarray, "h w K"]) -> None:
        """Add the weighted logits of the window whose answer begins at `top, left`."""
        height, width = (
            min(n, side - start)
            for n, side, start in zip(
                weighted.shape, self.size, (top, left), strict=False
            )
        )
        weights, columns = self.windows.weights, slice(left, left + width)
        for block, mine, theirs in _blocks(top, top + height):
            sums, total = self._block(block, weighted.shape[-1])
            inside = slice(theirs.start - top, theirs.stop - top)
            sums[mine, columns] += weighted[inside, :width]
            total[mine, columns] += weights[inside, :width]
        self._missing[top] -= 1
        if not self._missing[top]:
            del self._missing[top]

    def read(
        self, rows: slice, columns: slice, height: int, width: int
    ) -> Float[np.ndarray, "height width K"]:
        """The logits of finished rows, with zeros behind them up to `height, width`."""
        out = None
        for block, mine, theirs in _blocks(rows.start, rows.stop):
            sums, total = self._blocks[block]
            if out is None:
                out = np.zeros((height, width, sums.shape[-1]), np.float32)
            place = slice(theirs.start - rows.start, theirs.stop - rows.start)
            np.divide(
                sums[mine, columns],
                total[mine, columns, None],
                out=out[place, : columns.stop - columns.start],
            )
        return out

    def drop(self, top: int) -> None:
        """Give back the rows above `top`, which nobody will read again."""
        for block in [b for b in self._blocks if (b + 1) * BLOCK <= top]:
            del self._blocks[block]

    def _block(self, block: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
        if block not in self._blocks:
            shape = min(BLOCK, self.size[0] - block * BLOCK), self.size[1]
            sums = np.zeros((*shape, classes), np.float32)
            self._blocks[block] = sums, np.zeros(shape, np.float32)
        return self._blocks[block]


def _blocks(top: int, bottom: int) -> list[tuple[int, slice, slice]]:
    """Which rows `top .. bottom` are: blocks, rows in them, the same in the image."""
    found = []
    for block in range(top // BLOCK, -(-bottom // BLOCK)):
        first = block * BLOCK
        rows = slice(max(top, first), min(bottom, first + BLOCK))
        found.append((block, slice(rows.start - first, rows.stop - first), rows))
    return found
