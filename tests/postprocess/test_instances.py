"""Objects by connected regions, against scikit-image; and cut at necks."""

import dataclasses

import numpy as np
import pytest
from skimage import measure

from segjax.postprocess.instances import separate

Y, X = np.mgrid[:60, :100]


def disc(y, x, radius):
    return (y - Y) ** 2 + (x - X) ** 2 < radius**2


def speckled(shape, classes, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, classes, shape).astype(np.uint8)


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (23, 31)])
def test_regions_are_those_of_scikit_image(connectivity, shape):
    ids = speckled(shape, 4, seed=shape[1])
    found, table = separate(ids, (1, 3), connectivity)
    expected, start = np.zeros(shape, int), 0
    for k in (1, 3):
        own = measure.label(ids == k, connectivity=connectivity // 4)
        expected[own > 0] = own[own > 0] + start
        start += own.max()
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.uint16 and len(table) == start
    for one, other in zip(table, measure.regionprops(expected), strict=True):
        mask = found == one.number
        assert one.number == other.label and one.area == other.area
        assert one.box == other.bbox and set(ids[mask]) == {one.class_id}


def test_corners_join_by_eight_alone():
    ids = np.eye(3, dtype=np.uint8)
    assert len(separate(ids, [1], 8)[1]) == 1
    assert len(separate(ids, [1], 4)[1]) == 3


def test_many_objects_need_more_bits():
    ids = np.zeros((521, 521), np.uint8)
    ids[::2, ::2] = 1
    found, table = separate(ids, (1,))
    assert found.dtype == np.int32 and found.max() == len(table) == 261**2


BAR = (abs(Y - 30) < 3) & (abs(X - 50) < 30)
SHAPES = {
    "disc": (disc(30, 50, 20), 1),
    "bar": ((abs(Y - 30) < 9) & (abs(X - 50) < 40), 1),
    "touching": (disc(30, 30, 15) | disc(30, 55, 14), 2),
    "small and large": (disc(30, 30, 20) | disc(30, 56, 8), 2),
    "one in the other": (disc(30, 40, 16) | disc(30, 47, 16), 1),
    "three": (disc(20, 20, 12) | disc(20, 40, 12) | disc(40, 30, 13), 3),
    "bone": (disc(30, 20, 9) | disc(30, 80, 9) | BAR, 2),
    "whole image": (np.ones_like(Y, bool), 1),
}


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("name", SHAPES)
def test_regions_are_cut_at_their_necks(name, connectivity):
    mask, expected = SHAPES[name]
    for turned in (mask, mask[::-1], mask.T):
        ids = turned.astype(np.uint8)
        found, table = separate(ids, (1,), connectivity, split=True)
        assert len(table) == expected
        assert len(separate(ids, (1,), connectivity)[1]) == 1
        np.testing.assert_array_equal(found > 0, turned)
        for part in table:
            whole = measure.label(found == part.number, connectivity=2)
            assert whole.max() == 1


def test_a_cut_runs_along_the_neck():
    ids = (disc(30, 30, 15) | disc(30, 56, 15)).astype(np.uint8)
    found, table = separate(ids, (1,), split=True)
    left, right = table
    assert abs(left.area - right.area) < 20
    assert (found[:, :42][ids[:, :42] > 0] == left.number).all()
    assert (found[:, 45:][ids[:, 45:] > 0] == right.number).all()


def test_parts_have_the_class_of_their_region():
    ids = np.where(disc(30, 20, 9) | disc(30, 35, 9), 5, 0).astype(np.uint8)
    ids[5:10, 80:95] = 2
    found, table = separate(ids, (5, 2), split=True)
    assert [(t.number, t.class_id) for t in table] == [(1, 2), (2, 5), (3, 5)]
    assert dataclasses.asdict(table[0])["box"] == (5, 80, 10, 95)
    assert found.max() == 3


def test_nothing_to_count():
    found, table = separate(np.zeros((4, 5), np.uint8), (1,), split=True)
    assert table == () and not found.any()
