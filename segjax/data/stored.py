"""Images of any channels and depth, exactly as they are stored; nothing is converted.

What a file holds must be what the data set declares, else it is refused:

=====================  =================================================================
stored as              rule
=====================  =================================================================
`.npy`                 `(H, W, C)`, or `(H, W)` for one channel; no pickled objects
TIFF                   one page; bands as samples, interleaved or one after another
PNG and others         grey, RGB and RGBA of 8 or 16 bits; palettes, grey with alpha,
                       CMYK and animations are refused
three, four channels   RGB, RGBA
EXIF orientation       applied, as for all images
floats                 refused where one is nan or infinite
=====================  =================================================================

OpenCV takes the first band of a TIFF of two for all of it and Pillow opens none of
five, so TIFF is tifffile's; what it has no codec for (LZW) is OpenCV's, up to three
channels.
"""

import io
from typing import Any

import cv2
import numpy as np
import tifffile
from jaxtyping import Real
from PIL import Image

from segjax.core.errors import UserError
from segjax.core.pixels import Pixels

NPY = b"\x93NUMPY"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BANDS = {"L": 1, "I;16": 1, "I;16B": 1, "I": 1, "1": 1, "RGB": 3, "RGBA": 4}
_TURNS = {  # EXIF orientation -> the upright picture
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


class Undeclared(UserError):
    """A file holds other channels or another depth than its data set declares."""


def decode(
    content: bytes, where: str, pixels: Pixels, orientation: int = 1
) -> Real[np.ndarray, "H W C"]:
    """The image in the bytes of a file, of the declared channels and depth.

    Args:
      content: the bytes.
      where: what messages call the file.
      pixels: what it must hold.
      orientation: EXIF's, 1..8.

    Raises:
      UserError: it holds something else, is damaged, or has numbers that are none.
    """
    if content.startswith(NPY):
        image = _from_npy(content, where, pixels)
    elif content[:4] in _TIFF:
        image = _from_tiff(content, where, pixels)
    else:
        image = _from_picture(content, where, pixels)
    if image.dtype.kind == "f" and not (finite := np.isfinite(image)).all():
        number = image.size - np.count_nonzero(finite)
        raise UserError(
            f"{where}: {number} of its {image.size} numbers are nan or infinite; "
            "finite numbers are read. Fill such places before, and mark them as "
            "ignored in the mask."
        )
    image = _TURNS[orientation](image) if orientation in _TURNS else image
    return np.ascontiguousarray(image)


def npy_size(stream: Any) -> tuple[int, int] | None:
    """`(height, width)` from the head of an open `.npy` file; None if it is another.

    The stream is left at the start.
    """
    try:
        if stream.read(len(NPY)) != NPY:
            return None
        stream.seek(0)
        shape = _npy_head(stream)[0]
    except ValueError:
        return None
    finally:
        stream.seek(0)
    return shape[:2] if len(shape) in (2, 3) else None


def tiff_size(stream: Any) -> tuple[tuple[int, int], int] | None:
    """`((height, width) as stored, orientation)` of a TIFF; None if it is none."""
    try:
        if stream.read(4) not in _TIFF:
            return None
        stream.seek(0)
        page = tifffile.TiffFile(stream).pages[0]
        return (page.imagelength, page.imagewidth), _tiff_orientation(page)
    except Exception:  # what a damaged file raises depends on its damage
        return None
    finally:
        stream.seek(0)


def tiff_orientation(content: bytes) -> int:
    """The orientation tag of a TIFF, 1 where there is none."""
    found = tiff_size(io.BytesIO(content))
    return found[1] if found else 1


def is_tiff(content: bytes) -> bool:
    """Whether the bytes start as a TIFF does."""
    return content[:4] in _TIFF


def _npy_head(stream: Any) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(stream)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in read:
        raise ValueError(f"version {version} of the format is not known")
    shape, _, dtype = read[version](stream)
    return shape, dtype


def _from_npy(content: bytes, where: str, pixels: Pixels) -> np.ndarray:
    try:
        shape, dtype = _npy_head(io.BytesIO(content))
        if dtype.hasobject:
            raise UserError(
                f"{where}: holds Python objects, which are never read; save an array "
                "of numbers."
            )
        _refuse_other(where, shape, dtype, pixels)
        image = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, SyntaxError) as error:
        raise _damaged(where, error) from None
    image = image.astype(image.dtype.newbyteorder("="), copy=False)
    return image[..., None] if image.ndim == 2 else image


