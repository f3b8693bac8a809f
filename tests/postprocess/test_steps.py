"""What every step of the table does, whatever it is for."""

import pathlib

import numpy as np
import pytest
from scipy import ndimage

from benchmarks import postprocess as postprocess_drawn
from segjax import postprocess
from segjax.core.errors import UserError
from segjax.postprocess import STEPS
from segjax.postprocess.chain import of_ids
from segjax.postprocess.step import OfIds

SIZES = [(1, 1), (1, 7), (6, 1), (5, 9), (16, 24)]

EXAMPLES = {
    "closing(1)": (2,),
    "closing(2, shape='square', classes=(2,))": (3, 12),
    "components(6)": (2, 3, 12),
    "components(9, connectivity=4, classes=(1,))": (2, 3, 12),
    "crf()": (2, 12),
    "crf(iterations=2, smoothness=0, appearance_px=5)": (3,),
    "crf(smoothness_px=1.5, appearance=0)": (3,),
    "dilation(1)": (2,),
    "dilation(2, classes=(2, 1))": (3, 12),
    "erosion(1)": (2,),
    "erosion(2, shape='square', classes=(0, 2))": (3, 12),
    "gaussian(1.5)": (2, 3, 12),
    "guided(2)": (2, 12),
    "guided(1, eps=0.1)": (3,),
    "holes(5)": (2, 3, 12),
    "holes(9, connectivity=4, classes=(0,))": (2, 3),
    "median(3)": (2,),
    "mode(3)": (2, 3),
    "mode(17)": (12,),
    "opening(1)": (2,),
    "opening(1, classes=(1,))": (3, 12),
    "split_merge(20)": (2, 3),
    "split_merge(7.5, min_size=3)": (12,),
}
"""Op string -> numbers of classes to try it with."""

CASES = [(text, K) for text, Ks in EXAMPLES.items() for K in Ks]

TWICE_AS_ONCE = (
    "closing",
    "components",
    "holes(5)-2",
    "holes(9",
    "opening",
    "split_merge",
)
"""Beginnings of examples that change nothing when they are done again."""

DIRECTED = ("crf", "split_merge")
"""Steps whose lattice or blocks begin at the upper left."""


def case(text: str, K: int, size: tuple[int, int] = (16, 24), seed: int = 0):
    """A step, blotches of K classes with noise, their shares and an image of them."""
    (step,) = postprocess.parse(text).steps
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((*size, K))
    logits = 4 * ndimage.gaussian_filter(logits, (2, 2, 0)) + 0.3 * logits
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    ids = shares.argmax(-1).astype(np.uint8)
    colours = rng.integers(0, 256, (K, 3))
    image = (colours[ids] + rng.integers(-20, 20, (*size, 3))).clip(0, 255)
    found = ids, shares.astype(np.float32), image.astype(np.uint8)
    for array in found:
        array.flags.writeable = False
    return step, *found


def done(step, ids, shares, image, K):
    seen = np.ascontiguousarray(image) if step.of_image else None
    if isinstance(step, OfIds):
        return step.ids(np.ascontiguousarray(ids), seen, K)
    return step.shares(np.ascontiguousarray(shares), seen)


def name(step) -> str:
    return str(step).partition("(")[0]


def test_every_step_has_an_example():
    assert {name(case(text, 3)[0]) for text in EXAMPLES} == set(STEPS)
    for text in EXAMPLES:
        assert isinstance(case(text, 3)[0], STEPS[text.partition("(")[0]])


