"""Picture files -> numpy arrays; the one decoder of training, evaluation and serving.

The format is recognised by content, never by suffix. Where a data set declares other
`Pixels`, an image comes out as it is stored, see `stored`; else it is 8-bit RGB:

====================  ==================================================================
stored as             rule
====================  ==================================================================
grey (8 bit, 1 bit)   the three channels are equal
palette               the colours of the palette
with alpha            alpha is dropped; the stored colour stays, also where transparent
CMYK, YCbCr, LAB      converted by Pillow
grey, 16 bit          divided by 257, so that 65535 becomes 255
RGB, 16 bit           the high byte, as Pillow reads it
float                 refused: the range is not known
EXIF orientation      applied, so the array is as the photograph is displayed; in a PNG
                      only where it stands before the pixels, as it should
animation             the first frame
====================  ==================================================================

A mask keeps its stored numbers: the *indices* of a palette picture, 0 and 1 of a 1-bit
picture, the whole range of a 16-bit one.
"""

import io
import os
import pathlib

import numpy as np
from jaxtyping import Integer, Real, UInt8
from PIL import Image

from segjax.core.errors import EnvironmentFault, SegjaxError, UserError
from segjax.core.pixels import RGB, Pixels
from segjax.data import rgb, stored

_LOSSY = ("JPEG", "MPO")


def read_image(
    path: str | os.PathLike[str], where: str = "", pixels: Pixels = RGB
) -> Real[np.ndarray, "H W C"]:
    """The picture in a file, upright: 8-bit RGB, or the declared pixels as stored.

    Args:
      path: the file.
      where: what messages call the file; its path if empty.
      pixels: what the file must hold; everything that Pillow reads becomes 8-bit RGB.

    Raises:
      UserError: the file is missing, empty, truncated, no picture, too large, or does
        not hold what is declared.
      EnvironmentFault: the disk failed while reading.
    """
    return decode_image(read_bytes(path, where), where or str(path), pixels)


def decode_image(
    content: bytes, where: str, pixels: Pixels = RGB
) -> Real[np.ndarray, "H W C"]:
    """The same for the bytes of a file, for pictures that are not on disk."""
    if pixels != RGB or content.startswith(stored.NPY):
        return stored.decode(content, where, pixels, _turn(content, where))
    return rgb.decode(content, where)


def read_label(
    path: str | os.PathLike[str], where: str = "", lossy: bool = False
) -> Integer[np.ndarray, "H W"]:
    """The stored numbers of a mask, uint8, uint16 or int32.

    Args:
      path: the file.
      where: what messages call the file; its path if empty.
      lossy: accept JPEG, whose numbers are only roughly what was drawn; right for
        masks that are thresholded.

    Raises:
      UserError: as `read_image`, and for pictures that hold colours, not numbers.
    """
    return decode_label(read_bytes(path, where), where or str(path), lossy)


def decode_label(
    content: bytes, where: str, lossy: bool = False
) -> Integer[np.ndarray, "H W"]:
    """The same for the bytes of a file, for masks that are not on disk."""
    image = rgb.open_picture(io.BytesIO(content), where)
    if image.format in _LOSSY and not lossy:
        raise UserError(
            f"{where}: mask is a JPEG, whose compression changes ids; PNG, TIFF and "
            "GIF keep them. Save the masks without loss, or give a `threshold` if "
            "they are black and white."
        )
    if image.mode not in ("1", "L", "P", "I") and not image.mode.startswith("I;16"):
        raise UserError(
            f"{where}: mask is a {image.mode} picture (colours), not a map of ids; "
            "1-bit, grey and palette pictures are read. If each class has its own "
            "colour, use the `folder` data set with by_colour=True and a colour for "
            "each class."
        )
    rgb.load_pixels(image, where)
    if image.mode == "1":
        return np.array(image, np.uint8)
    if image.mode in ("L", "P"):
        return np.array(image)
    return np.array(image).astype(np.int32 if image.mode == "I" else np.uint16)


def read_colour_label(
    path: str | os.PathLike[str], where: str = ""
) -> UInt8[np.ndarray, "H W 3"]:
    """A mask that codes classes as colours, as stored: no turning, no loss allowed."""
    return decode_colour_label(read_bytes(path, where), where or str(path))


def decode_colour_label(content: bytes, where: str) -> UInt8[np.ndarray, "H W 3"]:
    """The same for the bytes of a mask file."""
    image = rgb.open_picture(io.BytesIO(content), where)
    if image.format in _LOSSY:
        raise UserError(
            f"{where}: mask is a JPEG, whose compression changes colours; save it "
            "as PNG."
        )
    rgb.load_pixels(image, where)
    return np.array(image.convert("RGB"), np.uint8)


def read_size(
    path: str | os.PathLike[str], where: str = ""
) -> tuple[tuple[int, int], int]:
    """`((height, width), orientation)` from the head of a file, without its pixels.

    The size is that of the upright picture; `orientation` is EXIF's, 1 = as stored.
    """
    where = where or str(path)
    check_file(path, where)
    try:
        with open(path, "rb") as file:
            if (size := stored.npy_size(file)) is not None:
                return size, 1
            try:
                image = rgb.open_picture(file, where)
                orientation = rgb.orientation(image)
                width, height = image.size
                if rgb.turned(image):
                    return (height, width), orientation
            except UserError:
                file.seek(0)
                if (head := stored.tiff_size(file)) is None:
                    raise
                (height, width), orientation = head  # of bands that Pillow knows not
    except OSError as error:
        raise unreadable(error, where) from error
    return ((width, height) if orientation >= 5 else (height, width)), orientation


def turn_upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """A mask `(H, W)` stored as its photograph is, turned by the photograph's EXIF."""
    if orientation not in rgb.ORIENTATIONS:
        return array
    return np.array(Image.fromarray(array).transpose(rgb.ORIENTATIONS[orientation]))


def read_bytes(path: str | os.PathLike[str], where: str = "") -> bytes:
    """The bytes of a regular file; messages as in `read_image`."""
    where = where or str(path)
    check_file(path, where)
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise unreadable(error, where) from error


def check_file(path: str | os.PathLike[str], where: str) -> None:
    """Refuse what is no regular file, or an empty one; messages as in `read_image`."""
    try:
        is_file = os.path.isfile(path)  # a pipe would block for ever
        empty = is_file and os.stat(path).st_size == 0
    except OSError as error:
        raise unreadable(error, where) from error
    if not is_file:
        what = "is not a file" if os.path.exists(path) else "no such file"
        raise UserError(f"{where}: {what}; give a picture file.")
    if empty:
        raise UserError(f"{where}: is empty (0 bytes); copy the file again.")


def unreadable(error: OSError, where: str) -> SegjaxError:
    """The error for a file that the system does not let read."""
    if isinstance(error, PermissionError):
        return UserError(
            f"{where}: may not be read; check the permissions of the file and its "
            "folders."
        )
    return EnvironmentFault(f"{where}: reading failed ({error}).")


def _turn(content: bytes, where: str) -> int:
    """EXIF's orientation of the bytes of an image file."""
    if content.startswith(stored.NPY):
        return 1
    if stored.is_tiff(content):
        return stored.tiff_orientation(content)
    return rgb.orientation(rgb.open_picture(io.BytesIO(content), where))
