"""The order of steps, and how probabilities and classes pass between them."""

import dataclasses

import numpy as np
import pytest

from segjax import postprocess
from segjax.core.errors import UserError
from segjax.postprocess.chain import CERTAINTY, Chain
from segjax.postprocess.step import OfIds, OfShares


@dataclasses.dataclass(frozen=True)
class Raise(OfIds):
    of_image = True

    def ids(self, ids, image, num_classes):
        assert image is not None
        return ((ids + 1) % num_classes).astype(np.uint8)


@dataclasses.dataclass(frozen=True)
class Note(OfShares):
    heard: list

    def shares(self, shares, image):
        assert image is None
        self.heard.append(shares)
        return shares[..., ::-1]


IDS = np.array([[0, 1, 2], [2, 2, 0]], np.uint8)
IMAGE = np.zeros((2, 3, 3), np.uint8)


def test_nothing_changes_nothing():
    chain = postprocess.parse("")
    assert not chain and str(chain) == ""
    np.testing.assert_array_equal(chain.apply(IDS, 3), IDS)


def test_what_a_chain_needs():
    of_ids, of_shares = Raise(), Note([])
    assert not Chain((of_ids, of_shares)).of_shares  # the classes are known by then
    assert Chain((of_shares, of_ids)).of_shares
    assert Chain((of_shares, of_ids)).of_image and not Chain((of_shares,)).of_image


def test_classes_become_probabilities_and_back():
    heard = []
    chain = Chain((Raise(), Note(heard), Raise()))
    found = chain.apply(IDS, 3, image=IMAGE)
    raised = (IDS + 1) % 3
    np.testing.assert_allclose(heard[0].sum(-1), 1, atol=1e-6)
    np.testing.assert_array_equal(heard[0].argmax(-1), raised)
    np.testing.assert_allclose(heard[0].max(-1), CERTAINTY)
    np.testing.assert_array_equal(found, (2 - raised + 1) % 3)


@pytest.mark.parametrize(("threshold", "expected"), [(0.5, 1), (0.7, 0)])
def test_two_classes_are_decided_by_the_threshold(threshold, expected):
    shares = np.array([[[0.6, 0.4]]], np.float32)
    chain = Chain((Note([]),))
    ids = chain.apply(IDS[:1, :1], 2, shares=shares, threshold=threshold)
    assert ids.item() == expected and ids.dtype == np.uint8


def test_the_name_is_the_same_for_all_that_mean_the_same():
    text = "mode(size=3)|gaussian(2.0)"
    assert str(postprocess.parse(text)) == "mode(3) | gaussian(2)"


def test_mistakes_are_told():
    with pytest.raises(UserError) as error:
        postprocess.parse("medain(3) | mode(4) | gaussian(0)", "--postprocess")
    told = error.value.problems
    assert "median" in told[0] and "odd" in told[1] and "above 0" in told[2]
    (problem,) = postprocess.parse("median(3)").problems(3, "here")
    assert "mode(3)" in problem
