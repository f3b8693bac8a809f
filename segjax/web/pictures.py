"""From the bytes of a stranger to pixels, by the decoder of `data.decode`.

Only run by `decoder`, in a process that may not open a file. The format is found by
content, and the size read from the head before any pixel is decoded.
"""

import io
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
from PIL import Image

from segjax.core.errors import SegjaxError
from segjax.core.pixels import RGB, Pixels
from segjax.data import decode, stored
from segjax.web.formats import EXACT, FORMATS, MASKS
from segjax.web.limits import Limits
from segjax.web.refused import Refused

MOST_CHUNKS = 10_000
"""Of a PNG, and segments of a JPEG before its pixels; Pillow reads each in Python."""

MOST_SCANS = 64
"""Of a JPEG; each goes over all of its pixels."""

_OPENED = ("PNG", "JPEG", "MPO", "WEBP", "TIFF")


def prepare() -> None:
    """Load all code that pictures need, as none can be loaded later, and let Pillow
    know no other format."""
    cv2.setNumThreads(1)
    warnings.simplefilter("ignore")  # of Pillow, about pictures; sizes are refused here
    Image.init()
    Image.ID[:] = [name for name in Image.ID if name in _OPENED]
    noise = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("PNG", "JPEG", "WEBP", "TIFF"):
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, kind, exif=exif)
        decode.decode_image(buffer.getvalue(), kind)
        stored.decode(buffer.getvalue(), kind, RGB)
    buffer = io.BytesIO()
    np.save(buffer, noise)
    stored.decode(buffer.getvalue(), "npy", RGB)
    _smaller(noise, 16)


def picture(content: bytes, pixels: Pixels, limits: Limits) -> tuple[dict, list[bytes]]:
    """A picture, upright, and no larger than a network is to see.

    Args:
      content: the file.
      pixels: that the model takes.
      limits: of sizes.

    Returns:
      `height` and `width` of the picture, and `shape` and `dtype` of the array in the
      blob.

    Raises:
      Refused: it is no such picture, or too large.
    """
    image = _image(content, pixels, limits)
    height, width = image.shape[:2]
    image = _smaller(image, limits.network_pixels)
    header = {
        "height": height,
        "width": width,
        "shape": list(image.shape),
        "dtype": image.dtype.name,
    }
    return header, [image.tobytes()]


def plain(content: bytes, pixels: Pixels, limits: Limits) -> tuple[dict, list[bytes]]:
    """A picture encoded anew, so that nothing but its pixels is left.

    Returns:
      `suffix` of the file in the blob: `.png` of 8-bit RGB, else `.npy`.

    Raises:
      Refused: it is no such picture, or too large.
    """
    image, buffer = _image(content, pixels, limits), io.BytesIO()
    if pixels == RGB:
        Image.fromarray(image).save(buffer, "PNG", compress_level=1)
        return {"suffix": ".png"}, [buffer.getvalue()]
    np.save(buffer, image)
    return {"suffix": ".npy"}, [buffer.getvalue()]


def reference(content: bytes, limits: Limits) -> tuple[dict, list[bytes]]:
    """A mask of ids up to 255.

    Returns:
      As `picture`; the array in the blob is `(H, W)` uint8.

    Raises:
      Refused: it is none, or too large.
    """
    _refuse_format(content, MASKS, "The reference mask", "bad_reference")
    _refuse_pieces(content)
    _refuse_size(content, limits, "The reference mask")
    try:
        ids = _decoded(lambda: decode.decode_label(content, "the reference"))
    except Refused as refused:
        raise Refused("bad_reference", refused.message) from None
    if ids.min() < 0 or ids.max() > 255:
        raise Refused(
            "bad_reference",
            f"The reference mask has ids from {ids.min()} to {ids.max()}; ids are "
            "below 255, and 255 is ignored.",
        )
    header = {"height": ids.shape[0], "width": ids.shape[1]}
    return header, [ids.astype(np.uint8).tobytes()]


