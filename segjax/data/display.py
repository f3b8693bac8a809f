"""Images of any channels and depth as 8-bit RGB, for a person to look at."""

import numpy as np

from segjax.core.shapes import Real, UInt8

PERCENTILES = (1, 99)
"""Of each channel, shown as black and as full."""


def shown(image: Real[np.ndarray, "H W C"]) -> UInt8[np.ndarray, "H W 3"]:
    """The image as 8-bit RGB.

    One channel and two show the first as grey, more show the first three as red, green
    and blue. 8 bits stay as they are. Of 16 bits and floats each channel is stretched
    by itself, image by image: its 1st percentile becomes 0 and its 99th 255. So colours
    and brightness can be compared within a picture, not between two.
    """
    first = image[..., :3] if image.shape[-1] >= 3 else image[..., :1]
    if first.dtype != np.uint8:
        first = _stretched(first.astype(np.float32))
    return np.ascontiguousarray(np.broadcast_to(first, (*first.shape[:2], 3)))


def _stretched(image: np.ndarray) -> UInt8[np.ndarray, "H W C"]:
    low, high = np.percentile(image, PERCENTILES, axis=(0, 1))
    span = np.where(high > low, high - low, 1)
    return np.round(255 * np.clip((image - low) / span, 0, 1)).astype(np.uint8)
