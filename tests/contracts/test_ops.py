"""What every op in the table keeps to; a new op is tested by its line in EXAMPLES."""

import copy
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest

from segjax.core import opstring
from segjax.core.errors import UserError
from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL
from segjax.core.pixels import Pixels
from segjax.data import ops
from segjax.data.ops.geometry import FILL
from tests.contracts.painted import blobs, example, painted
from tests.contracts.photometric import PHOTOMETRIC

EXAMPLES = {  # op -> strings to try; every op must have one here or in PHOTOMETRIC
    "affine": ["affine(p=1)", "affine((0.5, 2), 180, 0.3, 20, p=1)"],
    "center_crop": ["center_crop(20, 24)", "center_crop(60, 80)"],
    "class_crop": ["class_crop(20, 24, (1,), 1)", "class_crop(60, 80, p=1)"],
    "classmix": ["classmix(1)"],
    "crop": ["crop(20, 24)", "crop(60, 80)", "crop(20, 24, max_share=0.6)"],
    "cutmix": ["cutmix(1)"],
    "cutout": ["cutout(p=1)", "cutout(4, 0.3, (1, 2, 3), p=1)"],
    "elastic": ["elastic(60, 6, p=1)"],
    "fit": ["fit(30, 70)", "fit(90, 100)"],
    "flip_lr": ["flip_lr(1.0)", "flip_lr(0.0)"],
    "flip_ud": ["flip_ud(1.0)", "flip_ud(0.0)"],
    "grid_distortion": ["grid_distortion(p=1)", "grid_distortion(5, 0.2, 1)"],
    "mosaic": ["mosaic(p=1)", "mosaic(1, 1)"],
    "pad": ["pad(60, 70)", "pad(10, 10)"],
    "pad_to_multiple": ["pad_to_multiple(16)"],
    "perspective": ["perspective(p=1)", "perspective(0.24, 1)"],
    "reflect_pad": ["reflect_pad(60, 70)", "reflect_pad(10, 10)"],
    "rescale": ["rescale(0.5)", "rescale(1.7)", "rescale(0.37)"],
    "resize": ["resize(31, 90)", "resize(75, 33)"],
    "rotate": ["rotate(p=1)", "rotate(180, 1)"],
    "rotate90": ["rotate90(1)", "rotate90(0)"],
    "scale": ["scale(0.5, 2.0)"],
    "shear": ["shear(p=1)", "shear(30, 30, 1)"],
    "shift": ["shift(p=1)", "shift(0.5, 0.5, 1)"],
    "shuffle_past": ["shuffle_past()", "shuffle_past(3)"],
}
STAY = set(EXAMPLES) - {
    *("center_crop", "class_crop", "crop", "fit", "pad", "pad_to_multiple"),
    *("reflect_pad", "rescale", "resize", "rotate90", "scale"),
}
"""Ops that keep the size."""

HOST = [(name, text) for name, texts in EXAMPLES.items() for text in texts]
ALL = HOST + [(name, text) for name, texts in PHOTOMETRIC.items() for text in texts]


def apply(op, given, seed=0):
    """The op's result, whichever interface it has."""
    if ops.is_mixing(op):
        others = [partner(given, i) for i in range(op.partners)]
        return op.mix([given, *others], np.random.default_rng(seed))
    if ops.is_random(op):
        return op.random_map(given, np.random.default_rng(seed))
    return op.map(given)


def partner(given: dict, i: int) -> dict:
    """Another example of the same kind: a clip, or without a label, as `given` is."""
    kind = Pixels(given[IMAGE].shape[-1], given[IMAGE].dtype.name)
    other = example(90 + i, kind)
    other[IMAGE] = np.broadcast_to(other[IMAGE], given[IMAGE].shape)
    if LABEL in given:
        other[LABEL] = np.broadcast_to(other[LABEL], given[LABEL].shape)
    return {key: other[key] for key in given}


def parsed(text: str):
    (op,) = opstring.parse(text, ops.OPS)
    return op


def test_every_op_has_an_example():
    assert {*EXAMPLES, *PHOTOMETRIC, "normalize"} == set(ops.OPS)