def difference(one: bytes, other: bytes) -> tuple[dict, list[bytes]]:
    """Where two maps of ids, grey PNG files of a worker, disagree.

    Returns:
      `agreement`, the share of pixels, and in the blob a PNG of 0 for agreement and 1.

    Raises:
      Refused: they are of two sizes.
    """
    a, b = (np.asarray(Image.open(io.BytesIO(png))) for png in (one, other))
    if a.shape != b.shape:
        raise Refused("internal", "Two answers to one picture are of two sizes.")
    unlike, buffer = (a != b).astype(np.uint8), io.BytesIO()
    Image.fromarray(unlike).save(buffer, "PNG", compress_level=4)
    return {"agreement": float(1 - unlike.mean())}, [buffer.getvalue()]


def _image(content: bytes, pixels: Pixels, limits: Limits) -> np.ndarray:
    formats = FORMATS if pixels == RGB else EXACT
    _refuse_format(content, formats, "The picture")
    _refuse_pieces(content)
    _refuse_size(content, limits, "The picture")
    return _decoded(lambda: decode.decode_image(content, "the picture", pixels), pixels)


def _decoded(run: Callable[[], np.ndarray], pixels: Pixels = RGB) -> np.ndarray:
    try:
        return run()
    except stored.Undeclared as error:
        what = _words(error).partition(";")[0]
        text = f"{what}; the model takes {pixels}."
        raise Refused("other_pixels", text) from None
    except SegjaxError as error:
        if isinstance(error.__context__, MemoryError):
            raise MemoryError from None
        raise Refused("damaged", _words(error)) from None
    except MemoryError:
        raise
    except Exception as error:  # whatever a damaged file raises
        kind = type(error).__name__
        raise Refused("damaged", f"The file is damaged ({kind}).") from None


def _refuse_format(
    content: bytes, formats: Mapping[str, Any], what: str, code: str = "other_format"
) -> None:
    if not content.startswith(tuple(b for begins in formats.values() for b in begins)):
        known = ", ".join(formats)
        raise Refused(code, f"{what} is in no format that is read here: {known}.")


def _refuse_pieces(content: bytes) -> None:
    """Raises:
    Refused: it is made of so many pieces that to look at each takes too long.
    """
    if content.startswith(FORMATS["PNG"]):
        number, place = 0, 8
        while place < len(content) and number <= MOST_CHUNKS:
            place += 12 + int.from_bytes(content[place : place + 4])
            number += 1
    elif content.startswith(FORMATS["JPEG"]):
        number, place = 0, 2
        while content[place : place + 1] == b"\xff" and number <= MOST_CHUNKS:
            if content[place + 1 : place + 2] == b"\xda":
                break
            place += 2 + int.from_bytes(content[place + 2 : place + 4])
            number += 1
        if content.count(b"\xff\xda") > MOST_SCANS:
            number = MOST_CHUNKS + 1
    else:
        return
    if number > MOST_CHUNKS:
        raise Refused("too_costly", "The file is made of too many pieces.")


def _refuse_size(content: bytes, limits: Limits, what: str) -> None:
    """By the head of the file alone."""
    stream = io.BytesIO(content)
    try:
        size = stored.npy_size(stream)
        if size is None and stored.is_tiff(content):
            found = stored.tiff_size(stream)
            size = found and found[0]
        elif size is None:
            with Image.open(stream) as head:
                size = head.size[::-1]
    except Image.DecompressionBombError:
        size = (limits.side + 1, limits.side + 1)
    except MemoryError:
        raise
    except Exception:  # whatever a damaged file raises
        size = None
    if not size or min(size) < 1:
        raise Refused("damaged", f"{what} is damaged: its head tells no size.")
    height, width = size
    if height * width > limits.pixels or max(size) > limits.side:
        raise Refused(
            "too_many_pixels",
            f"{what} has more pixels than are read here: {limits.pixels / 1e6:g} "
            f"million, and {limits.side} along a side. Scale it down.",
        )


def _smaller(image: np.ndarray, most: int) -> np.ndarray:
    """The image by area at so many pixels; the same if it has no more."""
    height, width = image.shape[:2]
    if height * width <= most:
        return image
    factor = (most / (height * width)) ** 0.5
    size = max(1, int(width * factor)), max(1, int(height * factor))
    planes = [
        cv2.resize(image[..., i : i + 4], size, interpolation=cv2.INTER_AREA)
        for i in range(0, image.shape[2], 4)
    ]
    return np.dstack(planes)


def _words(error: SegjaxError) -> str:
    """Its message, short, in letters that cannot harm."""
    text = "".join(c if c.isprintable() else "?" for c in str(error))
    return text[:1].upper() + text[1:300]
