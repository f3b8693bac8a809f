"""A few shapes for images of all sizes."""

import jax
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.models import MODELS
from segjax.predict.protocol import parse
from segjax.train import compiled
from tests.predict import test_windowed as windowed

BUCKETS = "buckets((16, 24), (40, 12))"
HELD = [(33, 9), (16, 24), (5, 9), (13, 22), (37, 12), (16, 21)]
"""Of one bucket or the other; two are padded by `whole` to more than their bucket."""
LARGE = [(33, 50), (16, 61), (41, 12), (90, 30)]


@pytest.fixture(scope="module")
def variables():
    return windowed.Net().init(jax.random.key(1), np.zeros((1, 4, 4, 3), np.float32))


def predicted(variables, text, sizes, monkeypatch):
    monkeypatch.setattr(windowed, "SIZES", sizes)
    return windowed.predict_all(monkeypatch, variables, text)


def padded(size):
    return tuple(-(-n // 4) * 4 for n in size)


def test_an_image_that_fills_a_bucket_is_answered_as_a_whole(variables, monkeypatch):
    sizes = [s for s in HELD if padded(s) in ((16, 24), (40, 12))]
    assert len(sizes) == 4
    whole = predicted(variables, "whole()", sizes, monkeypatch)
    found = predicted(variables, BUCKETS, sizes, monkeypatch)
    for i in range(len(sizes)):
        np.testing.assert_array_equal(found[i].ids, whole[i].ids)


@pytest.mark.parametrize("size", LARGE)
def test_a_larger_one_goes_in_windows_of_the_largest(size, variables, monkeypatch):
    way = "slide(40, 12, overlap=0.25)"
    expected = predicted(variables, way, [size], monkeypatch)[0]
    found = predicted(variables, BUCKETS, [size], monkeypatch)[0]
    np.testing.assert_array_equal(found.ids, expected.ids)


def test_neighbours_and_order_change_nothing(variables, monkeypatch):
    sizes = [s for pair in zip(HELD, [*LARGE, *LARGE], strict=False) for s in pair]
    found = predicted(variables, BUCKETS, sizes, monkeypatch)
    assert sorted(found) == list(range(len(sizes)))
    for i, size in enumerate(sizes):
        with monkeypatch.context() as patched:
            example = windowed.example(size, i)
            patched.setattr(windowed, "example", lambda *_, e=example: e)
            (alone,) = predicted(variables, BUCKETS, [size], patched).values()
        np.testing.assert_array_equal(found[i].ids, alone.ids)
        np.testing.assert_array_equal(found[i].counts, alone.counts)


def test_there_is_one_program_a_bucket(variables, monkeypatch):
    before = compiled.counts()
    predicted(variables, BUCKETS, HELD + LARGE, monkeypatch)
    assert (compiled.counts() - before)["forward"] == 2


def test_mistakes_are_told():
    for text in ("buckets()", "buckets((0, 4))", "buckets((4, 4), (4, 4))"):
        with pytest.raises(UserError):
            parse(text)
    assert parse("buckets(sizes=((8, 8),))").name == "buckets((8, 8))"
    model = MODELS["unet"](2, depth=2)
    assert not parse("buckets((8, 16), (32, 4))").problems(model, "here")
    (problem,) = parse("buckets((8, 16), (32, 5))").problems(model, "here")
    assert "width 5" in problem and "4 or 8" in problem
