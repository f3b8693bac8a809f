"""Edges of classes, and distances to them; ignored pixels take part in nothing."""

import cv2
import numpy as np
from jaxtyping import Bool, Float64

Mask = Bool[np.ndarray, "H W"]

_CROSS = np.asarray([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


def edge(mask: Mask, valid: Mask) -> Mask:
    """The valid pixels of `mask` that touch a valid pixel outside it, by a side.

    The rim of the image is no edge, and neither is that of an ignored area: the object
    may go on there.
    """
    outside = (valid & ~mask).astype(np.uint8)
    return mask & valid & cv2.dilate(outside, _CROSS).astype(bool)


def band(mask: Mask, valid: Mask, distance: int) -> Mask:
    """The valid pixels of `mask` within `distance` of what is not of it.

    Distance is the larger of the two along rows and columns. Beyond the image all is
    outside; an ignored area is not.
    """
    side = 2 * distance + 1
    inner = cv2.erode(
        (mask | ~valid).astype(np.uint8),
        np.ones((side, side), np.uint8),
        borderType=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    return mask & valid & ~inner.astype(bool)


def distances(points: Mask, to: Mask) -> Float64[np.ndarray, "P"]:
    """Of each of `points`, in the order of rows, the distance to the nearest of `to`.

    In pixels, between centres; both must have some. OpenCV's float32 may differ in its
    last digit from call to call; their squares are integers, so the nearest are taken
    (exact up to 2,000 pixels).
    """
    rows, columns = (_extent(points | to, axis) for axis in (1, 0))
    points, to = points[rows, columns], to[rows, columns]
    field = cv2.distanceTransform(
        (~to).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )
    return np.sqrt(np.rint(field[points].astype(np.float64) ** 2))


def in_pixels(tolerance: float | int, shape: tuple[int, int]) -> float:
    """A tolerance, below 1 a share of the image's diagonal, in pixels."""
    return float(tolerance if tolerance >= 1 else tolerance * np.hypot(*shape))


def _extent(mask: np.ndarray, axis: int) -> slice:
    """From the first to the last row or column with something."""
    there = np.flatnonzero(mask.any(axis))
    return slice(there[0], there[-1] + 1)
