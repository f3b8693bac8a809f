"""Images whose pixels say their class, so that geometry can be held to the labels."""

import numpy as np

from segjax.core.keys import IMAGE, INDEX, LABEL
from segjax.core.pixels import RGB, Pixels

OTHERS = {
    Pixels(1, "uint8"): ([20], [220]),
    Pixels(1, "uint16"): ([900], [60_000]),
    Pixels(5, "float32"): ([-3, 0, 5, 1e3, 2], [-1, 9, 7, 5e3, 2.5]),
}
"""Pixels that are no 8-bit RGB -> a pixel of class 0 and one of class 1."""


def blobs(seed: int, height: int = 45, width: int = 64) -> np.ndarray:
    """A two-class map of large smooth shapes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = sum(
        np.sin(x * a + y * b + c)
        for a, b, c in zip(
            rng.uniform(-0.3, 0.3, 3),
            rng.uniform(-0.3, 0.3, 3),
            rng.uniform(0, 6, 3),
            strict=True,
        )
    )
    return (waves > 0).astype(np.uint8)


def painted(label: np.ndarray, pixels: Pixels = RGB) -> np.ndarray:
    """Class 0 dark, class 1 bright."""
    colours = OTHERS.get(pixels, ([20, 30, 40], [220, 200, 210]))
    return np.array(colours, pixels.depth)[label]


def example(seed: int = 0, pixels: Pixels = RGB) -> dict:
    label = blobs(seed)
    return {IMAGE: painted(label, pixels), LABEL: label, INDEX: np.int64(7)}
