"""Regions as GeoJSON: a feature each, in pixels or on the map.

Coordinates are pixels as `report.polygons` counts them, x right and y **down**,
`(0, 0)` the outer corner of the top left pixel; the collection says so. With a place on
the map they are coordinates of its reference system, which the member `crs` names, as
GDAL and QGIS read it.

Source: Butler et al., The GeoJSON Format, RFC 7946, 2016; its draft of 2008 for `crs`,
  which the standard left out in favour of degrees of longitude and latitude alone.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Integer, UInt8

from segjax.core.info import DatasetInfo
from segjax.data.geotiff import Place
from segjax.report.polygons import Region, simplified

PIXELS = "pixels: x right, y down, (0, 0) the outer corner of the top left pixel"


def collection(
    regions: Sequence[Region],
    info: DatasetInfo,
    *,
    means: Sequence[float] | None = None,
    place: Place | None = None,
    simplify: float | int = 0,
    pixel_size: float | int | None = None,
) -> bytes:
    """A FeatureCollection with a Polygon for each region.

    Args:
      regions: of a picture.
      info: the class table.
      means: mean confidence of each region, if it is known.
      place: of the picture on the map, if that is known.
      simplify: see `polygons.simplified`.
      pixel_size: metres; adds areas in square metres.
    """
    features = []
    for i, region in enumerate(regions):
        red, green, blue = info.class_colours[region.class_id]
        properties = {
            "class_id": region.class_id,
            "name": info.class_names[region.class_id],
            "colour": f"#{red:02x}{green:02x}{blue:02x}",
            "area": region.area,
        }
        if pixel_size is not None:
            properties["square_metres"] = region.area * pixel_size**2
        if means is not None:
            properties["confidence"] = round(means[i], 4)
        lines = [_line(simplified(r, simplify), place) for r in region.rings]
        geometry = {"type": "Polygon", "coordinates": lines}
        features.append(
            {"type": "Feature", "properties": properties, "geometry": geometry}
        )
    whole: dict[str, Any] = {"type": "FeatureCollection"}
    if place is None:
        whole["coordinates"] = PIXELS
    else:
        name = f"urn:ogc:def:crs:EPSG::{place.epsg}"
        whole["crs"] = {"type": "name", "properties": {"name": name}}
    whole["features"] = features
    return json.dumps(whole, separators=(",", ":")).encode()


def means(
    regions: Sequence[Region],
    labels: Integer[np.ndarray, "H W"],
    confidence: UInt8[np.ndarray, "H W"],
) -> list[float]:
    """The mean confidence of each region, 0 to 1."""
    sums = np.bincount(labels.ravel(), confidence.ravel(), len(regions) + 1)[1:]
    areas = np.array([region.area for region in regions])
    return (sums / (255 * areas)).tolist()


def _line(ring: np.ndarray, place: Place | None) -> list[list[int | float]]:
    """A closed line; an outline runs counterclockwise by its numbers, as is asked."""
    if place is not None:
        (a, b, _), (c, d, _) = place.matrix
        ring = place.mapped(ring)[:: 1 if a * d - b * c > 0 else -1]
    return [*ring.tolist(), ring[0].tolist()]