@pytest.mark.parametrize(("name", "text"), ALL)
def test_contract(name, text):
    op = parsed(text)
    assert isinstance(op, ops.OPS[name])
    given = example()
    before = copy.deepcopy(given)
    first, second = apply(op, given, 3), apply(op, given, 3)
    for key in before:
        np.testing.assert_array_equal(given[key], before[key])  # not mutated
        np.testing.assert_array_equal(first[key], second[key])  # a function of the seed
    assert first[IMAGE].dtype == first[LABEL].dtype == np.uint8
    assert first[IMAGE].shape == (*first[LABEL].shape, 3)
    assert first[INDEX] == 7
    assert set(np.unique(first[LABEL])) <= {0, 1, IGNORE}  # no id is made up
    assert pickle.loads(pickle.dumps(op)) == op == parsed(text)


@pytest.mark.parametrize(("name", "text"), ALL)
def test_an_image_without_label_moves_alike(name, text):
    if name == "classmix":
        return  # its classes are those of the label
    given = example()
    alone = {IMAGE: given[IMAGE]}
    whole = apply(parsed(text), given, 5)
    bare = apply(parsed(text), alone, 5)
    assert LABEL not in bare
    if "max_share" not in text and name != "class_crop":  # these look at the label
        np.testing.assert_array_equal(whole[IMAGE], bare[IMAGE])


@pytest.mark.parametrize(("name", "text"), ALL)
def test_a_label_a_frame_moves_as_the_label_of_the_clip(name, text):
    if name == "shuffle_past":
        return  # takes clips labelled at their last frame alone
    looks = "max_share" in text or name in ("class_crop", "classmix")
    labels = [blobs(0 if looks else t) for t in range(3)]
    clip = {IMAGE: np.stack([painted(label) for label in labels])}
    dense = apply(parsed(text), {**clip, LABEL: np.stack(labels), INDEX: np.int64(7)})
    for t, label in enumerate(labels):
        last = apply(parsed(text), {**clip, LABEL: label, INDEX: np.int64(7)})
        np.testing.assert_array_equal(dense[IMAGE], last[IMAGE])
        np.testing.assert_array_equal(dense[LABEL][t], last[LABEL])


@pytest.mark.parametrize(("name", "text"), HOST)
def test_paint(name, text):
    """Colour the label, transform, read the colours: the transformed label again."""
    wrong = total = 0
    shift = []
    for seed in range(6):
        out = apply(parsed(text), example(seed), seed)
        inside = out[LABEL] != IGNORE
        grey = out[IMAGE].astype(float).mean(axis=2)
        if not inside.any() or grey[inside].max() - grey[inside].min() < 50:
            continue
        low, high = grey[inside].min(), grey[inside].max()
        read = grey > (low + high) / 2
        true = out[LABEL] == 1
        wrong += (read != true)[inside].sum()
        total += inside.sum()
        # Which side of a class border moves: positive = the label lies further right.
        border = np.zeros_like(read, int)
        border[:, 1:] = read[:, 1:].astype(int) - read[:, :-1]
        late = (read & ~true & inside)[border == 1].sum()
        early = (true & ~read & inside)[np.roll(border == 1, -1, 1)].sum()
        shift.append((late - early) / max(1, (border == 1).sum()))
    assert total, "no seed gave both classes"
    assert wrong / total < 0.03
    assert abs(np.mean(shift)) < 0.1


@pytest.mark.parametrize(
    "text",
    ["crop(60, 80)", "center_crop(60, 80)", "pad(60, 80)", "pad_to_multiple(64)"],
)
def test_outside_is_ignored_and_filled(text):
    out = apply(parsed(text), example())
    outside = out[LABEL] == IGNORE
    assert outside.sum() == outside.size - 45 * 64
    assert (out[IMAGE][outside] == FILL).all()


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("center_crop(20, 24)", (20, 24)),
        ("crop(60, 24)", (60, 24)),
        ("pad(60, 24)", (60, 64)),
        ("class_crop(60, 24)", (60, 24)),
        ("fit(60, 24)", (60, 24)),
        ("pad_to_multiple(16)", (48, 64)),
        ("reflect_pad(60, 24)", (60, 64)),
        ("rescale(0.5)", (22, 32)),
        ("resize(31, 90)", (31, 90)),
        ("scale(2.0, 2.0)", (90, 128)),
        *((texts[0], (45, 64)) for name, texts in EXAMPLES.items() if name in STAY),
    ],
)
def test_size(text, size):
    assert apply(parsed(text), example())[LABEL].shape == size


