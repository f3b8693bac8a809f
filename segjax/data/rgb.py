"""Picture files as 8-bit RGB, by Pillow alone; what `decode` does where nothing else is
declared, and what an exported model does where segjax is not installed.
"""

import io
import struct
from typing import Any

import numpy as np
from PIL import Image

from segjax.core.errors import UserError
from segjax.core.shapes import UInt8

ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF's number -> the turn that makes the picture upright."""

_ORIENTATION_TAG = 0x0112


def decode(content: bytes, where: str) -> UInt8[np.ndarray, "H W 3"]:
    """The picture in the bytes of a file, upright; the rules are those of `decode.py`.

    Raises:
      UserError: it is no picture, is too large, is damaged or holds floats.
    """
    image = open_picture(io.BytesIO(content), where)
    turn = None if turned(image) else ORIENTATIONS.get(orientation(image))
    load_pixels(image, where)
    if turn is not None:
        image = image.transpose(turn)
    if image.mode.startswith("I"):
        return _from_16_bit(np.asarray(image), where)
    if image.mode == "F":
        raise UserError(
            f"{where}: holds floating-point pixels; 8-bit and 16-bit pictures are "
            "read. Save it as 8-bit RGB, or declare it: config.data.channels=1 and "
            "config.data.depth='float32'."
        )
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return np.array(image.convert("RGB"), np.uint8)


def open_picture(stream: io.BytesIO | io.BufferedReader, where: str) -> Image.Image:
    """The head of a picture.

    Raises:
      UserError: it is no picture, has no pixels, or too many.
    """
    try:
        image = Image.open(stream)
    except Image.DecompressionBombError as error:
        raise UserError(
            f"{where}: {error} The limit guards memory; scale the picture down."
        ) from None
    except Exception:  # what a damaged file raises depends on the format
        stream.seek(0)
        raise UserError(
            f"{where}: is not a picture that can be read (it starts "
            f"{stream.read(8)!r}); PNG, JPEG, TIFF, GIF, WebP, BMP and PNM are."
        ) from None
    if not all(image.size):
        raise UserError(f"{where}: has no pixels (size {image.size}).")
    return image


def load_pixels(image: Image.Image, where: str) -> None:
    """Decode the pixels of a picture.

    Raises:
      UserError: the file is damaged.
    """
    try:
        image.load()
    except Exception as error:  # what a damaged file raises depends on the format
        raise UserError(
            f"{where}: is damaged ({error}); copy the file again or leave it out."
        ) from None


def turned(image: Image.Image) -> bool:
    """Whether Pillow turns a picture upright by itself, as it does a TIFF."""
    return image.format == "TIFF"


def orientation(image: Image.Image) -> int:
    """EXIF's 1..8; 1 where there is none or it is nonsense."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # Pillow would decode all pixels to look behind them
    try:
        value: Any = image.getexif().get(_ORIENTATION_TAG, 1)
    except (OSError, SyntaxError, ValueError, KeyError, struct.error):
        return 1
    return value if value in ORIENTATIONS else 1


def _from_16_bit(grey: np.ndarray, where: str) -> UInt8[np.ndarray, "H W 3"]:
    low, high = int(grey.min()), int(grey.max())
    if low < 0 or high > 65535:
        raise UserError(
            f"{where}: holds grey values from {low} to {high}; 0 to 65535 are read. "
            "Save it as 8-bit RGB."
        )
    eight = np.round(grey.astype(np.float32) / 257).astype(np.uint8)
    return np.repeat(eight[..., None], 3, axis=2)
