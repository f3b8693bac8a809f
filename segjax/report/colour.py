"""Label maps as colours: arrays in, arrays out."""

import numpy as np
from jaxtyping import Integer, Real, UInt8

from segjax.core.info import IGNORE_COLOUR, DatasetInfo
from segjax.core.keys import IGNORE
from segjax.data.display import shown

CORRECT = (70, 84, 76)
WRONG = (238, 64, 44)
"""Dark grey-green and bright red: they differ in lightness, not in hue alone."""


def colourise(
    label: Integer[np.ndarray, "H W"], info: DatasetInfo
) -> UInt8[np.ndarray, "H W 3"]:
    """Each pixel in the colour of its class; ignored pixels black."""
    return info.palette()[label]


def overlay(
    image: Real[np.ndarray, "H W C"],
    label: Integer[np.ndarray, "H W"],
    info: DatasetInfo,
    alpha: float = 0.45,
) -> UInt8[np.ndarray, "H W 3"]:
    """The image tinted by class, with a thin, light line along each border.

    Args:
      image: of any channels and depth, see `shown`.
      label: class ids; ignored pixels show the image darkened.
      info: the class table.
      alpha: weight of the colour, 0 (the image alone) to 1 (the colours alone).
    """
    image = shown(image)
    colours = colourise(label, info).astype(np.float32)
    line = contours(label)[..., None]
    colours = np.where(line, (colours + 255) / 2, colours)  # dark classes show too
    weight = np.where(line, min(1.0, alpha + 0.35), alpha).astype(np.float32)
    return np.round(image + weight * (colours - image)).astype(np.uint8)


def error_map(
    truth: Integer[np.ndarray, "H W"], prediction: Integer[np.ndarray, "H W"]
) -> UInt8[np.ndarray, "H W 3"]:
    """Wrong pixels red, correct ones dim grey-green, ignored ones black."""
    table = np.array([WRONG, CORRECT, IGNORE_COLOUR], np.uint8)
    return table[np.where(truth == IGNORE, 2, (truth == prediction).astype(np.intp))]


def contours(label: Integer[np.ndarray, "H W"]) -> np.ndarray:
    """`(H, W)` bool: pixels whose right or lower neighbour has another id."""
    edge = np.zeros(label.shape, bool)
    edge[:, :-1] |= label[:, :-1] != label[:, 1:]
    edge[:-1, :] |= label[:-1, :] != label[1:, :]
    return edge
