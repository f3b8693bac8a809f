"""One image file: what its content is, and small copies to compare it by.

A file is read and decoded once, or, where pixels are not asked for, its head alone.
"""

import dataclasses
import io
import math
import os
import zlib

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from segjax.core.errors import UserError
from segjax.core.pixels import RGB, Pixels
from segjax.data import decode, stored
from segjax.data.audit.findings import Finding
from segjax.data.display import shown
from segjax.data.source import content_hash

SMALL = 64
"""Side of the grey copy that near-duplicates are compared by."""

GRID = 160
"""Side of the grid on which the edges of images and masks are compared."""

LEVELS = 4
"""Ranks of edges that are kept apart; more find no more exchanged masks."""

_SAME = {"JPEG": "MPO", "PNG": "APNG"}
"""Formats that share a suffix."""


@dataclasses.dataclass(frozen=True)
class Packed:
    """A square of bytes, compressed until it is asked for, as all pairs are kept."""

    content: bytes

    @classmethod
    def of(cls, array: UInt8[np.ndarray, "G G"]) -> "Packed":
        """The array, packed."""
        return cls(zlib.compress(array.tobytes(), 1))

    def array(self) -> UInt8[np.ndarray, "G G"]:
        """The array that was packed."""
        flat = np.frombuffer(zlib.decompress(self.content), np.uint8)
        return flat.reshape(math.isqrt(flat.size), -1)


@dataclasses.dataclass(frozen=True)
class ImageLook:
    """What an image file holds.

    Attributes:
      sha256: of the bytes, in hex.
      size: `(height, width)` of the upright picture.
      orientation: EXIF's 1..8; 1 also where the tag is invalid.
      grey: the upright picture on a small grid; None without pixels.
      edges: how strong the edge at each point of a grid is, as its rank in the
        picture, 0 (weakest) to 255 in `LEVELS` steps; None without pixels.
    """

    sha256: str
    size: tuple[int, int]
    orientation: int
    grey: UInt8[np.ndarray, "SMALL SMALL"] | None
    edges: Packed | None


def look_at_image(
    path: str, where: str, held: Pixels = RGB, pixels: bool = True
) -> tuple[ImageLook | None, list[Finding]]:
    """What the file holds, None if it is no picture, and what is wrong with it.

    Args:
      path: the file.
      where: what messages call it.
      held: what its data set declares of its pixels.
      pixels: whether they are decoded; else its head alone is read.
    """
    if held != RGB:
        return _look_at_stored(path, where, held, pixels)
    head, problem = read_head(path, where) if pixels else _open_head(path, where)
    if head is None:
        return None, [problem]
    content, image = head
    with image:
        findings = [*suffix_problems(path, where, image), *_orientation(where, image)]
        findings += _mode(where, image)
        tag = raw_orientation(image)
    orientation = tag if tag in range(1, 9) else 1
    size, array = image.size if orientation >= 5 else image.size[::-1], None
    if pixels or image.mode == "F":
        try:
            array = decode.decode_image(content or decode.read_bytes(path), where)
        except UserError as error:
            kind = "image_mode" if image.mode == "F" else "damaged"
            text = error.problems[0]
            return None, [*findings, Finding(kind, (where,), text, "refuse")]
    return _look(path, size, orientation, array), findings


def _look_at_stored(path: str, where: str, held: Pixels, pixels: bool):
    """The same of an image that is declared to be another than 8-bit RGB."""
    try:
        content = decode.read_bytes(path, where)
    except UserError as error:
        return None, [_unread(path, where, error)]
    try:
        size, orientation = decode.read_size(path, where)
        array = shown(decode.decode_image(content, where, held)) if pixels else None
    except UserError as error:
        kind = "image_mode" if isinstance(error, stored.Undeclared) else "damaged"
        return None, [Finding(kind, (where,), error.problems[0], "refuse")]
    return _look(path, size, orientation, array), []


def _look(path: str, size, orientation: int, array: np.ndarray | None) -> ImageLook:
    if array is None:
        return ImageLook(content_hash(path), size, orientation, None, None)
    grey = _small(cv2.cvtColor(array, cv2.COLOR_RGB2GRAY), SMALL)
    ranks = edge_ranks(_small(array, GRID)) / 255 * (LEVELS - 1)
    edges = Packed.of((np.round(ranks) * (255 / (LEVELS - 1))).astype(np.uint8))
    return ImageLook(content_hash(path), array.shape[:2], orientation, grey, edges)