def _from_tiff(content: bytes, where: str, pixels: Pixels) -> np.ndarray:
    try:
        file = tifffile.TiffFile(io.BytesIO(content))
        page, series = file.pages[0], file.series[0]
        axes, shape, dtype = series.axes, series.shape, series.dtype
        photometric = getattr(page.photometric, "name", str(page.photometric))
    except Exception as error:  # what a damaged file raises depends on its damage
        raise _damaged(where, error) from None
    if axes not in ("YX", "YXS", "SYX"):
        raise UserError(
            f"{where}: holds a stack of shape {shape} (axes {axes}); one page whose "
            "bands are its samples is read. Save it as .npy of shape (H, W, C)."
        )
    if photometric not in ("MINISBLACK", "RGB"):
        raise UserError(
            f"{where}: is a TIFF of the kind {photometric}; MINISBLACK and RGB are "
            "read as they are. Save it as one of these, or as .npy."
        )
    if axes == "SYX":
        shape = (*shape[1:], shape[0])
    _refuse_other(where, shape, dtype, pixels)
    try:
        image = series.asarray()
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise _damaged(where, error) from None
        image = _by_opencv(content, where, page, shape, dtype)
    except Exception as error:
        raise _damaged(where, error) from None
    if axes == "SYX":
        image = image.transpose(1, 2, 0) if image.shape != shape else image
    return image.reshape(*image.shape[:2], pixels.channels)


def _by_opencv(content: bytes, where: str, page: Any, shape, dtype) -> np.ndarray:
    """A compressed TIFF of one or three channels, whose codec tifffile has not."""
    if len(shape) == 2 or shape[2] in (1, 3):
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        if image is not None and (image.size, image.dtype) == (np.prod(shape), dtype):
            image = image.reshape(*image.shape[:2], -1)
            return image[..., ::-1] if image.shape[2] == 3 else image
    raise UserError(
        f"{where}: is compressed by {page.compression.name}, which needs the package "
        "imagecodecs. Install it, or save the file with deflate or no compression."
    )


def _tiff_orientation(page: Any) -> int:
    tag = page.tags.get(274)
    return tag.value if tag is not None and tag.value in _TURNS else 1


def _from_picture(content: bytes, where: str, pixels: Pixels) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as head:
        mode, frames = head.mode, getattr(head, "n_frames", 1)
    if mode not in _BANDS or (frames > 1 and head.format != "MPO"):
        kind = f"a {mode} picture" + f" of {frames} frames" * (frames > 1)
        raise UserError(
            f"{where}: is {kind}; for {pixels}, pictures of modes L, RGB and RGBA are "
            "read as they are stored. Save it as one of these."
        )
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise _damaged(where, "OpenCV cannot decode it")
    image = image.reshape(*image.shape[:2], -1)
    _refuse_other(where, image.shape, image.dtype, pixels)
    if image.shape[2] != _BANDS[mode]:
        raise UserError(
            f"{where}: holds transparency beside its {_BANDS[mode]} channels; it is "
            "not read so. Save it as RGBA or without transparency."
        )
    order = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}.get(image.shape[2])
    return image if order is None else cv2.cvtColor(image, order)


def _refuse_other(where: str, shape, dtype, pixels: Pixels) -> None:
    """A file that holds other channels or numbers than the data set declares."""
    channels = shape[2] if len(shape) == 3 else 1
    if len(shape) not in (2, 3) or not all(shape):
        raise UserError(
            f"{where}: holds an array of shape {tuple(shape)}; (H, W, C) is read. Save "
            "it so."
        )
    kind = np.dtype(dtype).newbyteorder("=")
    if (channels, kind.name) == (pixels.channels, pixels.depth):
        return
    try:
        own = Pixels(channels, kind.name)
        advice = "Declare what it holds: " + " and ".join(
            f"config.data.{key}={mine!r}"
            for key, mine, theirs in (
                ("channels", own.channels, pixels.channels),
                ("depth", own.depth, pixels.depth),
            )
            if mine != theirs
        )
    except UserError:
        advice = "Save it as uint8, uint16 or float32, channels last"
    raise Undeclared(
        f"{where}: holds {channels} channels of {kind.name} ({shape[0]}x{shape[1]}); "
        f"config.data declares {pixels}. {advice}."
    )


def _damaged(where: str, why: Any) -> UserError:
    return UserError(
        f"{where}: is damaged ({why}); copy the file again or leave it out."
    )