@pytest.mark.parametrize("size", [(45, 64), (22, 31), (100, 64), (45, 200), (13, 17)])
def test_nearest_takes_the_nearest_pixel_centre(size):
    """Against the definition: the pixel that holds the centre of the new one.

    A centre on the border of two pixels is in both; even places take the first, odd
    ones the second, so that halving does not shift the label.
    """
    label = np.random.default_rng(0).integers(0, 200, (45, 64), np.uint8)
    rows, columns = (
        [
            math.ceil(centre) - 1 if i % 2 == 0 else math.floor(centre)
            for i in range(new)
            for centre in [Fraction(2 * i + 1, 2) * old / new]
        ]
        for old, new in zip((45, 64), size, strict=True)
    )
    got = ops.geometry.resize(label, *size, nearest=True)
    np.testing.assert_array_equal(got, label[np.ix_(rows, columns)])


def test_flip_mirrors():
    given = example()
    out = apply(parsed("flip_lr(1)"), given)
    np.testing.assert_array_equal(out[LABEL], given[LABEL][:, ::-1])
    np.testing.assert_array_equal(out[IMAGE], given[IMAGE][:, ::-1])


def test_crop_avoids_windows_of_one_class_and_of_nothing():
    label = np.zeros((40, 400), np.uint8)
    label[:, 190:210] = 1
    given = {IMAGE: painted(label), LABEL: label}
    plain, choosy = parsed("crop(40, 40)"), parsed("crop(40, 40, 0.9, 200)")
    shares = {plain: [], choosy: []}
    for op, found in shares.items():
        for seed in range(20):
            cut = apply(op, given, seed)[LABEL]
            found.append(max(np.bincount(cut.ravel())) / cut.size)
    assert max(shares[choosy]) <= 0.9 < max(shares[plain])
    void = {IMAGE: given[IMAGE], LABEL: np.where(label == 1, label, IGNORE)}
    op = parsed("crop(40, 40, 1.0, 200)")
    assert all((apply(op, void, s)[LABEL] != IGNORE).any() for s in range(20))


ONE_OUTCOME = ["flip_lr(1.0)", "flip_lr(0.0)", "flip_ud(1.0)", "flip_ud(0.0)"]
ONE_OUTCOME += ["rotate90(0)"]


def test_random_ops_differ_between_seeds():
    for text in {t for texts in EXAMPLES.values() for t in texts}:
        if not ops.is_random(parsed(text)) or text in ONE_OUTCOME:
            continue
        made = {apply(parsed(text), example(), s)[IMAGE].tobytes() for s in range(8)}
        assert len(made) > 1, text


def test_color_jitter_of_strength_nothing_is_the_image():
    given = example()
    out = apply(parsed("color_jitter(0, 0, 0, 0)"), given)
    np.testing.assert_array_equal(out[IMAGE], given[IMAGE])


def test_color_jitter_brightness_is_a_factor():
    given = {IMAGE: np.full((4, 4, 3), 100, np.uint8)}
    rng = np.random.default_rng(1)
    factor = 1 + 0.5 * np.random.default_rng(1).uniform(-1, 1, 4)[0]
    out = parsed("color_jitter(0.5, 0, 0, 0)").random_map(given, rng)
    assert abs(int(out[IMAGE][0, 0, 0]) - 100 * factor) <= 0.5


def test_normalize_is_the_formula_in_numpy_and_jax():
    import jax

    images = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 3), np.uint8)
    mean, std = np.array((0.485, 0.456, 0.406)), np.array((0.229, 0.224, 0.225))
    want = (images / 255 - mean) / std
    normalize = parsed("normalize()")
    for got in (normalize(images), jax.jit(normalize)(images)):
        assert got.dtype == np.float32
        np.testing.assert_allclose(np.asarray(got), want, atol=2e-6)


