"""Morphology, against scipy and scikit-image, and a loop where classes give way."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import morphology

from segjax.postprocess.morphology import Closing, Dilation, Erosion, Opening

STEPS = {
    "dilation": Dilation,
    "erosion": Erosion,
    "opening": Opening,
    "closing": Closing,
}
FOOTPRINTS = {
    "disk": morphology.disk,
    "square": lambda r: np.ones((2 * r + 1, 2 * r + 1), np.uint8),
}


def blotches(K, seed=0, shape=(31, 44)):
    rng = np.random.default_rng(seed)
    logits = ndimage.gaussian_filter(rng.standard_normal((*shape, K)), (2, 2, 0))
    return logits.argmax(-1).astype(np.uint8)


@pytest.mark.parametrize("shape", FOOTPRINTS)
@pytest.mark.parametrize("radius", [1, 2, 5, 40])
@pytest.mark.parametrize("name", STEPS)
def test_two_classes_are_those_of_scikit_image(name, radius, shape):
    ids = blotches(2)
    found = STEPS[name](radius, shape).ids(ids, None, 2)
    footprint = FOOTPRINTS[shape](radius)
    expected = getattr(morphology, name)(ids, footprint, mode="ignore")
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape", FOOTPRINTS)
@pytest.mark.parametrize("radius", [1, 3])
def test_away_from_the_border_they_are_those_of_scipy(radius, shape):
    mask = np.zeros((50, 60), bool)
    mask[12:38, 12:48] = blotches(2, shape=(26, 36)) > 0
    footprint = FOOTPRINTS[shape](radius)
    for name, step in STEPS.items():
        found = step(radius, shape).ids(mask.astype(np.uint8), None, 2)
        expected = getattr(ndimage, f"binary_{name}")(mask, footprint)
        np.testing.assert_array_equal(found > 0, expected)


def nearest(ids, y, x, k):
    """The lowest class among the nearest pixels of other classes."""
    rows, columns = np.nonzero(ids != k)
    distance = (rows - y) ** 2 + (columns - x) ** 2
    return ids[rows, columns][distance == distance.min()].min()


@pytest.mark.parametrize("shape", FOOTPRINTS)
@pytest.mark.parametrize("name", STEPS)
def test_what_a_class_gives_up_goes_to_the_nearest_other(name, shape):
    for seed in range(3):
        ids = blotches(5, seed)
        found = STEPS[name](2, shape, classes=(3,)).ids(ids, None, 5)
        mask = (ids == 3).astype(np.uint8)
        new = getattr(morphology, name)(mask, FOOTPRINTS[shape](2), mode="ignore") > 0
        expected = ids.copy()
        for y, x in zip(*np.nonzero((ids == 3) & ~new), strict=True):
            expected[y, x] = nearest(ids, y, x, 3)
        expected[new] = 3
        assert (expected != ids).any()
        np.testing.assert_array_equal(found, expected)


def test_classes_come_one_after_another_in_their_order():
    ids = blotches(4)
    for first, second in ((1, 2), (2, 1)):
        step = Dilation(2, classes=(first, second))
        once = Dilation(2, classes=(first,)).ids(ids, None, 4)
        expected = Dilation(2, classes=(second,)).ids(once, None, 4)
        np.testing.assert_array_equal(step.ids(ids, None, 4), expected)


def test_the_background_may_be_the_one():
    ids = blotches(2)
    found = Erosion(2, classes=(0,)).ids(ids, None, 2)
    np.testing.assert_array_equal(found, Dilation(2).ids(ids, None, 2))
