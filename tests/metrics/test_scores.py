"""Scores against hand-worked values, scikit-learn, and the table of conventions."""

import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.metrics import scores

# Class 2 is predicted but never true; class 3 is absent.
TOY = np.asarray([[900, 50, 10, 0], [40, 500, 0, 0], [0] * 4, [0] * 4], np.int64)


@pytest.mark.parametrize(
    ("convention", "miou", "mean_dice"),
    [
        ("union", 0.582, 0.622),
        ("truth", 0.874, 0.932),
        ("absent_is_one", 0.687, 0.466),
        ("absent_is_zero", 0.437, 0.466),
        ("strict", np.nan, np.nan),
        ("cityscapes", 0.582, 0.622),
        ("micro", 0.875, 0.933),
        ("per_image", 0.874, 0.932),
        ("foreground", np.nan, np.nan),
        ("foreground_pooled", 0.424, 0.459),
    ],
)
def test_one_prediction_many_means(convention, miou, mean_dice):
    found = scores.summary(TOY[None], convention)
    np.testing.assert_allclose(found["miou"], miou, atol=5e-4)
    np.testing.assert_allclose(found["mean_dice"], mean_dice, atol=5e-4)


def test_every_convention_is_in_the_test_above_and_has_a_sentence():
    assert set(scores.CONVENTIONS) == {
        mark.args[1][i][0]
        for mark in test_one_prediction_many_means.pytestmark
        for i in range(len(mark.args[1]))
    }
    assert all(
        sentence.startswith(("mean over", "no mean over"))
        for sentence in scores.CONVENTIONS.values()
    )


@pytest.mark.parametrize(
    ("system", "miou"),
    [
        ("mmsegmentation", 0.582),
        ("scenic", 0.582),
        ("Keras", 0.582),
        ("detectron2", 0.874),
        ("PaddleSeg", 0.687),
        ("torchvision", np.nan),
        ("segmentation_models_pytorch, macro", 0.437),
        ("segmentation_models_pytorch, micro", 0.875),
        ("cityscapesScripts", 0.582),
        ("MONAI", 0.874),
        ("nnU-Net", np.nan),
    ],
)
def test_every_system_is_named_by_the_sentence_of_its_rule(system, miou):
    (name,) = [n for n, text in scores.CONVENTIONS.items() if system in text]
    np.testing.assert_allclose(scores.miou(TOY[None], name), miou, atol=5e-4)


def test_per_class_by_hand():
    np.testing.assert_array_equal(scores.iou(TOY), [900 / 1000, 500 / 590, 0, np.nan])
    np.testing.assert_array_equal(
        scores.dice(TOY), [1800 / 1900, 1000 / 1090, 0, np.nan]
    )
    np.testing.assert_array_equal(
        scores.precision(TOY), [900 / 940, 500 / 550, 0, np.nan]
    )
    np.testing.assert_array_equal(
        scores.recall(TOY), [900 / 960, 500 / 540, np.nan, np.nan]
    )


def test_summary_by_hand():
    found = scores.summary(TOY)
    assert list(found) == list(scores.METRICS)
    assert found["pixel_accuracy"] == 1400 / 1500
    assert found["class_accuracy"] == (900 / 960 + 500 / 540) / 2
    assert found["mean_recall"] == (900 / 960 + 500 / 540) / 3
    assert found["mean_precision"] == (900 / 940 + 500 / 550) / 3
    np.testing.assert_allclose(
        found["frequency_weighted_iou"], (960 * 0.9 + 540 * 500 / 590) / 1500
    )


def test_binary_foreground_is_class_1():
    counts = np.asarray([[80, 5], [3, 12]], np.int64)
    assert scores.iou(counts)[1] == 12 / 20
    assert scores.dice(counts)[1] == 24 / 32
    np.testing.assert_allclose(scores.dice(counts)[1], 2 * 0.6 / 1.6)


def test_scores_equal_scikit_learn():
    """Its macro mean over labels that occur is `union`; over all, `absent_is_zero`."""
    sklearn = pytest.importorskip("sklearn.metrics")
    for seed in range(5):
        rng = np.random.default_rng(seed)
        true = rng.choice([0, 1, 2, 4], 300)  # 3 is only predicted, 5 is absent
        predicted = np.where(rng.random(300) < 0.6, true, rng.choice([0, 1, 3], 300))
        counts = sklearn.confusion_matrix(true, predicted, labels=range(6))
        for convention, labels in (("union", None), ("absent_is_zero", range(6))):
            options = {"labels": labels, "average": "macro", "zero_division": 0}
            found = scores.summary(counts, convention)
            for name, function in (
                ("miou", sklearn.jaccard_score),
                ("mean_dice", sklearn.f1_score),
                ("mean_precision", sklearn.precision_score),
                ("mean_recall", sklearn.recall_score),
            ):
                expected = function(true, predicted, **options)
                np.testing.assert_allclose(found[name], expected, rtol=1e-12)
            assert found["pixel_accuracy"] == sklearn.accuracy_score(true, predicted)


def test_other_predictions_are_missed_or_dropped():
    counts = np.asarray([[6, 2, 4], [1, 3, 0]], np.int64)  # 4 pixels of no class
    np.testing.assert_array_equal(scores.iou(counts), [6 / 13, 3 / 6])
    np.testing.assert_array_equal(scores.recall(counts), [6 / 12, 3 / 4])
    np.testing.assert_array_equal(scores.precision(counts), [6 / 7, 3 / 5])
    assert scores.miou(counts, "cityscapes") == (6 / 13 + 3 / 6) / 2
    assert scores.miou(counts, "truth") == (6 / 9 + 3 / 6) / 2
    assert scores.pixel_accuracy(counts) == 9 / 16
    assert scores.pixel_accuracy(counts, "truth") == 9 / 12