def test_split():
    text = "flip_lr() | crop(8, 8) | normalize()"
    host, normalize = ops.split(opstring.parse(text, ops.OPS))
    assert [type(o).__name__ for o in host] == ["FlipLr", "Crop"]
    assert normalize == ops.Normalize()


@pytest.mark.parametrize(
    "text", ["", "flip_lr()", "normalize() | flip_lr()", "normalize() | normalize()"]
)
def test_split_refuses_a_string_that_does_not_end_in_normalize(text):
    with pytest.raises(UserError, match="must stand last, once"):
        ops.split(opstring.parse(text, ops.OPS))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scale(2.0, 1.0)", "min=2.0, max=1.0"),
        ("rescale(0)", "factor=0"),
        ("resize(0, 4)", "height=0"),
        ("crop(4, 4, 1.5)", "max_share=1.5"),
        ("crop(4, 4, retries=-1)", "retries=-1"),
        ("center_crop(4, -4)", "width=-4"),
        ("pad(0, 1)", "height=0"),
        ("pad_to_multiple(0)", "n=0"),
        ("flip_lr(2)", "p=2: must be in [0, 1]."),
        ("flip_ud(-1)", "p=-1"),
        ("rotate90(2)", "p=2"),
        ("rotate(181)", "degrees=181"),
        ("shift(1.5)", "rows=1.5"),
        ("shear(level=61)", "level=61"),
        ("affine((0.2, 1))", "scale=(0.2, 1): must be (low, high) with 0.5 <= low"),
        ("affine((2, 1))", "scale=(2, 1)"),
        ("affine(rotate=-1)", "rotate=-1"),
        ("perspective(0.25)", "strength=0.25"),
        ("elastic(100, 4)", "fold the image over itself"),
        ("elastic(sigma=0)", "sigma=0"),
        ("grid_distortion(1)", "cells=1"),
        ("cutout(0)", "holes=0"),
        ("cutout(fill=(0, 0, 256))", "fill=(0, 0, 256)"),
        ("class_crop(8, 8, (3, 255))", "classes=(3, 255)"),
        ("class_crop(8, 8, ())", "classes=()"),
        ("reflect_pad(0, 4)", "height=0: must be 1 or more."),
        ("fit(4, 0)", "width=0"),
        ("cutmix(1.1)", "p=1.1"),
        ("classmix(-1)", "p=-1"),
        ("mosaic(2)", "spread=2"),
        ("color_jitter(2)", "brightness=2"),
        ("color_jitter(hue=0.7)", "hue=0.7"),
        ("normalize(std=(1, 1, 0))", "std="),
        ("flip_rl()", "Did you mean 'flip_lr'"),
    ],
)
def test_bad_arguments_are_named(text, message):
    with pytest.raises(UserError, match="ops: ") as error:
        opstring.parse(text, ops.OPS)
    assert message in str(error.value)


@pytest.mark.parametrize(("name", "text"), HOST)
def test_a_clip_moves_as_one(name, text):
    """Three equal frames stay equal and become what the single image becomes."""
    op, one = parsed(text), example()
    clip = {**one, IMAGE: np.stack([one[IMAGE]] * 3)}
    still, moved = apply(op, one, 4), apply(op, clip, 4)
    assert moved[IMAGE].shape == (3, *still[IMAGE].shape)
    for frame in moved[IMAGE]:
        np.testing.assert_array_equal(frame, still[IMAGE])
    np.testing.assert_array_equal(moved[LABEL], still[LABEL])


@pytest.mark.parametrize(("name", "text"), HOST)
def test_frames_that_differ_move_alike(name, text):
    """A geometric op draws once: each frame goes where it would go alone."""
    op = parsed(text)
    one, two = example(1), example(2)
    clip = {**two, IMAGE: np.stack([one[IMAGE], two[IMAGE]])}
    moved = apply(op, clip, 4)[IMAGE]
    alone = apply(op, {**two, IMAGE: one[IMAGE]}, 4)[IMAGE]
    np.testing.assert_array_equal(moved[0], alone)
    np.testing.assert_array_equal(moved[1], apply(op, two, 4)[IMAGE])
