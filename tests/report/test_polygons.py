"""Polygons of label maps: drawn again they are the map, whatever its shape."""

import numpy as np
import pytest
from matplotlib.path import Path

from segjax.report import polygons

RING = """
#########
#.......#
#.#####.#
#.#...#.#
#.#.#.#.#
#.#...#.#
#.#####.#
#.......#
#########
"""
MAPS = {
    "one pixel": "#",
    "a row": "##.#.",
    "a column": "#\n#\n.\n#",
    "a cross of single pixels": ".#.\n#.#\n.#.",
    "two that meet at a corner": "#.\n.#",
    "a bridge about a corner": "##.\n#.#\n###",
    "holes in holes": RING.strip(),
    "a hole that touches the outside": "####\n#..#\n##.#\n.###",
}


def drawn(text: str) -> np.ndarray:
    return np.array(
        [[".#".index(c) for c in line] for line in text.split("\n")]
    ).astype(np.uint8)


def raster(regions, shape) -> np.ndarray:
    """The map that polygons tell, by matplotlib; each pixel's middle in just one."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    middles = np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5], axis=1)
    ids, times = np.full(shape, 255), np.zeros(shape, int)
    for region in regions:
        inside = np.zeros(len(middles), bool)
        for ring in region.rings:
            inside ^= Path(np.vstack([ring, ring[:1]])).contains_points(middles)
        inside = inside.reshape(shape)
        assert inside.sum() == region.area
        ids[inside] = region.class_id
        times += inside
    assert (times == 1).all()
    return ids


def area(ring) -> float:
    x, y = np.asarray(ring, float).T
    return (x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def check(ids: np.ndarray) -> list[polygons.Region]:
    regions, labels = polygons.regions(ids)
    assert np.array_equal(raster(regions, ids.shape), ids)
    for region in regions:
        mine = labels == region.label
        assert (ids[mine] == region.class_id).all() and mine.sum() == region.area
        outline, *holes = region.rings
        assert area(outline) > 0 and all(area(hole) < 0 for hole in holes)
        assert sum(map(area, region.rings)) == region.area
        rows, columns = np.nonzero(mine)
        box = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        assert region.box == box
        for ring in region.rings:  # it touches itself nowhere, and turns at each corner
            assert len({tuple(corner) for corner in ring.tolist()}) == len(ring)
            steps = np.diff(np.vstack([ring, ring[:1]]), axis=0)
            assert ((steps == 0).sum(1) == 1).all()
            assert ((steps != 0) != (np.roll(steps, 1, 0) != 0)).all()
    return regions


@pytest.mark.parametrize("text", MAPS.values(), ids=MAPS)
def test_drawn_again_a_map_is_the_same(text):
    check(drawn(text))


@pytest.mark.parametrize("seed", range(60))
def test_so_is_any_map(seed):
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 16, 2)
    check(rng.integers(0, rng.integers(1, 5), size).astype(np.uint8))


def test_a_large_region_is_one():
    ids = np.zeros((70, 90), np.uint8)
    ids[10:60, 20:80] = 7
    ids[30:40, 30:40] = 3
    found = {(r.class_id, r.area, len(r.rings)) for r in check(ids)}
    assert found == {(0, 6300 - 3000, 2), (7, 2900, 2), (3, 100, 1)}


def test_simplified_lines_stay_near():
    rows, columns = np.mgrid[:60, :60]
    ids = ((rows - 30) ** 2 + (columns - 30) ** 2 < 400).astype(np.uint8)
    ring = polygons.regions(ids)[0][1].rings[0]
    few = polygons.simplified(ring, 1.5)
    assert 4 <= len(few) < len(ring) / 3
    assert abs(area(few) - area(ring)) < 0.05 * area(ring)
    assert polygons.simplified(ring, 0) is ring
    pixel = polygons.regions(np.ones((1, 1), np.uint8))[0][0].rings[0]
    assert np.array_equal(polygons.simplified(pixel, 9.0), pixel)
