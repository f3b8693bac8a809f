"""Predicted label maps as PNG files, one picture a file."""

import os
from pathlib import Path

import numpy as np
from jaxtyping import Real, UInt8
from PIL import Image

from segjax.core.errors import EnvironmentFault
from segjax.core.info import DatasetInfo
from segjax.report import colour
from segjax.report.files import not_written


def write_ids(ids: UInt8[np.ndarray, "H W"], info: DatasetInfo, path: Path) -> None:
    """Class ids as a palette picture: its 8-bit indices are the ids.

    The palette is the class table, so a viewer shows the classes in their colours.

    Raises:
      EnvironmentFault: if the disk refuses.
    """
    picture = Image.fromarray(ids)
    picture.putpalette(info.palette().tobytes())
    _save(picture, path)


def write_colours(ids: UInt8[np.ndarray, "H W"], info: DatasetInfo, path: Path) -> None:
    """Each pixel in the RGB colour of its class."""
    _save(Image.fromarray(colour.colourise(ids, info)), path)


def write_overlay(
    image: Real[np.ndarray, "H W C"],
    ids: UInt8[np.ndarray, "H W"],
    info: DatasetInfo,
    path: Path,
) -> None:
    """The image tinted by class."""
    _save(Image.fromarray(colour.overlay(image, ids, info)), path)


def _save(picture: Image.Image, path: Path) -> None:
    """Write a PNG that is either whole or not there."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(temporary, "PNG")
        os.replace(temporary, path)
    except OSError as error:
        raise EnvironmentFault(not_written(path, error)) from error
    finally:
        temporary.unlink(missing_ok=True)