def test_every_step_is_drawn_and_described():
    root = pathlib.Path(__file__).resolve().parents[2]
    text = (root / "docs" / "postprocess.md").read_text()
    for step in STEPS:
        assert f"`{step}(" in text
        assert any(drawn.startswith(f"{step}(") for drawn in postprocess_drawn.STEPS)
    assert (root / "docs" / "postprocess.webp").stat().st_size < 400_000


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_op_string_makes_the_step_again(text):
    assert str(postprocess.parse(text)) == text
    assert postprocess.parse(str(postprocess.parse(text))) == postprocess.parse(text)


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize(("text", "K"), CASES)
def test_what_comes_out_is_like_what_goes_in(text, K, size):
    step, ids, shares, image = case(text, K, size)  # read only, so it stays
    assert not step.problems(K)
    found = done(step, ids, shares, image, K)
    if isinstance(step, OfIds):
        assert found.shape == size and found.dtype == np.uint8
        assert set(np.unique(found)) <= set(np.unique(ids))
        assert found is not ids
    else:
        assert found.shape == shares.shape and found.dtype == np.float32
        assert (found >= 0).all()
        np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)
    np.testing.assert_array_equal(found, done(step, ids, shares, image, K))


@pytest.mark.parametrize(("text", "K"), CASES)
def test_it_does_something(text, K):
    before = [case(text, K, seed=seed) for seed in range(3)]
    changed = [
        (
            done(*given, K) != (given[1] if isinstance(given[0], OfIds) else given[2])
        ).any()
        for given in before
    ]
    assert any(changed)


@pytest.mark.parametrize(("text", "K"), CASES)
def test_a_map_of_one_class_stays(text, K):
    *_, image = case(text, K)
    for k in (0, K - 1):
        ids = np.full(image.shape[:2], k, np.uint8)
        found = postprocess.parse(text).apply(
            ids, K, image=image, shares=of_ids(ids, K)
        )
        np.testing.assert_array_equal(found, ids)


@pytest.mark.parametrize(
    ("text", "K"), [c for c in CASES if f"{c[0]}-{c[1]}".startswith(TWICE_AS_ONCE)]
)
def test_some_change_nothing_when_done_again(text, K):
    for seed in range(5):
        step, ids, shares, image = case(text, K, seed=seed)
        once = done(step, ids, shares, image, K)
        np.testing.assert_array_equal(done(step, once, shares, image, K), once)


TURNS = {
    "transposed": lambda a: a.swapaxes(0, 1),
    "mirrored": lambda a: a[:, ::-1],
    "upside down": lambda a: a[::-1],
}


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize(
    ("text", "K"), [c for c in CASES if not c[0].startswith(DIRECTED)]
)
def test_it_is_the_same_turned_round(text, K, turn):
    for size in ((16, 24), (5, 9)):
        step, *given = case(text, K, size, seed=3)
        turned = TURNS[turn](done(step, *given, K))
        found = done(step, *map(TURNS[turn], given), K)
        if isinstance(step, OfIds):
            np.testing.assert_array_equal(found, turned)
        else:
            np.testing.assert_allclose(found, turned, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("closing(0)", "radius=0"),
        ("dilation(1, shape='star')", "square"),
        ("opening(1, classes=())", "names no class"),
        ("components(0)", "min_area=0"),
        ("components(5, connectivity=6)", "4 or 8"),
        ("holes(0)", "max_area=0"),
        ("crf(iterations=0)", "iterations=0"),
        ("crf(smoothness=-1)", "smoothness=-1"),
        ("crf(smoothness=0, appearance=0)", "nothing is left"),
        ("crf(appearance_colour=0.1)", "appearance_colour=0.1"),
        ("guided(0)", "radius=0"),
        ("guided(2, eps=0)", "eps=0"),
        ("split_merge(-1)", "tolerance=-1"),
        ("split_merge(1, min_size=0)", "min_size=0"),
    ],
)
def test_values_out_of_range_are_refused(text, words):
    with pytest.raises(UserError) as error:
        postprocess.parse(text, "--postprocess")
    (problem,) = error.value.problems
    assert problem.startswith("--postprocess") and words in problem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("median(3)", "two classes"),
        ("opening(2)", "classes=(1,)"),
        ("erosion(2, classes=(1, 5))", "no class 5"),
        ("components(9, classes=(7,))", "no class 7"),
        ("holes(9, classes=(-1,))", "no class -1"),
    ],
)
def test_steps_that_are_not_for_the_classes_are_told(text, words):
    (problem,) = postprocess.parse(text).problems(3, "here")
    assert problem.startswith(f"here: {text}: ") and words in problem
