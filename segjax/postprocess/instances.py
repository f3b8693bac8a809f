"""Objects of one class told apart: an approximation, as the network knows no objects.

Each connected region of a class counts as one object, so objects that touch are one,
and one that is seen in two parts is two. `split` cuts regions at their necks.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy

from segjax.core.shapes import Bool, Int32, Integer, UInt8
from segjax.postprocess import regions
from segjax.postprocess.regions import Connectivity
from segjax.postprocess.step import Ids

NECK = 0.75
"""Width of a neck at which objects are cut, in widths of the narrower part."""


@dataclasses.dataclass(frozen=True)
class Instance:
    """One object.

    Attributes:
      number: its value in the instance map, from 1.
      class_id: its class.
      area: its pixels.
      box: top, left, bottom and right; the last two just outside.
    """

    number: int
    class_id: int
    area: int
    box: tuple[int, int, int, int]


def separate(
    ids: Ids,
    classes: Sequence[int],
    connectivity: Connectivity = 8,
    split: bool = False,
) -> tuple[Integer[np.ndarray, "H W"], tuple[Instance, ...]]:
    """Tell the objects of some classes apart.

    Args:
      ids: the class map.
      classes: the countable ones; pixels of others are 0 in the result.
      connectivity: 4 or 8, whether pixels that share but a corner hang together.
      split: cut a region where its neck is narrower than `NECK` of the narrower of the
        two parts that it joins: objects that touch come apart, and so do, wrongly,
        parts of one object that has a neck.

    Returns:
      The instance map, uint16, or int32 where there are more than 65,535 objects; and
      the objects, in the order of their numbers: by class, then as they are read.
    """
    found = regions.find(ids, connectivity, classes)
    labels, class_ids = found.labels + 1, found.classes.tolist()
    if split:
        _split(labels, class_ids, connectivity)
    numbers, class_ids = _in_order(labels, np.asarray(class_ids, np.uint8))
    areas = np.bincount(numbers.ravel())
    table = tuple(
        Instance(
            number=i,
            class_id=int(class_ids[i - 1]),
            area=int(areas[i]),
            box=(rows.start, columns.start, rows.stop, columns.stop),
        )
        for i, (rows, columns) in enumerate(scipy.ndimage.find_objects(numbers), 1)
    )
    dtype = np.uint16 if len(table) <= np.iinfo(np.uint16).max else np.int32
    return numbers.astype(dtype), table


def _in_order(
    labels: Int32[np.ndarray, "H W"], class_ids: UInt8[np.ndarray, "R"]
) -> tuple[Int32[np.ndarray, "H W"], UInt8[np.ndarray, "R"]]:
    """Labels from 1 up, renumbered by class and then by first pixel."""
    there = np.flatnonzero(labels)
    each, first = np.unique(labels.ravel()[there], return_index=True)
    order = np.lexsort((first, class_ids[each - 1]))
    numbers = np.zeros(len(each) + 1, np.int32)
    numbers[each[order]] = np.arange(1, len(each) + 1)
    return numbers[labels], class_ids[order]


def _split(
    labels: Int32[np.ndarray, "H W"], class_ids: list[int], connectivity: Connectivity
) -> None:
    """Give the parts of regions labels and classes of their own, in place."""
    height, width = labels.shape
    for i, (rows, columns) in enumerate(scipy.ndimage.find_objects(labels), 1):
        box = (
            slice(max(rows.start - 1, 0), min(rows.stop + 1, height)),
            slice(max(columns.start - 1, 0), min(columns.stop + 1, width)),
        )
        own = labels[box]
        for part in _parts(own == i, connectivity)[1:]:
            class_ids.append(class_ids[i - 1])
            own[part] = len(class_ids)


def _parts(
    mask: Bool[np.ndarray, "H W"], connectivity: Connectivity
) -> list[Bool[np.ndarray, "H W"]]:
    """A region in the parts that necks join.

    The depth of a pixel is its distance to the outside. The pixels that lead up to one
    top are a basin, and basins are merged from the highest pass down, unless the pass
    is below `NECK` of the lower top.

    Source: Meyer 1994, Topographic distance and watershed lines; Grimaud 1992, A new
    measure of contrast: the dynamics.
    """
    if mask.all():
        return [mask]  # there is no outside
    depth = scipy.ndimage.distance_transform_edt(mask)
    basins = _uphill(depth)
    tops, basins = np.unique(basins[mask], return_inverse=True)
    heights = depth.ravel()[tops]
    place = np.full(mask.shape, -1)
    place[mask] = basins
    pairs = []
    for here, there in regions.neighbours(connectivity):
        meet = (place[here] != place[there]) & mask[here] & mask[there]
        height = np.minimum(depth[here], depth[there])[meet]
        pairs.append(np.stack([-height, place[here][meet], place[there][meet]]))
    upper = list(range(len(tops)))

    def top(basin: int) -> int:
        while upper[basin] != basin:
            basin = upper[basin]
        return basin

    for height, a, b in np.unique(np.concatenate(pairs, axis=1), axis=1).T:
        low, high = sorted((top(int(a)), top(int(b))), key=heights.__getitem__)
        if low != high and -height > NECK * heights[low]:
            upper[low] = high
    merged = np.array([top(basin) for basin in range(len(tops))])
    place[mask] = merged[basins]
    return [place == k for k in np.unique(merged)]


def _uphill(depth: np.ndarray) -> np.ndarray:
    """Of each pixel the top, as its place in the flat map, to which it leads.

    A pixel leads to the deepest of its eight neighbours if that is deeper, the first
    one in the order of reading where several are.
    """
    height, width = depth.shape
    padded = np.pad(depth, 1)
    best, leads = depth.copy(), np.arange(depth.size).reshape(depth.shape)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            there = padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
            rows, columns = np.nonzero(there > best)
            best[rows, columns] = there[rows, columns]
            leads[rows, columns] = (rows + dy) * width + columns + dx
    leads = leads.ravel()
    while not np.array_equal(further := leads[leads], leads):
        leads = further
    return leads.reshape(depth.shape)
