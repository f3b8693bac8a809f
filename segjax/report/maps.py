"""What was predicted of a picture as files: label maps, colours, probabilities."""

import errno
import io
import itertools
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Real, UInt8

from segjax.core.errors import EnvironmentFault, UserError
from segjax.core.info import DatasetInfo
from segjax.report import colour, png


def write_ids(
    ids: UInt8[np.ndarray, "H W"], info: DatasetInfo, path: Path, text: str = ""
) -> None:
    """Class ids as a palette picture: its 8-bit indices are the ids.

    The palette is the class table, so a viewer shows the classes in their colours.

    Args:
      ids: the classes.
      info: the class table.
      path: the PNG file; this and the others are either whole or not there.
      text: kept in the file, see `png.encode`.

    Raises:
      UserError: the name of the file is none that the disk takes.
      EnvironmentFault: the disk refuses. Both as all functions here.
    """
    write(png.encode(ids, info.palette(), text), path)


def write_colours(ids: UInt8[np.ndarray, "H W"], info: DatasetInfo, path: Path) -> None:
    """Each pixel in the RGB colour of its class."""
    write(png.encode(colour.colourise(ids, info)), path)


def write_overlay(
    image: Real[np.ndarray, "H W C"],
    ids: UInt8[np.ndarray, "H W"],
    info: DatasetInfo,
    path: Path,
) -> None:
    """The image tinted by class."""
    write(png.encode(colour.overlay(image, ids, info)), path)


def write_confidence(confidence: UInt8[np.ndarray, "H W"], path: Path) -> None:
    """Grey, 0 to 255 for the probability 0 to 1 of the class that was written."""
    write(png.encode(confidence), path)


def confidence(
    ids: UInt8[np.ndarray, "H W"], probabilities: Float[np.ndarray, "H W K"]
) -> UInt8[np.ndarray, "H W"]:
    """The network's probability of each pixel's class, in 255ths."""
    own = np.take_along_axis(probabilities, ids[..., None].astype(np.intp), axis=2)
    return np.round(255 * own[..., 0]).astype(np.uint8)


def write_instances(
    ids: UInt8[np.ndarray, "H W"], things: Sequence[int], path: Path
) -> None:
    """Objects numbered from 1, 16-bit grey; 0 is what is no object.

    An object is a connected region, see `postprocess.instances`, by 8-connectivity.

    Args:
      ids: the classes.
      things: the classes whose objects are told apart.
      path: the PNG file.

    Raises:
      UserError: there are more than 65,535.
    """
    from segjax.postprocess import instances

    numbers, objects = instances.separate(ids, things, connectivity=8, split=False)
    if len(objects) > np.iinfo(np.uint16).max:
        raise UserError(
            f"{path}: would have {len(objects)} objects, and 16 bits count to 65,535. "
            "Name fewer --things, or remove specks by --postprocess."
        )
    write(png.encode(numbers.astype(np.uint16)), path)


def write_probabilities(
    probabilities: Float[np.ndarray, "H W K"], info: DatasetInfo, path: Path
) -> None:
    """An `.npz` with `probabilities` `(H, W, K)` float16 and `class_names` `(K,)`.

    float16 holds a probability to 0.0005, in half the bytes. It is not compressed, as
    that would take longer than the network and save a third.
    """
    buffer = io.BytesIO()
    np.savez(
        buffer,
        probabilities=probabilities.astype(np.float16),
        class_names=np.array(info.class_names),
    )
    write(buffer.getvalue(), path)


def write(content: bytes, path: Path) -> None:
    """Put a file there that is either whole or not there."""
    temporary = hidden(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        raise refused(path, error) from error
    finally:
        discard(temporary)


def hidden(path: Path) -> Path:
    """Where a file or folder is made before it is moved to its place."""
    return path.with_name(f".segjax-{os.getpid()}-{next(_NUMBERS)}{path.suffix}")


def discard(temporary: Path) -> None:
    """Remove a file that may not be there, of a name that may be none."""
    try:
        temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.errno not in _NO_NAME:
            raise refused(temporary, error) from error


def refused(path: Path, error: OSError) -> UserError | EnvironmentFault:
    """The error for a file that cannot be written: its name's fault, or the disk's."""
    if error.errno in _NO_NAME:
        return UserError(
            f"{path}: cannot be written ({error.strerror}); give the picture a "
            "shorter, plainer name."
        )
    return EnvironmentFault(
        f"{path}: cannot be written ({error.strerror}); the files that are there are "
        "whole. Make room, and go on with the same command and --skip-existing."
    )


_NUMBERS = itertools.count()
_NO_NAME = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)
