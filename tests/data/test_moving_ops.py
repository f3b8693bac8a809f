"""Warps, deformations, frames and holes: where each pixel goes, by other tools too."""

import cv2
import numpy as np
import pytest
import scipy.ndimage

from segjax.core import opstring
from segjax.core.keys import IGNORE, IMAGE, LABEL
from segjax.data import ops
from segjax.data.ops import deform, warp
from segjax.data.ops.geometry import FILL

SIZE = (48, 70)

RESAMPLING = [
    "rotate(180, 1)",
    "shear(30, 30, 1)",
    "affine((0.7, 1.6), 90, 0.2, 20, 1)",
    "perspective(0.24, 1)",
    "elastic(100, 6, 1)",
    "grid_distortion(4, 0.15, 1)",
]
MOVING = [
    *RESAMPLING,
    "shift(0.5, 0.5, 1)",
    "rotate90(1)",
    "flip_ud(1)",
    "class_crop(60, 33, None, 1)",
    "fit(90, 90)",
]


def parsed(text):
    (op,) = opstring.parse(text, ops.OPS)
    return op


def apply(text, example, seed=0):
    op = parsed(text)
    if ops.is_random(op):
        return op.random_map(example, np.random.default_rng(seed))
    return op.map(example)


def grey(values):
    return np.repeat(values.astype(np.uint8)[..., None], 3, axis=2)


def noise(seed=0, size=SIZE):
    """Random pixels, none of them `FILL` or `IGNORE`; the image is not the label."""
    rng = np.random.default_rng(seed)
    return {
        IMAGE: rng.integers(130, 256, (*size, 3), np.uint8),
        LABEL: rng.integers(0, 200, size, np.uint8),
    }


@pytest.mark.parametrize("text", MOVING)
def test_a_checkerboard_of_single_pixels_stays_aligned(text):
    """The nearest pixel has most of the bilinear weight of its colour, wherever.

    So black or white is the class, but for places half way between two pixels: any
    shift of the label against the image, by a part of a pixel, gives errors.
    """
    board = (np.indices(SIZE).sum(0) % 2).astype(np.uint8)
    wrong = clear = 0
    for seed in range(4):
        out = apply(text, {IMAGE: grey(board * 200 + 20), LABEL: board}, seed)
        value = out[IMAGE][..., 0].astype(int) - 120
        sure = (np.abs(value) > 5) & (out[LABEL] != IGNORE)
        wrong += ((value > 0) != (out[LABEL] == 1))[sure].sum()
        clear += sure.sum()
    if text.startswith("fit"):  # the other ops do not shrink or grow by a fixed factor
        assert wrong < 0.01 * clear
    else:
        assert wrong == 0
    assert clear > 2000


@pytest.mark.parametrize("text", [*MOVING, "cutout(3, p=1)"])
def test_uncovered_ground_is_filled_and_ignored_at_the_same_pixels(text):
    uncovered = 0
    for seed in range(4):
        given = noise(seed)
        out = apply(text, given, seed)
        bare = out[LABEL] == IGNORE
        np.testing.assert_array_equal((out[IMAGE] == FILL).all(-1), bare)
        assert set(np.unique(out[LABEL])) <= {*np.unique(given[LABEL]), IGNORE}
        uncovered += bare.sum()
    assert uncovered or text.startswith(("flip", "rotate90")), "nothing was uncovered"


@pytest.mark.parametrize("text", RESAMPLING)
def test_what_is_ignored_stays_ignored(text):
    given = noise()
    given[LABEL][:] = IGNORE
    assert (apply(text, given)[LABEL] == IGNORE).all()


@pytest.mark.parametrize(
    "text",
    [
        "rotate(0, 1)",
        "shift(0, 0, 1)",
        "shear(0, 0, 1)",
        "affine((1, 1), 0, 0, 0, 1)",
        "perspective(0, 1)",
        "elastic(0, 8, 1)",
        "grid_distortion(3, 0, 1)",
        "reflect_pad(48, 70)",
        "fit(48, 70)",
        *(f"{name}(p=0)" for name in ("rotate", "elastic", "cutout", "affine")),
    ],
)
def test_of_strength_nothing_changes_nothing(text):
    given = noise()
    out = apply(text, given)
    for key, value in given.items():
        np.testing.assert_array_equal(out[key], value)


MATRICES = {
    "turn": ([[0.8, -0.6, 20], [0.6, 0.8, -9], [0, 0, 1]]),
    "scale": ([[0.5, 0, 17.5], [0, 0.5, 12], [0, 0, 1]]),
    "all": ([[0.9, 0.2, 3], [-0.1, 1.3, -4], [0.001, -0.002, 1.1]]),
}


