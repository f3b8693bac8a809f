"""Connected regions of a class map: the pixels of one class that hang together."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
import scipy

from segjax.core.shapes import Int32, Int64, UInt8
from segjax.postprocess.step import Ids

Connectivity = Literal[4, 8]
"""Neighbours of a pixel: those that share an edge with it, or a corner, too."""


@dataclasses.dataclass(frozen=True, eq=False)
class Regions:
    """The regions of a map, by class and within it in the order of reading.

    Attributes:
      labels: number of each pixel's region, from 0; -1 where none was looked for.
      classes: of each region its class.
      areas: of each region its pixels.
    """

    labels: Int32[np.ndarray, "H W"]
    classes: UInt8[np.ndarray, "R"]
    areas: Int64[np.ndarray, "R"]


def find(
    ids: Ids, connectivity: Connectivity, classes: Sequence[int] | None = None
) -> Regions:
    """The regions of each class.

    Args:
      ids: the map.
      connectivity: 4 or 8.
      classes: the ones to look for; None for all.
    """
    labels = np.full(ids.shape, -1, np.int32)
    found, square = [], structure(connectivity)
    for k, box in enumerate(scipy.ndimage.find_objects(ids.astype(np.int32) + 1)):
        if box is None or (classes is not None and k not in classes):
            continue
        mask = ids[box] == k
        own, number = scipy.ndimage.label(mask, square)
        np.copyto(labels[box], own + np.int32(len(found) - 1), where=mask)
        found += [k] * number
    areas = np.bincount(labels[labels >= 0], minlength=len(found))
    return Regions(labels, np.asarray(found, np.uint8), areas.astype(np.int64))


def structure(connectivity: Connectivity) -> np.ndarray:
    """The neighbourhood as `scipy.ndimage` takes it, `(3, 3)` bool."""
    return scipy.ndimage.generate_binary_structure(2, {4: 1, 8: 2}[connectivity])


def neighbours(connectivity: Connectivity) -> list[tuple[tuple, tuple]]:
    """Pairs of slices that lay each pixel over a neighbour, each pair of them once."""
    down = np.s_[:-1, :], np.s_[1:, :]
    right = np.s_[:, :-1], np.s_[:, 1:]
    falling = np.s_[:-1, :-1], np.s_[1:, 1:]
    rising = np.s_[1:, :-1], np.s_[:-1, 1:]
    return [down, right] if connectivity == 4 else [down, right, falling, rising]
