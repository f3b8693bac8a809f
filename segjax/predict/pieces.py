"""The pieces of an image that are judged one at a time, and what they are made from."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from segjax.core.keys import IGNORE
from segjax.nn.resample import Taps, interpolation_taps
from segjax.predict.canvas import Canvas
from segjax.predict.decide import Verdict

PIECE = (128, 512)
"""Rows and columns of a piece, at most, of the label and of what it is made from."""


@dataclasses.dataclass
class Look:
    """One look at an image: its windows' logits, and where they lie in the label."""

    image: np.ndarray  # (..., h, w, C)
    mirrored: bool
    canvas: Canvas
    taps: tuple[Taps, Taps]  # of rows and columns, label from logits

    def source(self, axis: int, begin: int, end: int) -> slice:
        """The rows or columns of the logits that those of the label lie between."""
        taps = self.taps[axis]
        return slice(int(taps.low[begin]), int(taps.high[end - 1]) + 1)


@dataclasses.dataclass(frozen=True)
class Piece:
    """A piece of an image, ready to be judged.

    Attributes:
      owner: the image.
      place: rows and columns of the label.
      sources: for each look the logits that the piece is made from, `PIECE` large.
      matrices: for each look the matrices of rows and columns that resize them; None
        where the logits are at the label's size.
      label: `PIECE` large, `IGNORE` beyond the piece.
    """

    owner: "Pieces"
    place: tuple[slice, slice]
    sources: list[np.ndarray]
    matrices: list[tuple[np.ndarray, np.ndarray] | None]
    label: np.ndarray


class Pieces:
    """An image that is cut into pieces as its looks come in, and put together again."""

    def __init__(self, index: int, label: np.ndarray, looks: list[Look]):
        self.index, self.label, self.looks = index, label, looks
        self.ids = np.zeros(label.shape, np.uint8)
        self.sums: dict[str, np.ndarray] = {}
        self.probabilities: np.ndarray | None = None
        self._rows, self._columns = (self._cuts(axis) for axis in (0, 1))
        self._left = len(self._rows) * len(self._columns)

    @property
    def complete(self) -> bool:
        """Whether every piece was judged."""
        return not self._left

    def ready(self) -> Iterator[Piece]:
        """The pieces of the rows that all looks have finished since the last call."""
        while self._rows and self._finished(self._rows[0]):
            rows = self._rows.pop(0)
            for columns in self._columns:
                yield self._cut(rows, columns)
            for look in self.looks:
                next_row = self._rows[0].start if self._rows else rows.stop - 1
                look.canvas.drop(int(look.taps[0].low[next_row]))

    def put(self, piece: Piece, said: Verdict) -> None:
        """What the judge said of a piece: a verdict without its batch."""
        rows, columns = piece.place
        height, width = rows.stop - rows.start, columns.stop - columns.start
        self.ids[piece.place] = said.ids[:height, :width]
        for name, each in said.sums.items():
            self.sums[name] = self.sums.get(name, 0) + each.astype(np.int64)
        if (shares := said.probabilities) is not None:
            if self.probabilities is None:
                shape = (*self.label.shape, shares.shape[-1])
                self.probabilities = np.zeros(shape, np.float32)
            self.probabilities[piece.place] = shares[:height, :width]
        self._left -= 1

    def _cuts(self, axis: int) -> list[slice]:
        """The label's rows or columns in runs that are `PIECE` long at most.

        What each look has of a run is no longer either; a resized pixel lies between
        two, so a run has one pixel at least.
        """
        side, longest, cuts, begin = self.label.shape[axis], PIECE[axis], [], 0
        while begin < side:
            end = min(begin + longest, side)
            for look in self.looks:
                high, first = look.taps[axis].high, look.source(axis, begin, end).start
                end = min(end, int(np.searchsorted(high, first + longest)))
            cuts.append(slice(begin, end))
            begin = end
        return cuts

    def _finished(self, rows: slice) -> bool:
        ends = (look.source(0, rows.start, rows.stop).stop for look in self.looks)
        return all(
            end <= look.canvas.done for end, look in zip(ends, self.looks, strict=True)
        )

    def _cut(self, rows: slice, columns: slice) -> Piece:
        sources, matrices = [], []
        for look in self.looks:
            source, matrix = _source(look, rows, columns, self.label.shape)
            sources.append(source)
            matrices.append(matrix)
        label = np.full(PIECE, IGNORE, np.uint8)
        own = self.label[rows, columns]
        label[: own.shape[0], : own.shape[1]] = own
        return Piece(self, (rows, columns), sources, matrices, label)


def taps(size: tuple[int, int], label: tuple[int, int]) -> tuple[Taps, Taps]:
    """Where the rows and columns of a label lie among those of logits of a `size`."""
    rows, columns = map(interpolation_taps, size, label)
    return rows, columns


def _source(look: Look, rows: slice, columns: slice, label: tuple[int, int]):
    """A look's logits for a piece, upright, and their matrices if there is a need."""
    picked = [
        look.source(axis, cut.start, cut.stop)
        for axis, cut in enumerate((rows, columns))
    ]
    there, width = picked[1], picked[1].stop - picked[1].start
    if look.mirrored:
        side = look.canvas.size[1]
        there = slice(side - there.stop, side - there.start)
    source = look.canvas.read(picked[0], there, *PIECE)
    if look.mirrored:
        source[:, :width] = source[:, :width][:, ::-1].copy()
    if look.canvas.size == label:
        return source, None
    return source, tuple(
        look.taps[axis].matrix(
            cut.start, cut.stop, picked[axis].start, PIECE[axis], PIECE[axis]
        )
        for axis, cut in enumerate((rows, columns))
    )