@pytest.mark.parametrize("name", MATRICES)
def test_warp_is_scipys(name):
    """`map_coordinates` counts `(row, column)` from the centre of the first pixel."""
    given, matrix = noise(), np.array(MATRICES[name], float)
    rows, columns = SIZE
    x, y = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
    u, v, w = np.einsum("ij,jhw->ihw", matrix, np.stack([x, y, np.ones_like(x)]))
    u, v = u / w, v / w
    inside = (u >= 0) & (u < columns) & (v >= 0) & (v < rows)
    places = np.stack([v - 0.5, u - 0.5])
    out = warp.warp(given, matrix)
    want = scipy.ndimage.map_coordinates(given[LABEL], places, order=0, mode="nearest")
    clear = (np.abs(u - np.round(u)) > 1e-4) & (np.abs(v - np.round(v)) > 1e-4)
    np.testing.assert_array_equal(out[LABEL][inside & clear], want[inside & clear])
    assert (out[LABEL][~inside] == IGNORE).all()
    for channel in range(3):
        plane = given[IMAGE][..., channel].astype(float)
        want = scipy.ndimage.map_coordinates(plane, places, order=1, mode="nearest")
        error = np.abs(out[IMAGE][..., channel] - want)[inside & clear]
        assert error.max() < 0.6  # half a level of rounding


def test_a_quarter_turn_is_numpys():
    given = noise(size=(41, 41))
    out = warp.warp(given, warp.about_middle(given, warp.turn(90)))
    for key in given:
        np.testing.assert_array_equal(out[key], np.rot90(given[key], -1))


def test_twice_the_size_is_the_middle_of_a_resize():
    given = noise(size=(40, 60))
    out = apply("affine((2, 2), 0, 0, 0, 1)", given)
    want = parsed("resize(80, 120)").map(given)
    middle = np.s_[20:60, 30:90]
    np.testing.assert_array_equal(out[LABEL], want[LABEL][middle])
    assert np.abs(out[IMAGE].astype(int) - want[IMAGE][middle]).max() <= 1


def test_a_slant_moves_the_top_against_the_bottom():
    label = np.zeros((41, 81), np.uint8)
    label[:, 40] = 1
    given = {IMAGE: grey(label), LABEL: label}
    matrix = warp.about_middle(given, warp.slant(45, 0))
    rows, columns = np.nonzero(warp.warp(given, matrix)[LABEL] == 1)
    np.testing.assert_array_equal(columns - 40, rows - 20)


def test_the_shift_is_of_whole_pixels():
    given = noise(1)
    out = apply("shift(0.5, 0.5, 1)", given, 2)
    inside = out[LABEL] != IGNORE
    top, left = (np.nonzero(inside.any(axis))[0][0] for axis in (1, 0))
    height, width = (int(inside.any(axis).sum()) for axis in (1, 0))
    rows, columns = SIZE
    from_row = 0 if top else rows - height
    from_column = 0 if left else columns - width
    new = np.s_[top : top + height, left : left + width]
    old = np.s_[from_row : from_row + height, from_column : from_column + width]
    assert 0 < height < rows or 0 < width < columns
    for key in given:
        np.testing.assert_array_equal(out[key][new], given[key][old])


