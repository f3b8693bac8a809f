"""Islands and holes: hand-worked cases, plain loops, scipy and scikit-image."""

import collections

import numpy as np
import pytest
from scipy import ndimage
from skimage import measure, morphology

from segjax import postprocess
from segjax.postprocess.islands import Components, Holes


def picture(*rows: str) -> np.ndarray:
    return np.array([[int(c) for c in row] for row in rows], np.uint8)


def blotches(K, seed, shape=(18, 25)):
    rng = np.random.default_rng(seed)
    logits = ndimage.gaussian_filter(rng.standard_normal((*shape, K)), (1.5, 1.5, 0))
    ids = logits.argmax(-1).astype(np.uint8)
    noise = rng.random(shape) < 0.1
    ids[noise] = rng.integers(0, K, noise.sum())
    return ids


def around(y, x, shape, connectivity):
    for dy, dx in np.ndindex(3, 3):
        near = abs(dy - 1) + abs(dx - 1)
        there = y + dy - 1, x + dx - 1
        if near == 0 or (near == 2 and connectivity == 4):
            continue
        if 0 <= there[0] < shape[0] and 0 <= there[1] < shape[1]:
            yield there


def without_small(ids, min_area, connectivity, classes):
    """The same, region by region and pixel by pixel."""
    regions = []
    for k in np.unique(ids):
        labels = measure.label(ids == k, connectivity=connectivity // 4)
        for i in range(1, labels.max() + 1):
            regions.append([k, list(zip(*np.nonzero(labels == i), strict=True))])
    of = {at: i for i, (_, pixels) in enumerate(regions) for at in pixels}
    open_ = {
        i
        for i, (k, pixels) in enumerate(regions)
        if len(pixels) < min_area and (classes is None or k in classes)
    }
    if len(open_) == len(regions):
        return ids
    while open_:
        settled = {}
        for i in open_:
            votes = collections.Counter(
                regions[of[there]][0]
                for at in regions[i][1]
                for there in around(*at, ids.shape, connectivity)
                if of[there] != i and of[there] not in open_
            )
            if votes:
                most = max(votes.values())
                settled[i] = min(k for k, n in votes.items() if n == most)
        for i, k in settled.items():
            regions[i][0] = k
        open_ -= settled.keys()
    found = np.empty_like(ids)
    for at, i in of.items():
        found[at] = regions[i][0]
    return found


@pytest.mark.parametrize("classes", [None, (1,)])
@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize(("K", "min_area"), [(2, 8), (4, 5), (7, 30), (3, 1000)])
def test_small_regions_go_as_a_loop_says(K, min_area, connectivity, classes):
    for seed in range(3):
        ids = blotches(K, seed)
        step = Components(min_area, connectivity, classes)
        expected = without_small(ids, min_area, connectivity, classes)
        np.testing.assert_array_equal(step.ids(ids, None, K), expected)


def test_an_island_takes_what_surrounds_it_most():
    ids = picture(
        "000111",
        "002211",
        "000111",
    )
    # Seven neighbours of its pixels are 0 and seven are 1.
    found = Components(3).ids(ids, None, 3)
    np.testing.assert_array_equal(found, np.where(ids == 2, 0, ids))
    ids[0, 0] = ids[0, 2] = 1
    assert (Components(2).ids(ids, None, 3)[1, 2:4] == 2).all()
    assert (Components(3).ids(ids, None, 3)[1, 2:4] == 1).all()


def test_small_regions_wait_for_those_beside_what_stays():
    ids = picture("0000012")
    np.testing.assert_array_equal(Components(2).ids(ids, None, 3), 0 * ids)
    ids = picture("0000012222")  # both sides of 1 stay, and touch it once each
    assert Components(2).ids(ids, None, 3)[0, 5] == 0


def test_nothing_stays_so_nothing_goes():
    ids = picture("01", "10")
    np.testing.assert_array_equal(Components(9).ids(ids, None, 2), ids)


@pytest.mark.parametrize("connectivity", [1, 2])
def test_islands_and_holes_of_two_classes_are_those_of_scikit_image(connectivity):
    rng = np.random.default_rng(1)
    discs = ndimage.gaussian_filter(rng.standard_normal((60, 80)), 4) > 0.05
    islands = ndimage.binary_dilation(rng.random((60, 80)) < 0.004)
    mask = (discs & ~islands) | (~discs & islands)
    found = Components(20, 4 * connectivity, (1,)).ids(mask.astype(np.uint8), None, 2)
    expected = morphology.remove_small_objects(
        mask, max_size=19, connectivity=connectivity
    )
    assert (expected != mask).any()
    np.testing.assert_array_equal(found > 0, expected)
    found = Holes(20, 4 * connectivity).ids(mask.astype(np.uint8), None, 2) > 0
    filled = ndimage.binary_fill_holes(
        mask, ndimage.generate_binary_structure(2, 3 - connectivity)
    )
    holes = measure.label(filled & ~mask, connectivity=3 - connectivity)
    small = np.bincount(holes.ravel())[holes] <= 20
    assert (found != mask).any()
    np.testing.assert_array_equal(found, mask | (filled & ~mask & small))


def test_holes_of_a_class_are_filled_whatever_is_in_them():
    ids = picture(
        "0111110",
        "0120210",
        "0111110",
        "0000000",
    )
    filled = np.where((ids == 2) | (ids == 1), 1, ids)
    filled[1, 3] = 1
    np.testing.assert_array_equal(Holes(3, classes=(1,)).ids(ids, None, 3), filled)
    np.testing.assert_array_equal(Holes(2, classes=(1,)).ids(ids, None, 3), ids)


def test_a_hole_is_closed_by_the_connectivity_of_the_class():
    ring = picture("00100", "01010", "00100")
    assert Holes(1, 8).ids(ring, None, 2)[1, 2] == 1
    assert Holes(1, 4).ids(ring, None, 2)[1, 2] == 0  # it leaks at the corners


def test_what_reaches_the_border_is_no_hole():
    bay = picture("111", "100", "111")
    np.testing.assert_array_equal(Holes(9).ids(bay, None, 2), bay)


def test_they_follow_each_other():
    chain = postprocess.parse("holes(4) | components(4)")
    ids = picture("0000000", "0111000", "0101010", "0111000")
    found = chain.apply(ids, 2)
    np.testing.assert_array_equal(
        found, picture("0000000", "0111000", "0111000", "0111000")
    )