def test_leading_axes_are_images():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 9, (3, 4, 4)).astype(np.int32)
    for score in (scores.iou, scores.dice, scores.precision, scores.recall):
        np.testing.assert_array_equal(score(counts), [score(c) for c in counts])


def test_counts_beyond_32_bits():
    big = TOY * 10**9
    assert scores.summary(big) == pytest.approx(scores.summary(TOY), rel=1e-12)


ABSENT_HAS_A_SCORE = {"absent_is_one", "absent_is_zero"}


@pytest.mark.parametrize(
    "convention", [c for c in scores.CONVENTIONS if c not in ABSENT_HAS_A_SCORE]
)
def test_no_pixels_are_nan(convention):
    found = scores.summary(np.zeros((2, 3, 3), np.int64), convention)
    assert all(np.isnan(v) for v in found.values())


@pytest.mark.parametrize("convention", scores.CONVENTIONS)
def test_perfect_is_one_and_values_are_floats(convention):
    found = scores.summary(np.diag([5, 2, 9]).astype(np.int64)[None], convention)
    assert found == dict.fromkeys(scores.METRICS, 1.0)
    assert all(type(v) is float for v in scores.summary(TOY[None], convention).values())


def test_means_are_added_from_first_to_last_as_the_official_tools_do():
    pairwise_differs = False
    for seed in range(20):
        counts = np.random.default_rng(seed).integers(1, 10**6, (19, 19))
        total = 0.0
        for value in scores.iou(counts):
            total += float(value)
        assert scores.miou(counts) == total / 19
        pairwise_differs |= total / 19 != np.mean(scores.iou(counts))
    assert pairwise_differs


def test_unknown_convention_is_refused():
    with pytest.raises(UserError, match="Did you mean 'union'"):
        scores.summary(TOY, "unions")


# Two images: class 2 is in the second alone, class 1 of the first is never found.
PAIR = np.asarray(
    [[[6, 0, 0], [2, 0, 0], [0, 0, 0]], [[4, 1, 0], [0, 3, 0], [0, 1, 1]]], np.int64
)


def test_means_over_images_by_hand():
    first, second = [6 / 8, 0], [4 / 5, 3 / 5, 1 / 2]
    means = {
        "per_image": (np.mean(first) + np.mean(second)) / 2,
        "foreground": ((0 + 3 / 5) / 2 + 1 / 2) / 2,  # class 2: of the second alone
        "foreground_pooled": (3 / 7 + 1 / 2) / 2,
        "micro": 14 / (14 + 4 + 4),
        "union": (10 / 13 + 3 / 7 + 1 / 2) / 3,
    }
    for convention, expected in means.items():
        assert scores.miou(PAIR, convention) == pytest.approx(expected, rel=1e-12)


def test_an_image_counts_the_classes_true_in_it():
    """Class 1 is predicted in an image without it: no term there, as with MONAI."""
    counts = np.asarray([[[3, 1], [0, 0]], [[2, 0], [1, 1]]], np.int64)
    assert scores.miou(counts, "per_image") == (3 / 4 + (2 / 3 + 1 / 2) / 2) / 2
    assert scores.miou(counts, "foreground") == (0 + 1 / 2) / 2
    blank = np.concatenate([counts, np.zeros((1, 2, 2), np.int64)])  # nothing valid
    for convention in ("per_image", "foreground"):
        assert scores.miou(blank, convention) == scores.miou(counts, convention)


@pytest.mark.parametrize("convention", ["per_image", "foreground"])
def test_a_mean_over_images_is_not_made_of_their_sum(convention):
    with pytest.raises(UserError, match="give those of each"):
        scores.miou(TOY, convention)


@pytest.mark.parametrize(
    "convention", [c for c, r in scores.RULES.items() if r.images == "together"]
)
def test_other_means_are_the_same_of_images_and_of_their_sum(convention):
    found = scores.summary(PAIR.astype(np.int32), convention)
    assert found == scores.summary(PAIR.sum(0), convention)


def test_micro_per_image_and_foreground_equal_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(7)
    counts, macros, classes = [], [], []
    every_true, every_predicted = [], []
    for present in ([0, 1, 3], [0, 2], [1, 2, 3], [0, 1]):
        true = rng.choice(present, 200)
        predicted = np.where(rng.random(200) < 0.7, true, rng.choice([0, 1, 2], 200))
        counts.append(sklearn.confusion_matrix(true, predicted, labels=range(4)))
        macros.append(
            sklearn.jaccard_score(true, predicted, labels=present, average="macro")
        )
        dice = sklearn.f1_score(  # its Jaccard cannot say that a class is absent
            true, predicted, labels=range(4), average=None, zero_division=np.nan
        )
        classes.append(dice / (2 - dice))
        every_true.append(true)
        every_predicted.append(predicted)
    pooled = np.concatenate(every_true), np.concatenate(every_predicted)
    expected = {
        "micro": sklearn.jaccard_score(*pooled, average="micro"),
        "per_image": np.mean(macros),
        "foreground": np.nanmean(classes, axis=0)[1:].mean(),
        "foreground_pooled": sklearn.jaccard_score(
            *pooled, labels=[1, 2, 3], average="macro"
        ),
    }
    for convention, value in expected.items():
        found = scores.miou(np.stack(counts), convention)
        np.testing.assert_allclose(found, value, rtol=1e-12)
    found = scores.mean_dice(np.stack(counts), "micro")
    np.testing.assert_allclose(found, sklearn.f1_score(*pooled, average="micro"))
