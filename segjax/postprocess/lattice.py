"""The permutohedral lattice: Gaussian filters of points in a few dimensions, quickly.

A value at a point is spread over the corners of the simplex that the point lies in,
blurred along the lattice's axes, and read back at the points. What is built here, once
an image, are the corners of each point, their weights and the neighbours of corners;
`mean_field` filters with them.

Source: Adams, Baek and Davis 2010, Fast high-dimensional filtering using the
permutohedral lattice; Kraehenbuehl and Koltun 2011, arXiv 1210.5644 (its use and their
choice of scales).
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

from segjax.core.errors import UserError
from segjax.core.shapes import Float, Float32, Int32, Integer

TILE = 2048
"""Points that are treated at a time, so that all about them stays in the caches."""

Features = Callable[[np.ndarray], np.ndarray]
"""Numbers of points -> their places, `(d, n)` float32 from 0 up; sigma is 1."""


@dataclasses.dataclass(frozen=True, eq=False)
class Lattice:
    """Where points lie; a point has `E = d + 1` corners.

    Attributes:
      corners: of each tile of points the corners, from 0; 0 where no point is. There
        are more tiles than points fill, by `rounded`.
      weights: their weights, which add up to 1 for each point; 0 where none is.
      beside: per axis the two neighbours of each corner; `size` where there is none.
    """

    corners: Int32[np.ndarray, "tiles E T"]
    weights: Float32[np.ndarray, "tiles E T"]
    beside: Int32[np.ndarray, "E 2 size"]

    @property
    def size(self) -> int:
        """The number of corners."""
        return self.beside.shape[2]


def build(features: Features, count: int, extent: Sequence[float]) -> Lattice:
    """The lattice of `count` points, whose `d` features are from 0 to `extent`.

    Raises:
      UserError: the extent is so large that corners cannot be numbered.
    """
    d, tiles = len(extent), rounded(-(-count // TILE))
    numbers, keys = _Numbers(extent), np.empty(count, np.int64)
    weights = np.zeros((tiles, d + 1, TILE), np.float32)
    for i, start in enumerate(range(0, count, TILE)):
        points = np.arange(start, min(start + TILE, count))
        places, ranks, weight = _simplex(features(points))
        keys[points] = numbers.simplex(places, ranks)
        weights[i, :, : len(points)] = weight
    first, simplex = _distinct(keys)
    places, ranks, _ = _simplex(features(first))
    found = [numbers.corner(places, ranks, r) for r in range(d + 1)]
    sorted_, own = _sorted(np.concatenate(found))
    corners = np.zeros((tiles, d + 1, TILE), np.int32)
    for i, start in enumerate(range(0, count, TILE)):
        tile = simplex[start : start + TILE]
        corners[i, :, : len(tile)] = own.reshape(d + 1, -1)[:, tile]
    return Lattice(corners, weights, numbers.beside(sorted_))


def rounded(size: int) -> int:
    """The next power of two, or one and a half times one: a few for all sizes."""
    power = 1 << (size - 1).bit_length()
    return 3 * power // 4 if power > 2 and 3 * power // 4 >= size else power


def _simplex(
    points: Float32[np.ndarray, "d n"],
) -> tuple[
    Float32[np.ndarray, "E n"], Integer[np.ndarray, "E n"], Float32[np.ndarray, "E n"]
]:
    """The simplex of each point: its corner of remainder 0, ranks, and weights.

    Points are lifted into the plane of `d + 1` coordinates that add up to 0. The corner
    is given in steps of `d + 1`; the rank of a coordinate is how many are farther from
    it. Corner `r` of the simplex has weight `r`.
    """
    d, n = points.shape
    scale = _scale(d)
    lifted = np.empty((d + 1, n), np.float32)
    total = np.zeros(n, np.float32)
    for j in range(d, 0, -1):
        scaled = points[j - 1] * np.float32(scale[j - 1])
        lifted[j] = total - j * scaled
        total += scaled
    lifted[0] = total
    places = np.rint(lifted / np.float32(d + 1))
    off = places.sum(0).astype(np.int8)
    lifted -= (d + 1) * places
    ranks = np.zeros((d + 1, n), np.int8)
    for i in range(d):
        for j in range(i + 1, d + 1):
            less = lifted[i] < lifted[j]
            ranks[i] += less
            ranks[j] += ~less
    ranks += off
    turn = (ranks < 0).astype(np.int8) - (ranks > d)
    ranks += (d + 1) * turn
    places += turn
    lifted -= (d + 1) * turn
    _sort(lifted)
    lifted /= d + 1
    weights = np.empty_like(lifted)
    weights[0] = 1 + lifted[0] - lifted[d]
    weights[1:] = lifted[1:] - lifted[:-1]
    return places, ranks, weights


def _scale(d: int) -> Float[np.ndarray, "d"]:
    """Of the axes, such that spreading, blurring and reading back have a sigma of 1."""
    axis = np.arange(1, d + 1)
    return 1 / np.sqrt(axis * (axis + 1)) * np.float32(np.sqrt(2 / 3) * (d + 1))


def _sort(rows: np.ndarray) -> None:
    """Sort each column, in place, by exchanges of whole rows."""
    for last in range(len(rows) - 1, 0, -1):
        for i in range(last):
            low = np.minimum(rows[i], rows[i + 1])
            np.maximum(rows[i], rows[i + 1], out=rows[i + 1])
            rows[i] = low


class _Numbers:
    """Simplices and corners as integers, of which their coordinates are the digits."""

    def __init__(self, extent: Sequence[float]):
        self.d = d = len(extent)
        reach = _scale(d) * np.asarray(extent, np.float64)
        beyond = [*np.cumsum(reach[::-1])[::-1], 0.0]
        places = [(-i * reach[i - 1] if i else 0.0, beyond[i]) for i in range(d)]
        low, high = np.rint(np.array(places).T / (d + 1))
        self.low = low.astype(np.int64) - 2
        spans = [int(n) for n in high - low + 5]
        if math.prod(spans) * (d + 1) ** d >= 2**63:
            raise UserError(
                "the widths are too small for so large an image: the lattice has more "
                "corners than can be numbered. Raise them."
            )
        self.simplices = math.prod(spans)
        self.steps = [math.prod(spans[:i]) for i in range(d)]
        self.corners = [(d + 1) ** i * step for i, step in enumerate(self.steps)]

    def simplex(self, places: np.ndarray, ranks: np.ndarray) -> np.ndarray:
        """A number that is no other simplex's."""
        order = np.zeros(places.shape[1], np.int32)
        for i in range(self.d):
            order = order * (self.d + 1) + ranks[i]
        key = order * np.int64(self.simplices)
        for i in range(self.d):
            key += (places[i].astype(np.int64) - self.low[i]) * self.steps[i]
        return key

    def corner(self, places: np.ndarray, ranks: np.ndarray, r: int) -> np.ndarray:
        """A number that is no other corner's, of corner `r` of each simplex."""
        key = np.zeros(places.shape[1], np.int64)
        for i in range(self.d):
            digit = (self.d + 1) * (places[i].astype(np.int64) - self.low[i]) + r
            key += (digit - (self.d + 1) * (ranks[i] > self.d - r)) * self.corners[i]
        return key

    def beside(self, corners: np.ndarray) -> np.ndarray:
        """The places of the neighbours among the sorted `corners`, `(E, 2, size)`."""
        found = np.empty((self.d + 1, 2, len(corners)), np.int32)
        for j in range(self.d + 1):
            step = (self.d + 1) * self.corners[j] if j < self.d else 0
            step = step - sum(self.corners)
            for side, wanted in enumerate((corners + step, corners - step)):
                at = np.searchsorted(corners, wanted)
                at[at == len(corners)] = 0
                found[j, side] = np.where(corners[at] == wanted, at, len(corners))
        return found