def test_the_corners_of_a_perspective_are_opencvs():
    """The inverse of OpenCV's own warp, whose first pixel has its centre at (0, 0)."""
    given = noise()
    rows, columns = SIZE
    away = np.random.default_rng(3)
    assert away.random() < 1  # the toss
    away = away.uniform(-0.2, 0.2, (4, 2))
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    new, old = (
        (c * [columns, rows] - 0.5).astype(np.float32)
        for c in (corners, corners + away)
    )
    want = cv2.warpPerspective(
        given[IMAGE],
        cv2.getPerspectiveTransform(new, old),
        (columns, rows),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    out = apply("perspective(0.2, 1)", given, 3)
    inside = out[LABEL] != IGNORE
    assert 0.3 < inside.mean() < 1
    assert np.abs(out[IMAGE].astype(int) - want)[inside].max() <= 2


def test_rotate90_takes_all_three_turns():
    given = noise()
    outs = [apply("rotate90(1)", given, seed) for seed in range(20)]
    turns = [{key: np.rot90(given[key], k) for key in given} for k in (1, 2, 3)]
    found = {
        k
        for out in outs
        for k, turn in enumerate(turns)
        if all(np.array_equal(out[key], turn[key]) for key in given)
    }
    assert found == {0, 1, 2}


@pytest.fixture
def fields(monkeypatch):
    """The displacements that the deformations ask for."""
    seen = []

    def displace(given, field):
        seen.append(field)
        return given

    monkeypatch.setattr(deform, "displace", displace)
    return seen


@pytest.mark.parametrize(("alpha", "sigma"), [(34, 4), (300, 12)])
def test_elastic_moves_as_far_as_its_docstring_says(alpha, sigma, fields):
    given = {IMAGE: np.zeros((300, 400, 3), np.uint8)}
    for seed in range(3):
        apply(f"elastic({alpha}, {sigma}, 1)", given, seed)
    far = np.stack(fields)[:, 60:-60, 60:-60]
    assert far.mean() == pytest.approx(0, abs=0.1 * alpha / sigma)
    assert far.std() == pytest.approx(0.163 * alpha / sigma, rel=0.12)
    slope = np.diff(far[..., 0], axis=2)
    assert slope.std() == pytest.approx(0.115 * alpha / sigma**2, rel=0.12)


def test_grid_distortion_moves_cell_middles_by_the_drawn_vectors(fields):
    given = {IMAGE: np.zeros((50, 150, 3), np.uint8)}
    rng = np.random.default_rng(4)
    assert rng.random() < 1  # the toss
    vectors = rng.normal(0, 0.1, (5, 5, 2)) * [30, 10]
    apply("grid_distortion(5, 0.1, 1)", given, 4)
    (field,) = fields
    middles = (field[4:50:10] + field[5:50:10]) / 2  # rows 10, columns 30 a cell
    middles = (middles[:, 14:150:30] + middles[:, 15:150:30]) / 2
    np.testing.assert_allclose(middles, vectors, atol=0.5)


def test_class_crop_finds_the_rare_class():
    label = np.zeros((60, 200), np.uint8)
    label[50, 7], label[3:6, 150:152] = 5, 6
    given = {IMAGE: grey(label), LABEL: label}
    for seed in range(10):
        out = apply("class_crop(20, 30, (5, 9), 1)", given, seed)[LABEL]
        assert (out == 5).sum() == 1 and IGNORE not in out
    seen = [
        set(np.unique(apply("class_crop(20, 30, None, 1)", given, seed)[LABEL]))
        for seed in range(60)
    ]
    share = np.mean([[k in s for k in (5, 6)] for s in seen], axis=0)
    assert (share > 0.2).all() and (share < 0.5).all()  # a third each, and by chance


def test_class_crop_centres_its_pixel():
    label = np.zeros((60, 200), np.uint8)
    label[30, 90] = 5
    out = apply("class_crop(21, 31, (5,), 1)", {IMAGE: grey(label), LABEL: label})
    assert np.argwhere(out[LABEL] == 5).tolist() == [[10, 15]]


@pytest.mark.parametrize(
    "text", ["class_crop(20, 30, (201,), 1)", "class_crop(20, 30, p=0)"]
)
def test_class_crop_without_the_class_is_a_crop(text):
    given = noise()
    for seed in range(5):
        out = apply(text, given, seed)
        want = apply("crop(20, 30)", given, seed)
        np.testing.assert_array_equal(out[IMAGE], want[IMAGE])


def test_class_crop_takes_a_map_of_nothing():
    given = noise()
    given[LABEL][:] = IGNORE
    assert (apply("class_crop(20, 30, p=1)", given)[LABEL] == IGNORE).all()


@pytest.mark.parametrize("size", [(60, 71), (50, 10), (300, 501)])
def test_reflect_pad_is_numpys_symmetric_pad(size):
    given = noise()
    out = apply("reflect_pad({}, {})".format(*size), given)
    pads = [
        (spare // 2, spare - spare // 2)
        for full, side in zip(SIZE, size, strict=True)
        for spare in [max(side - full, 0)]
    ]
    want = np.pad(given[IMAGE], [*pads, (0, 0)], mode="symmetric")
    np.testing.assert_array_equal(out[IMAGE], want)
    want = np.pad(given[LABEL], pads, constant_values=IGNORE)
    np.testing.assert_array_equal(out[LABEL], want)


@pytest.mark.parametrize(
    ("size", "inner", "corner"),
    [((96, 200), (96, 140), (0, 30)), ((90, 35), (24, 35), (33, 0))],
)
def test_fit_is_a_resize_in_the_middle(size, inner, corner):
    given = noise()
    out = apply("fit({}, {})".format(*size), given)
    want = apply("resize({}, {})".format(*inner), given)
    window = tuple(slice(c, c + n) for c, n in zip(corner, inner, strict=True))
    for key in given:
        np.testing.assert_array_equal(out[key][window], want[key])
    assert (out[LABEL] == IGNORE).sum() == size[0] * size[1] - inner[0] * inner[1]
    assert out[LABEL].shape == size


def test_cutout_cuts_its_size_and_may_leave_the_label():
    given = noise()
    sizes = set()
    for seed in range(30):
        out = apply("cutout(1, 0.25, (9, 8, 7), False, 1)", given, seed)
        np.testing.assert_array_equal(out[LABEL], given[LABEL])
        hole = (out[IMAGE] == (9, 8, 7)).all(-1)
        np.testing.assert_array_equal(out[IMAGE][~hole], given[IMAGE][~hole])
        sizes.add((hole.any(1).sum(), hole.any(0).sum(), hole.sum()))
    assert (12, 12, 144) in sizes
    assert all(h * w == n and max(h, w) <= 12 for h, w, n in sizes)
