"""Label maps as polygons along the edges of pixels: nothing is lost either way.

The pixel in row `r` and column `c` is the square from `(c, r)` to `(c + 1, r + 1)`, x
to the right and y down, so `(0, 0)` is the outer corner of the picture and the middle
of the first pixel is `(0.5, 0.5)`. The polygons of all classes tile the picture: the
middle of a pixel is inside of one polygon, which is of its class, and areas are numbers
of pixels.

A region is what hangs together by the sides of pixels (4-connectivity), so its outline
is one ring, which touches itself nowhere, and its holes are the others. Lines through
the middles of pixels, as of contour finders, would leave gaps between classes and cut
the corners of all that is small.
"""

import dataclasses
from collections.abc import Iterator

import cv2
import numpy as np
from jaxtyping import Integer, UInt8

Ring = Integer[np.ndarray, "_ 2"]
"""Corners `(x, y)` in order, the first not repeated; what it bounds lies to the right.

On the screen an outline so runs clockwise and a hole counterclockwise; taken as
numbers, the area by the shoelace formula is positive for an outline and negative for a
hole.
"""


@dataclasses.dataclass(frozen=True)
class Region:
    """Pixels of one class that hang together.

    Attributes:
      class_id: of its pixels.
      label: its number in the map of `regions`.
      area: number of its pixels.
      rings: the outline, then the holes.
    """

    class_id: int
    label: int
    area: int
    rings: tuple[Ring, ...]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Least x and y, greatest x and y, of the edges of its pixels."""
        low, high = self.rings[0].min(0), self.rings[0].max(0)
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def regions(
    ids: UInt8[np.ndarray, "H W"],
) -> tuple[list[Region], Integer[np.ndarray, "H W"]]:
    """The regions of a label map, from the top down.

    Returns:
      The regions, and the map of the numbers of their pixels, from 1 on.
    """
    from skimage import measure  # half a second, which few calls need

    labels = measure.label(ids, connectivity=1, background=-1)
    areas = np.bincount(labels.ravel())[1:].tolist()
    classes = np.zeros(len(areas) + 1, np.uint8)
    classes[labels] = ids
    rings: list[list[np.ndarray]] = [[] for _ in areas]
    for label, ring in _rings(labels):
        rings[label - 1].append(ring)  # the outline comes before its holes
    every = zip(classes[1:].tolist(), areas, rings, strict=True)
    found = [Region(k, n, area, tuple(r)) for n, (k, area, r) in enumerate(every, 1)]
    return found, labels


def simplified(ring: Ring, pixels: float | int) -> Ring:
    """A ring with fewer corners, none further than `pixels` from the line before.

    What would have no area any more stays as it was. Neighbours are simplified apart
    from each other, so they may come to overlap or to leave gaps.

    Source: Douglas & Peucker, Algorithms for the reduction of the number of points,
      1973, as OpenCV's `approxPolyDP`.
    """
    if not pixels:
        return ring
    few = cv2.approxPolyDP(ring.astype(np.int32)[:, None], float(pixels), True)[:, 0]
    return few if len(few) > 2 and abs(_area(few)) > 0 else ring


def _rings(labels: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The closed lines about regions, each with the number of the one to its right.

    They come in the order of their first corners from the top, so that of a region's
    lines the outline is the first.
    """
    width = labels.shape[1] + 1
    keys, owners = _edges(labels)
    following = _following(keys, owners, width)
    turns = keys % 4 != keys[following] % 4  # at the end of the edge
    ahead = following
    while not (arrived := turns[ahead]).all():  # straight on by doubling
        ahead = np.where(arrived, ahead, ahead[ahead])
    corners = np.flatnonzero(turns)
    order, lengths = _cycles(np.searchsorted(corners, ahead[corners]).tolist())
    edges = corners[order]
    ends = _ends(keys[edges], width)
    xy = np.stack([ends % width, ends // width], axis=1)
    stops = np.cumsum(lengths).tolist()
    starts = [0, *stops[:-1]]
    own = owners[edges[starts]].tolist()
    for start, stop, owner in zip(starts, stops, own, strict=True):
        yield owner, xy[start:stop]


def _edges(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sides of pixels between regions, along which their own pixel lies right.

    Returns:
      For each its key, `4 * vertex + direction`, sorted, where directions are right,
      down, left, up and the vertex is where it begins; and the number of its region.
    """
    W = labels.shape[1]
    padded = np.pad(labels, 1)
    own = padded[1:-1, 1:-1]
    sides = (
        (own != padded[:-2, 1:-1], 0, 0),  # the upper side runs right
        (own != padded[1:-1, 2:], 1, 1),  # the right one down, from the next vertex
        (own != padded[2:, 1:-1], W + 2, 2),  # the lower one left
        (own != padded[1:-1, :-2], W + 1, 3),  # the left one up
    )
    keys, owners = [], []
    for differs, start, direction in sides:
        rows, columns = np.nonzero(differs)
        keys.append(4 * (rows * (W + 1) + columns + start) + direction)
        owners.append(own[rows, columns])
    keys, owners = np.concatenate(keys), np.concatenate(owners)
    order = np.argsort(keys)
    return keys[order], owners[order]


def _ends(keys: np.ndarray, width: int) -> np.ndarray:
    """The vertex where each edge ends."""
    return keys // 4 + np.array([1, width, -1, -width])[keys % 4]


def _following(keys: np.ndarray, owners: np.ndarray, width: int) -> np.ndarray:
    """For each edge the next one about its region.

    Where two pixels of one region meet at a corner alone, the line turns left, over to
    the other pixel: so it comes through no vertex twice.
    """
    ends, found = _ends(keys, width), np.full(len(keys), -1)
    for turn in (1, 0, 3):  # right, straight, left: the last one that exists stands
        wanted = 4 * ends + (keys + turn) % 4
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        there = (keys[at] == wanted) & (owners[at] == owners)
        found[there] = at[there]
    return found


def _cycles(following: list[int]) -> tuple[list[int], list[int]]:
    """The cycles of a permutation, each from its least number on, and their lengths."""
    seen, order, lengths = bytearray(len(following)), [], []
    for start in range(len(following)):
        if seen[start]:
            continue
        here, before = start, len(order)
        while not seen[here]:
            seen[here] = 1
            order.append(here)
            here = following[here]
        lengths.append(len(order) - before)
    return order, lengths


def _area(ring: np.ndarray) -> float:
    """Signed, by the shoelace formula."""
    x, y = ring.T.astype(np.int64)
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