def read_head(path: str, where: str):
    """`((bytes, opened picture), None)`, or None and what is wrong with the file."""
    try:
        content = decode.read_bytes(path, where)
    except UserError as error:
        return None, _unread(path, where, error)
    try:
        return (content, Image.open(io.BytesIO(content))), None
    except Image.DecompressionBombError as error:
        return None, Finding("unreadable", (where,), f"{where}: {error}")
    except Exception:  # what a damaged file raises depends on the format
        text = f"{where}: is no picture (it starts {content[:8]!r})."
        return None, Finding("not_a_picture", (where,), text)


def _open_head(path: str, where: str):
    """As `read_head`, with no bytes: the picture reads from the file when asked."""
    try:
        decode.read_size(path, where)  # for its refusals
        return (b"", Image.open(path)), None
    except UserError:
        return read_head(path, where)


def _unread(path: str, where: str, error: UserError) -> Finding:
    empty = os.path.isfile(path) and os.path.getsize(path) == 0
    kind = "empty_file" if empty else "unreadable"
    return Finding(kind, (where,), error.problems[0])


def suffix_problems(path: str, where: str, image: Image.Image) -> list[Finding]:
    """Whether the content has the format that the suffix says."""
    suffix = os.path.splitext(path)[1].lower()
    said = Image.registered_extensions().get(suffix)
    if image.format in (said, _SAME.get(said)):
        return []
    text = f"{where}: is a {image.format} file; {suffix or 'no suffix'} says "
    text += f"{said or 'no picture'}."
    return [Finding("wrong_suffix", (where,), text)]


def raw_orientation(image: Image.Image) -> int | None:
    """EXIF's tag as it stands in the head of the file; None where there is none."""
    if image.format == "PNG" and "exif" not in image.info:
        return None
    try:
        return image.getexif().get(0x0112)
    except Exception:  # what a damaged block raises depends on its damage
        return None


def _orientation(where: str, image: Image.Image) -> list[Finding]:
    tag = raw_orientation(image)
    if tag in (None, 1):
        return []
    if tag in range(2, 9):
        text = f"{where}: has EXIF orientation {tag}; it is turned upright."
        return [Finding("orientation", (where,), text)]
    text = f"{where}: has EXIF orientation {tag!r}; 1 to 8 are defined."
    return [Finding("orientation_tag", (where,), text)]


def _mode(where: str, image: Image.Image) -> list[Finding]:
    frames = getattr(image, "n_frames", 1)
    if image.mode.startswith("I"):
        text = "has 16 bits or more; it is scaled to 8"
    elif image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or (
        "transparency" in image.info
    ):
        text = f"is {image.mode} with transparency; alpha is dropped"
    elif image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        text = f"is {image.mode}; it is converted to RGB"
    elif frames > 1 and image.format != "MPO":
        text = f"has {frames} frames; the first is read"
    else:
        return []
    return [Finding("image_mode", (where,), f"{where}: {text}.")]


def _small(array: np.ndarray, side: int) -> np.ndarray:
    """The array on a square grid; the shape of its pixels is not kept."""
    shrinks = min(array.shape[:2]) >= side
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(array, (side, side), interpolation=how)


def edge_ranks(rgb: UInt8[np.ndarray, "G G 3"]) -> UInt8[np.ndarray, "G G"]:
    """The rank of each point by the colour gradient (CIELAB) there, 0 to 255.

    Equal gradients share the mean of their ranks, so that flat ground has one rank.
    """
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    gx, gy = cv2.Sobel(lab, cv2.CV_32F, 1, 0), cv2.Sobel(lab, cv2.CV_32F, 0, 1)
    strength: Float32[np.ndarray, "G G"] = np.sqrt((gx**2 + gy**2).sum(-1))
    _, place, counts = np.unique(strength, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts + 1) / 2) / max(1, strength.size - 1)
    return np.round(255 * ranks[place.reshape(strength.shape)]).astype(np.uint8)