def _sorted(
    keys: Integer[np.ndarray, "n"],
) -> tuple[Integer[np.ndarray, "m"], Int32[np.ndarray, "n"]]:
    """`np.unique` with the inverse, quicker where many keys are equal."""
    first, number = _distinct(keys)
    order = np.argsort(keys[first])
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return keys[first][order], rank[number]


def _distinct(
    keys: Integer[np.ndarray, "n"],
) -> tuple[Integer[np.ndarray, "m"], Int32[np.ndarray, "n"]]:
    """Of equal keys one, by its place; and of each key the number of its equal.

    By a hash table that is filled in rounds: whoever writes last owns a place, and keys
    that find another one there go on to the next round. Quicker than sorting.
    """
    n = len(keys)
    bits = min(max(n - 1, 1).bit_length(), 20)
    table = np.empty(2**bits, np.int32)
    owner = np.empty(n, np.int32)
    rest, factor = np.arange(n, dtype=np.int32), 0x9E3779B97F4A7C15
    while len(rest):
        own = keys[rest]
        slots = (own.astype(np.uint64) * np.uint64(factor)) >> np.uint64(64 - bits)
        table[slots] = rest
        there = table[slots]
        same = keys[there] == own
        owner[rest[same]] = there[same]
        rest = rest[~same]
        factor = (factor * 0xD1342543DE82EF95 + 2) % 2**64
    first = np.flatnonzero(owner == np.arange(n))
    number = np.empty(n, np.int32)
    number[first] = np.arange(len(first), dtype=np.int32)
    return first, number[owner]
