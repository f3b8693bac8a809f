"""Resizing by numpy gives the bits of OpenCV's, in every ratio of sides."""

import numpy as np
import pytest

from segjax.data.ops import OPS, geometry
from segjax.predict import resize

SIZES = [
    ((36, 48), (18, 24)),  # blocks of 2x2, which OpenCV rounds in a way of its own
    ((36, 48), (12, 16)),
    ((64, 64), (8, 16)),
    ((73, 100), (51, 51)),
    ((100, 70), (37, 70)),
    ((18, 24), (36, 48)),
    ((20, 31), (33, 77)),
    ((3, 70), (9, 71)),
    ((1, 1), (5, 6)),
    ((60, 20), (30, 33)),  # one side shrinks and one grows
    ((20, 60), (21, 30)),
    ((20, 30), (20, 30)),
]


@pytest.mark.parametrize("depth", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize(("old", "new"), SIZES)
def test_numpy_and_opencv_agree(old, new, channels, depth):
    rng = np.random.default_rng(0)
    full = 65536 if depth == "uint16" else 256
    image = rng.integers(0, full, (*old, channels)).astype(depth)
    op = OPS["resize"](*new)
    theirs = op.map({"image": image})["image"]
    ours = resize.resize(image, *new)
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    if depth == "float32":
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-3)
    else:
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("factor", [0.5, 0.75, 1, 1.7])
@pytest.mark.parametrize("shape", [(11, 23, 3), (2, 11, 23, 3)])
def test_images_and_clips_are_rescaled_as_by_the_op(shape, factor):
    image = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    theirs = OPS["rescale"](factor).map({"image": image})["image"]
    np.testing.assert_array_equal(resize.rescale(image, factor), theirs)


def test_a_side_that_shrinks_takes_all_pixels_though_the_other_grows():
    """OpenCV alone would take two of them, whatever lies between."""
    stripes = np.tile(np.array([0, 255], np.uint8), 30)[None, :, None]
    grown = geometry.resize(np.repeat(stripes, 4, axis=0), 8, 10, nearest=False)
    assert np.ptp(grown) <= 1
