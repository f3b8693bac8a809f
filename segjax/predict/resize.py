"""Resizing of images by numpy alone, for where an exported model runs without OpenCV.

It gives the bits of `data.ops.geometry.resize` of an image, which OpenCV computes many
times as quickly: sides that shrink by area, sides that grow bilinearly, pixel centres
at half-integers.
"""

import numpy as np

from segjax.core.shapes import Int, Real

FRACTION_BITS = {"uint8": 8, "uint16": 16}
"""Of the weights of a bilinear mean, which is of integers and thus exact."""

LEAST_SHARE = 1e-3
"""Of a pixel's side that a mean by area still takes, as OpenCV does."""


def resize(
    image: Real[np.ndarray, "H W C"], height: int, width: int
) -> Real[np.ndarray, "h w C"]:
    """The image at `(height, width)`, of the same dtype."""
    size = image.shape[:2]
    image = _by_area(image, *map(min, size, (height, width)))
    return _bilinear(image, height, width)


def rescale(
    image: Real[np.ndarray, "*T H W C"], factor: float | int
) -> Real[np.ndarray, "*T h w C"]:
    """An image, or each of a clip, with sides `factor` times as long, at least 1."""
    sides = [max(1, round(factor * side)) for side in image.shape[-3:-1]]
    if image.ndim == 3:
        return resize(image, *sides)
    return np.stack([resize(frame, *sides) for frame in image])


def _by_area(image, height, width):
    """Each new pixel is the mean of the area that it covers."""
    H, W = image.shape[:2]
    if (height, width) == (H, W):
        return image
    if H % height == W % width == 0:
        return _blocks(image, H // height, W // width)
    rows, columns = _shares(H, height), _shares(W, width)
    lines = sum(image[:, at] * share[:, None] for at, share in columns)
    mean = sum(lines[at] * share[:, None, None] for at, share in rows)
    return _stored(mean, image.dtype)


def _blocks(image, rows, columns):
    """The means of blocks of whole pixels, summed in integers where they are."""
    kind = np.float32 if image.dtype.kind == "f" else np.uint32
    parts = (image[i::rows, j::columns] for i in range(rows) for j in range(columns))
    total = sum(part.astype(kind) for part in parts)
    if kind is np.uint32 and rows == columns == 2:  # halves go up, not to the even one
        return ((total + 2) >> 2).astype(image.dtype)
    return _stored(total * np.float32(1 / (rows * columns)), image.dtype)


def _shares(old: int, new: int) -> list[tuple[Int[np.ndarray, "new"], np.ndarray]]:
    """Which old pixels each new one covers, and what share of it each is."""
    scale, covered = old / new, []
    for i in range(new):
        begin, end = i * scale, (i + 1) * scale
        cell = min(scale, old - begin)
        last = min(int(np.floor(end)), old - 1)
        first = min(int(np.ceil(begin)), last)
        row = [(j, 1 / cell) for j in range(first, last)]
        if first - begin > LEAST_SHARE:
            row.insert(0, (first - 1, (first - begin) / cell))
        if end - last > LEAST_SHARE:
            row.append((last, min(end - last, 1, cell) / cell))
        covered.append(row)
    most = max(map(len, covered))
    table = np.zeros((2, most, new))
    for i, row in enumerate(covered):
        table[:, : len(row), i] = np.transpose(row)
    places, shares = table[0].astype(int), table[1].astype(np.float32)
    return list(zip(places, shares, strict=True))


def _bilinear(image, height, width):
    """Each new pixel lies between four old ones; the outermost ones stand twice."""
    if image.shape[:2] == (height, width):
        return image
    bits = FRACTION_BITS.get(image.dtype.name)
    rows, columns = (
        _between(old, new, bits)
        for old, new in zip(image.shape[:2], (height, width), strict=True)
    )
    wide = image.astype(np.float32 if bits is None else np.int64)
    lines = sum(wide[:, at] * share[:, None] for at, share in columns)
    mean = sum(lines[at] * share[:, None, None] for at, share in rows)
    if bits is None:
        return mean
    return ((mean + (1 << 2 * bits - 1)) >> 2 * bits).astype(image.dtype)


def _between(old: int, new: int, bits: int | None):
    """The two old pixels of each new one, and their shares, of integers in `bits`."""
    place = (np.arange(new) + 0.5) * (old / new) - 0.5
    place = np.clip(place, 0, old - 1)
    low = np.floor(place).astype(int)
    share, one = (place - low).astype(np.float32), np.float32(1)
    if bits is not None:
        one = 1 << bits
        share = np.rint((place - low) * one).astype(np.int64)
    return (low, one - share), (np.minimum(low + 1, old - 1), share)


def _stored(mean, dtype):
    return mean if dtype.kind == "f" else np.rint(mean).astype(dtype)
