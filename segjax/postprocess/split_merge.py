"""Regions of like colour, by splitting and merging; each has one class throughout."""

import dataclasses
from typing import ClassVar

import numpy as np
import scipy

from segjax.core.errors import raise_problems
from segjax.core.shapes import Float, Int, Int32, Int64
from segjax.postprocess.regions import neighbours
from segjax.postprocess.step import Ids, Image, OfIds

Labels = Int32[np.ndarray, "H W"]
Sums = Int64[np.ndarray, "_ 7"]
"""Of each region the pixels, the sums of R, G and B and of their squares."""
Edges = Int[np.ndarray, "2 _"]
"""Pairs of regions that touch, each once, the lower number first."""


@dataclasses.dataclass(frozen=True)
class SplitMerge(OfIds):
    """Every region of like colour takes the class that is most frequent in it.

    A region is alike if the standard deviation of each of R, G and B in it is at most
    `tolerance`. The image, as a square of which a part may be empty, is split into
    quarters until every block is alike. Then neighbours are merged whose union is
    alike: of all that can, each region chooses the one whose union deviates least, and
    those that choose each other are merged, all at once, until no union is alike. Last,
    each region of fewer than `min_size` pixels joins the neighbour of the nearest mean
    colour, all at once, until none is so small. Of several classes as frequent the
    lowest is taken.

    Blocks start at the upper left, so a mirrored image may be split otherwise.

    Attributes:
      tolerance: largest standard deviation in a region, in 8-bit values.
      min_size: pixels of the smallest region.

    Source: Horowitz and Pavlidis 1976, Picture segmentation by a tree traversal
    algorithm.
    """

    of_image: ClassVar[bool] = True
    tolerance: float | int
    min_size: int = 16

    def __post_init__(self):
        problems = []
        if not 0 <= self.tolerance < float("inf"):
            problems.append(
                f"tolerance={self.tolerance}: must be 0 or more, and finite."
            )
        if self.min_size < 1:
            problems.append(f"min_size={self.min_size}: must be 1 or more.")
        raise_problems(problems)

    def ids(self, ids: Ids, image: Image | None, num_classes: int) -> Ids:
        """The map with one class in each region."""
        labels = regions(image, self.tolerance, self.min_size)
        at = labels.ravel().astype(np.int64) * num_classes + ids.ravel()
        votes = np.bincount(at, minlength=(labels.max() + 1) * num_classes)
        most = votes.reshape(-1, num_classes).argmax(1).astype(np.uint8)
        return most[labels]


def regions(image: Image, tolerance: float | int, min_size: int) -> Labels:
    """The number of each pixel's region, from 0; regions hang together by edges."""
    labels, sums = _split(image, tolerance)
    edges = _touching(labels)
    owner = np.arange(len(sums))
    while (pairs := _alike(sums, edges, tolerance)).size:
        owner, sums, edges = _merged(owner, sums, edges, pairs)
    while (pairs := _small(sums, edges, min_size)).size:
        owner, sums, edges = _merged(owner, sums, edges, pairs)
    return owner.astype(np.int32)[labels]


def _split(image: Image, tolerance: float | int) -> tuple[Labels, Sums]:
    """Blocks of a quadtree, and their sums."""
    pixels = image.astype(np.int64)
    ones = np.ones((*image.shape[:2], 1), np.int64)
    levels = [np.concatenate([ones, pixels, pixels**2], axis=-1)]
    while levels[-1].shape[:2] != (1, 1):
        levels.append(_quarters_together(levels[-1]))
    labels, sums = np.full((1, 1), -1, np.int32), []
    for level in reversed(levels):
        labels = labels.repeat(2, 0).repeat(2, 1)[: level.shape[0], : level.shape[1]]
        leaf = (labels < 0) & (_deviation(level) <= tolerance**2)
        if level is levels[0]:
            leaf = labels < 0
        first = sum(map(len, sums))
        labels[leaf] = np.arange(first, first + leaf.sum(), dtype=np.int32)
        sums.append(level[leaf])
    return labels, np.concatenate(sums)


def _quarters_together(
    level: Int64[np.ndarray, "H W 7"],
) -> Int64[np.ndarray, "h w 7"]:
    """The sums of blocks of twice the side."""
    height, width, _ = level.shape
    even = np.pad(level, ((0, height % 2), (0, width % 2), (0, 0)))
    rows = even[::2] + even[1::2]
    return rows[:, ::2] + rows[:, 1::2]


def _deviation(sums: Int64[np.ndarray, "*R 7"]) -> Float[np.ndarray, "*R"]:
    """The largest variance of a channel."""
    number = sums[..., :1]
    return ((number * sums[..., 4:] - sums[..., 1:4] ** 2) / number**2).max(-1)


def _touching(labels: Labels) -> Edges:
    pairs = [
        np.stack([labels[one].ravel(), labels[other].ravel()])
        for one, other in neighbours(4)
    ]
    return _once(np.concatenate(pairs, axis=1))


def _once(pairs: Edges) -> Edges:
    """Pairs of different numbers, each once, in their order."""
    low, high = pairs.min(0).astype(np.int64), pairs.max(0)
    keys = np.unique((low << 32 | high)[low != high])
    return np.stack([keys >> 32, keys & (2**32 - 1)])


def _alike(sums: Sums, edges: Edges, tolerance: float | int) -> Edges:
    """Pairs that choose each other, of those whose union is alike."""
    deviation = _deviation(sums[edges[0]] + sums[edges[1]])
    able = deviation <= tolerance**2
    one, other = edges = edges[:, able]
    rank = np.empty(edges.shape[1], np.int64)
    rank[np.argsort(deviation[able], kind="stable")] = np.arange(len(rank))
    best = np.full(len(sums), len(rank))
    np.minimum.at(best, one, rank)
    np.minimum.at(best, other, rank)
    return edges[:, (best[one] == rank) & (best[other] == rank)]


def _small(sums: Sums, edges: Edges, min_size: int) -> Edges:
    """Each small region with the neighbour of the nearest mean colour."""
    both = np.concatenate([edges, edges[::-1]], axis=1)
    here, there = both[:, sums[both[0], 0] < min_size]
    mean = sums[:, 1:4] / sums[:, :1]
    distance = ((mean[here] - mean[there]) ** 2).sum(1)
    order = np.lexsort((there, distance, here))
    _, first = np.unique(here[order], return_index=True)
    return np.stack([here[order], there[order]])[:, first]


def _merged(
    owner: Int[np.ndarray, "B"], sums: Sums, edges: Edges, pairs: Edges
) -> tuple[Int[np.ndarray, "B"], Sums, Edges]:
    """Blocks' regions, sums and edges after pairs have become one."""
    ones = np.ones(pairs.shape[1], bool)
    graph = scipy.sparse.coo_array((ones, tuple(pairs)), (len(sums), len(sums)))
    number, group = scipy.sparse.csgraph.connected_components(graph, directed=False)
    total = np.zeros((number, 7), np.int64)
    np.add.at(total, group, sums)
    return group[owner], total, _once(group[edges])
