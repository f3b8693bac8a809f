"""Label maps as colours: arrays in, arrays out."""

import cv2
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
    return np.take(info.palette(), label, axis=0)  # several times as quick as [label]


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
    image, colours = shown(image), colourise(label, info)
    tinted = cv2.addWeighted(image, 1 - alpha, colours, alpha, 0)
    line = contours(label)
    light = (colours[line].astype(np.float32) + 255) / 2  # dark classes show too
    below = image[line].astype(np.float32)
    strong = min(1.0, alpha + 0.35)
    tinted[line] = np.round(below + strong * (light - below)).astype(np.uint8)
    return tinted


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
