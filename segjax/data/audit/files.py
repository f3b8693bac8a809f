"""One image file: what its content is, and small copies to compare it by.

A file is read and decoded once; what stays is under 80 kB.
"""

import dataclasses
import hashlib
import io
import os

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from segjax.core.errors import UserError
from segjax.core.pixels import RGB, Pixels
from segjax.data import decode, stored
from segjax.data.audit.findings import Finding
from segjax.data.display import shown

SMALL = 64
"""Side of the grey copy that near-duplicates are compared by."""

GRID = 160
"""Side of the grid on which the edges of images and masks are compared."""

_SAME = {"JPEG": "MPO", "PNG": "APNG"}
"""Formats that share a suffix."""


@dataclasses.dataclass(frozen=True)
class ImageLook:
    """What an image file holds.

    Attributes:
      sha256: of the bytes, in hex.
      size: `(height, width)` of the upright picture.
      orientation: EXIF's 1..8; 1 also where the tag is invalid.
      grey: the upright picture on a small grid.
      edges: how strong the edge at each point of a grid is, as its rank in the
        picture, 0 (weakest) to 255.
    """

    sha256: str
    size: tuple[int, int]
    orientation: int
    grey: UInt8[np.ndarray, "SMALL SMALL"]
    edges: UInt8[np.ndarray, "GRID GRID"]


def look_at_image(
    path: str, where: str, pixels: Pixels = RGB
) -> tuple[ImageLook | None, list[Finding]]:
    """What the file holds, None if it is no picture, and what is wrong with it."""
    if pixels != RGB:
        return _look_at_stored(path, where, pixels)
    head, problem = read_head(path, where)
    if head is None:
        return None, [problem]
    content, image = head
    findings = [*suffix_problems(path, where, image), *_orientation(where, image)]
    findings += _mode(where, image)
    try:
        array = decode.decode_image(content, where)
    except UserError as error:
        kind = "image_mode" if image.mode == "F" else "damaged"
        text = error.problems[0]
        return None, [*findings, Finding(kind, (where,), text, "refuse")]
    return _look(content, array, raw_orientation(image)), findings


def _look_at_stored(path: str, where: str, pixels: Pixels):
    """The same of an image that is declared to be another than 8-bit RGB."""
    try:
        content = decode.read_bytes(path, where)
    except UserError as error:
        return None, [_unread(path, where, error)]
    try:
        array = decode.decode_image(content, where, pixels)
        _, orientation = decode.read_size(path, where)
    except UserError as error:
        kind = "image_mode" if isinstance(error, stored.Undeclared) else "damaged"
        return None, [Finding(kind, (where,), error.problems[0], "refuse")]
    return _look(content, shown(array), orientation), []


def _look(content: bytes, array: np.ndarray, orientation: int | None) -> ImageLook:
    return ImageLook(
        sha256=hashlib.sha256(content).hexdigest(),
        size=array.shape[:2],
        orientation=orientation if orientation in range(1, 9) else 1,
        grey=_small(cv2.cvtColor(array, cv2.COLOR_RGB2GRAY), SMALL),
        edges=edge_ranks(_small(array, GRID)),
    )


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
