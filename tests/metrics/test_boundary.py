"""Edges, bands and distances against drawn shapes, brute force and scikit-image."""

import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE
from segjax.metrics import contours, surface
from segjax.metrics.boundary import Boundary
from segjax.metrics.measure import Frame
from segjax.metrics.surface import Surface


def square(top, left, side=10, size=(40, 50)):
    ids = np.zeros(size, np.uint8)
    ids[top : top + side, left : left + side] = 1
    return ids


def blobs(seed, size=(31, 37)):
    """Two classes in large random patches."""
    rng = np.random.default_rng(seed)
    small = rng.random((5, 6)) < 0.5
    return np.kron(small, np.ones((7, 7)))[: size[0], : size[1]].astype(np.uint8)


def scored(measure, truth, ids, num_classes=2):
    one = measure.look(Frame(ids, truth), num_classes)
    for name, (shape, dtype) in measure.layout(num_classes).items():
        assert one[name].shape == shape and one[name].dtype == dtype
    found = {name: values[None] for name, values in one.items()}
    counts = np.zeros((1, num_classes, num_classes), np.int64)
    return measure.result(found, counts)


def brute_distances(points, to):
    a, b = np.argwhere(points), np.argwhere(to)
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1)).min(1)


@pytest.mark.parametrize("seed", range(3))
def test_distances_by_brute_force(seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.random((23, 29)) < 0.02 for _ in range(2))
    expected = brute_distances(a, b)
    np.testing.assert_allclose(contours.distances(a, b), expected, rtol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_the_largest_distance_is_scikit_images_hausdorff(seed):
    metrics = pytest.importorskip("skimage.metrics")
    everywhere = np.ones((31, 37), bool)
    a, b = (contours.edge(blobs(s).astype(bool), everywhere) for s in (seed, seed + 10))
    ways = contours.distances(a, b), contours.distances(b, a)
    expected = metrics.hausdorff_distance(a, b)
    assert surface.hausdorff(*ways, 100) == pytest.approx(expected, rel=1e-6)
    expected = metrics.hausdorff_distance(a, b, method="modified")
    found = max(way.mean() for way in ways)
    assert found == pytest.approx(expected, rel=1e-6)


def test_an_edge_by_hand():
    mask = np.asarray([[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 1]], bool)
    valid = np.ones((3, 4), bool)
    found = contours.edge(mask, valid)
    assert found.astype(int).tolist() == [[0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    valid[1, 3] = False  # what is ignored bounds nothing
    found = contours.edge(mask, valid)
    assert found.astype(int).tolist() == [[0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("distance", [1, 3])
def test_a_band_is_that_of_the_published_code(seed, distance):
    """Eroded by 3x3 so often, in a frame of one pixel that is not of the mask."""
    cv2 = pytest.importorskip("cv2")
    mask = blobs(seed)
    framed = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    inner = cv2.erode(framed, np.ones((3, 3), np.uint8), iterations=distance)
    expected = mask - inner[1:-1, 1:-1]
    found = contours.band(mask.astype(bool), np.ones(mask.shape, bool), distance)
    np.testing.assert_array_equal(found, expected)


def test_a_square_moved_by_three_pixels():
    truth, ids = square(10, 10), square(10, 13)
    width = 1 / np.hypot(40, 50)  # one pixel: the bands are the outlines
    found = scored(Boundary(2, width), truth, ids).classes
    # Outlines of 36 pixels; the upper and lower sides overlap in 7 each.
    assert found["boundary_iou"][1] == pytest.approx(14 / (36 + 36 - 14))
    # Within 2 pixels: of the rows at top and bottom 7 + 2, of the sides the ends.
    near = {
        tuple(p) for p in np.argwhere(_outline(truth)) if _near(p, _outline(ids), 2)
    }
    assert 0 < len(near) < 36
    assert found["boundary_f1"][1] == pytest.approx(len(near) / 36)
    assert scored(Boundary(3, width), truth, ids).classes["boundary_f1"][1] == 1
    found = scored(Surface(2), truth, ids).classes
    ways = [
        brute_distances(_outline(a), _outline(b))
        for a, b in ((truth, ids), (ids, truth))
    ]
    both = np.concatenate(ways)
    assert found["hd95"][1] == pytest.approx(max(np.percentile(w, 95) for w in ways))
    assert found["hd95"][1] == 3
    assert found["assd"][1] == pytest.approx(both.mean(), rel=1e-6)
    assert found["surface_dice"][1] == pytest.approx((both <= 2).mean(), rel=1e-6)


def _outline(ids):
    inner = np.zeros(ids.shape, bool)
    inner[1:-1, 1:-1] = (
        ids[1:-1, 1:-1]
        & ids[:-2, 1:-1]
        & ids[2:, 1:-1]
        & ids[1:-1, :-2]
        & ids[1:-1, 2:]
    )
    return ids.astype(bool) & ~inner


def _near(point, outline, reach):
    return (((np.argwhere(outline) - point) ** 2).sum(1) <= reach**2).any()


@pytest.mark.parametrize(
    "measure", [Boundary(), Surface()], ids=["boundary", "surface"]
)
def test_a_perfect_prediction(measure):
    summary = scored(measure, square(5, 5), square(5, 5)).summary
    best = {"hd95": 0.0, "assd": 0.0}
    assert summary == {name: best.get(name, 1.0) for name in summary}


def test_ignored_pixels_take_part_in_nothing():
    """The same scores whatever is predicted there, and no edge along them."""
    truth, ids = square(10, 10), square(11, 12)
    truth[:, 16:24] = IGNORE
    other = ids.copy()
    other[:, 16:24] = 1 - other[:, 16:24]
    for measure in (Boundary(), Surface()):
        a, b = (measure.look(Frame(x, truth), 2) for x in (ids, other))
        for name, values in a.items():
            np.testing.assert_array_equal(values, b[name])
    alone = np.full((40, 50), IGNORE, np.uint8)
    alone[10:20, 10:20] = 1  # a class in an ignored world
    found = Boundary().look(Frame(square(0, 0, 40), alone), 2)
    assert not found["edges"].any() and not found["bands"].any()
    assert not Surface().look(Frame(square(0, 0, 40), alone), 2)["outlined"].any()


def test_a_class_on_one_side_alone_is_counted_and_said():
    truth, ids = square(10, 10), square(10, 10)
    truth[30:34, 30:34] = 2  # never found
    ids[30:34, 5:9] = 3  # invented
    found = scored(Surface(), truth, ids, num_classes=5)
    assert found.classes["edge_missed"].tolist() == [0, 0, 1, 0, 0]
    assert found.classes["edge_invented"].tolist() == [0, 0, 0, 1, 0]
    assert np.isnan(found.classes["hd95"]).tolist() == [False, False, True, True, True]
    assert "1 where the class has no edge in the prediction, 1 where" in found.notes[0]
    found = scored(Boundary(), truth, ids, num_classes=5)
    assert found.classes["boundary_f1"][2:4].tolist() == [0, 0]
    assert found.classes["boundary_iou"][2:4].tolist() == [0, 0]
    assert np.isnan(found.classes["boundary_f1"][4])
    assert np.isnan(found.classes["boundary_iou"][4])


def test_f1_is_a_mean_over_images_and_iou_of_all_together():
    measure, frames = Boundary(1, 0.001), ((10, 10), (10, 40))
    looks = [measure.look(Frame(square(*at), square(10, 10)), 2) for at in frames]
    found = {name: np.stack([look[name] for look in looks]) for name in looks[0]}
    result = measure.result(found, np.zeros((2, 2, 2), np.int64))
    assert result.classes["boundary_f1"][1] == (1 + 0) / 2
    assert result.classes["boundary_iou"][1] == 36 / (36 + 36 + 36)
    assert measure.per_image(found)["boundary_iou"][:, 1].tolist() == [1, 0]


def test_a_tolerance_below_one_is_a_share_of_the_diagonal():
    assert contours.in_pixels(2, (30, 40)) == 2
    assert contours.in_pixels(0.1, (30, 40)) == pytest.approx(5)


@pytest.mark.parametrize(
    "wrong", [lambda: Boundary(0), lambda: Boundary(2, 1.5), lambda: Surface(-1.0)]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UserError, match="must be above 0"):
        wrong()
