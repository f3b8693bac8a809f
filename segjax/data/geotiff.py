"""Where the pixels of a GeoTIFF lie on the map.

Source: OGC 19-008r4, GeoTIFF Standard 1.1, 2019, sections 7.1 and 8 (tags and keys).
"""

import dataclasses
import os

import numpy as np
import tifffile
from jaxtyping import Float, Real

from segjax.core.errors import UserError
from segjax.data import stored

_SCALE, _TIEPOINTS, _TRANSFORMATION, _KEYS = 33550, 33922, 34264, 34735
_RASTER, _GEOGRAPHIC, _PROJECTED = 1025, 2048, 3072
_POINT = 2
_EPSG = range(1024, 32767)


@dataclasses.dataclass(frozen=True)
class Place:
    """Of a picture on the map.

    Attributes:
      epsg: number of the coordinate reference system.
      matrix: `(2, 3)`: map coordinates are `matrix @ (x, y, 1)` of those of a pixel's
        corner, x right and y down, `(0, 0)` the outer corner of the picture.
    """

    epsg: int
    matrix: tuple[tuple[float, float, float], tuple[float, float, float]]

    def mapped(self, xy: Real[np.ndarray, "N 2"]) -> Float[np.ndarray, "N 2"]:
        """Map coordinates, in the order of the axes x (east) and y (north)."""
        matrix = np.array(self.matrix)
        return xy @ matrix[:, :2].T + matrix[:, 2]


def place(path: str | os.PathLike[str]) -> Place | None:
    """Where the file says that its first picture lies; None if it does not say.

    It does if it has an EPSG number and either a transformation or one tie point and
    a scale.

    Args:
      path: a file of any kind that can be read.

    Raises:
      UserError: it says so and has an EXIF orientation, too, which of the two pictures
        lies there is then not known.
    """
    try:
        with open(path, "rb") as file:
            if not stored.is_tiff(file.read(4)):
                return None
            file.seek(0)
            tags = tifffile.TiffFile(file).pages[0].tags
            found = {t: tags[t].value for t in (*_NUMBERS, _KEYS) if t in tags}
            turned = 274 in tags and tags[274].value != 1
    except Exception:  # what a damaged file raises depends on its damage
        return None
    keys = _keys(found.get(_KEYS, ()))
    epsg = keys.get(_PROJECTED) or keys.get(_GEOGRAPHIC)
    matrix = _matrix(*(found.get(t, ()) for t in _NUMBERS))
    if epsg not in _EPSG or matrix is None:
        return None
    if turned:
        raise UserError(
            f"{path}: has a place on the map and an orientation other than upright; "
            "one of them is read. Save the picture upright."
        )
    if keys.get(_RASTER) == _POINT:  # the tie is to a pixel's middle
        matrix[:, 2] -= matrix[:, :2] @ (0.5, 0.5)
    return Place(epsg, tuple(tuple(row) for row in matrix.tolist()))


_NUMBERS = (_TRANSFORMATION, _SCALE, _TIEPOINTS)


def _keys(directory: tuple[int, ...]) -> dict[int, int]:
    """The keys whose values are short numbers, from their directory."""
    rows = [directory[i : i + 4] for i in range(4, len(directory) - 3, 4)]
    return {key: value for key, location, _, value in rows if location == 0}


def _matrix(transformation, scale, ties) -> np.ndarray | None:
    if len(transformation) == 16:
        whole = np.array(transformation, float).reshape(4, 4)
        return whole[:2, [0, 1, 3]]
    if len(scale) == 3 and len(ties) == 6:
        (column, row, _, x, y, _), (dx, dy, _) = ties, scale
        return np.array([[dx, 0, x - column * dx], [0, -dy, y + row * dy]])
    return None
