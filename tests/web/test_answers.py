import io

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from sklearn import metrics

from segjax.core.info import DatasetInfo
from segjax.web import answers
from segjax.web.refused import Refused

rng = np.random.default_rng(0)


def info(classes):
    names = tuple(f"class {k}" for k in range(classes))
    return DatasetInfo("made", names, tuple((k, 9, 9) for k in range(classes)))


@pytest.fixture
def shares():
    values = rng.random((6, 7, 5)).astype(np.float32) ** 3
    values[0, 0] = [0, 1, 0, 0, 0]
    values[0, 1] = 0.2
    return values / values.sum(-1, keepdims=True)


def test_confidence_and_entropy_are_those_of_the_books(shares):
    confidence, entropy = answers.confidence(shares), answers.entropy(shares)
    assert np.abs(confidence / 255 - shares.max(-1)).max() < 0.003
    expected = stats.entropy(shares, axis=-1, base=5)
    assert np.abs(entropy / 255 - expected).max() < 0.003
    assert (confidence[0, 0], entropy[0, 0]) == (255, 0)
    assert (confidence[0, 1], entropy[0, 1]) == (51, 255)


def test_ids_are_a_grey_picture_or_one_with_the_palette():
    ids = rng.integers(0, 4, (5, 6), np.uint8)
    grey = Image.open(io.BytesIO(answers.grey(ids)))
    coloured = Image.open(io.BytesIO(answers.palette(ids, info(4))))
    assert (grey.mode, coloured.mode) == ("L", "P")
    assert np.array_equal(np.array(grey), ids)
    assert np.array_equal(np.array(coloured), ids)
    assert np.array_equal(np.array(coloured.convert("RGB")), info(4).palette()[ids])


def test_scores_are_those_of_scikit_learn():
    truth = rng.integers(0, 4, (20, 20), np.uint8)
    ids = np.where(rng.random((20, 20)) < 0.6, truth, 4).astype(np.uint8)
    truth[:3] = 255
    found = answers.scored(ids, truth, info(6))
    valid = truth != 255
    kept = [0, 1, 2, 3, 4]
    iou = metrics.jaccard_score(truth[valid], ids[valid], average=None, labels=kept)
    dice = metrics.f1_score(truth[valid], ids[valid], average=None, labels=kept)
    assert [c["id"] for c in found["classes"]] == kept  # class 5 is nowhere
    assert [c["iou"] for c in found["classes"]] == pytest.approx(iou)
    assert [c["dice"] for c in found["classes"]] == pytest.approx(dice)
    assert [c["true"] for c in found["classes"]] == [True] * 4 + [False]
    assert found["miou"] == pytest.approx(iou[:4].mean())
    assert found["mean_dice"] == pytest.approx(dice[:4].mean())
    assert found["pixel_accuracy"] == pytest.approx((truth == ids)[valid].mean())


def test_a_reference_of_ignored_pixels_alone_scores_nothing():
    ids, truth = np.zeros((4, 4), np.uint8), np.full((4, 4), 255, np.uint8)
    found = answers.scored(ids, truth, info(3))
    assert found["classes"] == []
    assert found["miou"] is found["pixel_accuracy"] is None


def test_errors_tell_right_wrong_and_ignored():
    ids = np.array([[0, 1, 2]], np.uint8)
    truth = np.array([[0, 2, 255]], np.uint8)
    assert answers.errors(ids, truth).tolist() == [[0, 1, 255]]


@pytest.mark.parametrize(
    ("classes", "mask", "expected"),
    [
        (2, [[0, 255]], [[0, 1]]),
        (2, [[255, 255]], [[1, 1]]),
        (2, [[0, 1]], [[0, 1]]),
        (2, [[1, 255]], [[1, 255]]),  # an ignored pixel, as there is a 1
        (3, [[0, 255]], [[0, 255]]),
    ],
)
def test_black_and_white_are_two_classes_only_where_they_can_be(
    classes, mask, expected
):
    mask = np.array(mask, np.uint8)
    assert answers.understood(mask, (1, 2), info(classes)).tolist() == expected


@pytest.mark.parametrize(
    ("mask", "size", "word"),
    [([[0, 3]], (1, 2), "ids 3"), ([[0, 1]], (2, 1), "1 rows and 2 columns")],
)
def test_a_reference_that_does_not_fit_is_refused(mask, size, word):
    with pytest.raises(Refused) as error:
        answers.understood(np.array(mask, np.uint8), size, info(3))
    assert error.value.code == "bad_reference"
    assert word in error.value.message


def test_shares_of_classes_add_up():
    assert answers.class_shares(np.array([[0, 2, 2, 2]], np.uint8), 3) == [
        0.25,
        0,
        0.75,
    ]
