"""GeoJSON of label maps, in pixels and on the map."""

import json

import numpy as np
import pytest

from segjax.core.info import DatasetInfo
from segjax.data.geotiff import Place
from segjax.report import geojson, polygons

INFO = DatasetInfo("drawn", ("water", "land"), ((0, 0, 255), (10, 128, 3)))
IDS = np.zeros((6, 8), np.uint8)
IDS[1:5, 2:7] = 1
IDS[2:4, 3:5] = 0
NORTH_UP = Place(32633, ((10.0, 0.0, 500000.0), (0.0, -10.0, 5400000.0)))


def read(**options):
    regions, labels = polygons.regions(IDS)
    sure = np.where(IDS == 1, 255, 102).astype(np.uint8)
    means = geojson.means(regions, labels, sure)
    return json.loads(geojson.collection(regions, INFO, means=means, **options))


def signed(line) -> float:
    x, y = np.array(line[:-1], float).T
    return (x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def test_in_pixels():
    whole = read(pixel_size=2.0)
    assert whole["type"] == "FeatureCollection" and "crs" not in whole
    assert whole["coordinates"] == geojson.PIXELS
    land = whole["features"][1]
    assert land["properties"] == {
        "class_id": 1,
        "name": "land",
        "colour": "#0a8003",
        "area": 16,
        "square_metres": 64.0,
        "confidence": 1.0,
    }
    outline, hole = land["geometry"]["coordinates"]
    assert outline[0] == outline[-1] and hole[0] == hole[-1]
    assert {tuple(p) for p in outline} == {(2, 1), (7, 1), (7, 5), (2, 5)}
    assert {tuple(p) for p in hole} == {(3, 2), (5, 2), (5, 4), (3, 4)}
    water = [f["properties"] for f in whole["features"] if f is not land]
    assert [(w["area"], w["confidence"]) for w in water] == [(28, 0.4), (4, 0.4)]


@pytest.mark.parametrize("place", [None, NORTH_UP])
def test_outlines_run_counterclockwise_and_holes_clockwise(place):
    for feature in read(place=place)["features"]:
        outline, *holes = feature["geometry"]["coordinates"]
        assert signed(outline) > 0 and all(signed(hole) < 0 for hole in holes)


def test_on_the_map():
    whole = read(place=NORTH_UP)
    assert whole["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::32633"
    assert "coordinates" not in whole
    outline, _ = whole["features"][1]["geometry"]["coordinates"]
    east, north = np.array(outline).T
    assert (east.min(), east.max()) == (500020, 500070)
    assert (north.min(), north.max()) == (5399950, 5399990)
    assert signed(outline) == 20 * 10 * 10
