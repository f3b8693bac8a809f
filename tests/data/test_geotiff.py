"""Where GeoTIFFs say that they lie."""

import numpy as np
import pytest
import tifffile

from segjax.core.errors import UserError
from segjax.data import geotiff

SCALE = (33550, "d", 3, (10.0, 20.0, 0.0), True)
TIE = (33922, "d", 6, (2.0, 1.0, 0.0, 500000.0, 5400000.0, 0.0), True)
TURN = (34264, "d", 16, (0, 3, 0, 7, 2, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1), True)


def keys(*rows):
    flat = (1, 1, 0, len(rows), *(n for key, value in rows for n in (key, 0, 1, value)))
    return (34735, "H", len(flat), flat, True)


UTM, DEGREES, POINT = (3072, 32633), (2048, 4326), (1025, 2)


def written(path, *tags, **options):
    tifffile.imwrite(path, np.zeros((4, 5, 3), np.uint8), extratags=tags, **options)
    return path


@pytest.mark.parametrize(
    ("tags", "epsg", "corner", "pixel"),
    [
        ((SCALE, TIE, keys(UTM)), 32633, (499980, 5400020), (10, -20)),
        ((SCALE, TIE, keys(DEGREES)), 4326, (499980, 5400020), (10, -20)),
        ((SCALE, TIE, keys(POINT, UTM)), 32633, (499975, 5400030), (10, -20)),
        ((TURN, keys(UTM)), 32633, (7, 9), (3, 2)),
    ],
)
def test_places(tags, epsg, corner, pixel, tmp_path):
    found = geotiff.place(written(tmp_path / "a.tif", *tags))
    assert found.epsg == epsg
    mapped = found.mapped(np.array([[0, 0], [1, 1]]))
    assert mapped[0] == pytest.approx(corner)
    assert mapped[1] - mapped[0] == pytest.approx(pixel)


def test_the_tie_point_is_where_it_says(tmp_path):
    found = geotiff.place(written(tmp_path / "a.tif", SCALE, TIE, keys(UTM)))
    assert found.mapped(np.array([[2, 1]])).tolist() == [[500000, 5400000]]


@pytest.mark.parametrize(
    "tags",
    [
        (),
        (SCALE, TIE),
        (keys(UTM),),
        (SCALE, keys(UTM)),
        (SCALE, TIE, keys((3072, 32767))),
    ],
)
def test_what_says_too_little_has_none(tags, tmp_path):
    assert geotiff.place(written(tmp_path / "a.tif", *tags)) is None


def test_other_files_have_none(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*\0 and no more")
    (tmp_path / "b.png").write_bytes(b"\x89PNG")
    for name in ("a.tif", "b.png", "missing.tif"):
        assert geotiff.place(tmp_path / name) is None


def test_one_that_is_turned_is_refused(tmp_path):
    turned = (274, "H", 1, 6, True)
    path = written(tmp_path / "a.tif", SCALE, TIE, keys(UTM), turned)
    with pytest.raises(UserError, match="orientation"):
        geotiff.place(path)
