"""Drift is told where there is some, and not where there is none."""

import numpy as np
import pytest

from segjax.data import datasets
from segjax.data.ops import OPS
from segjax.serve import statistics


def streets(split, number, **more):
    source = datasets.make("streets", split, size=(24, 32), **more)
    return [source[i]["image"] for i in range(number)]


@pytest.fixture(scope="module")
def known():
    images = streets("train", 40, num_train=40, num_val=1)
    return statistics.reference(
        statistics.collected([statistics.of_image(image) for image in images], [])
    )


@pytest.fixture(scope="module")
def held_out():
    return streets("val", 30, num_train=1, num_val=30)


def measured(images):
    return [statistics.of_image(image) for image in images]


def test_features_of_images_that_are_known_by_hand():
    flat = np.full((8, 8, 3), 51, np.uint8)
    found = statistics.of_image(flat)
    assert found["luminance"] == pytest.approx(0.2)
    assert found["contrast"] == pytest.approx(0, abs=1e-6)
    assert found["sharpness"] == found["saturation"] == 0
    red = np.zeros((8, 8, 3), np.uint16)
    red[..., 0] = 65535
    found = statistics.of_image(red)
    assert found["saturation"] == found["channel 0"] == 1
    assert found["luminance"] == pytest.approx(0.299)
    stripes = np.tile([0.0, 1.0], (8, 4)).astype(np.float32)[..., None]
    found = statistics.of_image(stripes)
    assert found["contrast"] == pytest.approx(0.5)
    assert found["sharpness"] == pytest.approx(2 / 0.5)
    assert "saturation" not in found
    many = np.zeros((4, 4, 40), np.float32)
    assert len([n for n in statistics.of_image(many) if n.startswith("channel")]) == 16


def test_features_of_answers_that_are_known_by_hand():
    shares = np.zeros((2, 2, 4), np.float32)
    shares[..., 1] = 1
    found = statistics.of_answer(shares.argmax(-1).astype(np.uint8), shares, "abcd")
    assert found["confidence"] == 1 and found["entropy"] == pytest.approx(0, abs=1e-6)
    assert found["share of b"] == 1 and found["share of a"] == 0
    even = np.full((2, 2, 4), 0.25, np.float32)
    ids = np.array([[0, 0], [1, 3]], np.uint8)
    found = statistics.of_answer(ids, even, "abcd")
    assert found["entropy"] == pytest.approx(1)
    assert found["share of a"] == 0.5
    assert "entropy" not in statistics.of_answer(ids, None, "abcd")


def test_held_out_images_are_no_drift(known, held_out):
    found = statistics.verdict(known, measured(held_out))
    assert not found.drifted
    assert str(found) == "30 images, like those that the model learnt from."
    assert {f.feature for f in found.findings} == set(known)


@pytest.mark.parametrize("op", ["night(p=1.0)", "blur(2.0, 2.0, p=1.0)"])
def test_changed_images_are(known, held_out, op):
    from segjax.core import opstring

    (change,) = opstring.parse(op, OPS)
    rng = np.random.default_rng(0)
    changed = [change.random_map({"image": i}, rng)["image"] for i in held_out]
    found = statistics.verdict(known, measured(changed))
    assert found.drifted
    feature = "luminance" if op.startswith("night") else "sharpness"
    (told,) = [f for f in found.findings if f.feature == feature]
    assert told.drifted and told.recent < told.reference
    assert f"{feature}: lower" in str(found)


def test_images_of_another_kind_are(known):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (40, 24, 32, 3)).astype(np.uint8)
    assert statistics.verdict(known, measured(noise)).drifted


def test_few_images_give_no_verdict(known, held_out):
    found = statistics.verdict(known, measured(held_out[:29]))
    assert not found.drifted and not found.findings
    assert "30 are needed" in str(found)
    assert not statistics.verdict({}, measured(held_out)).drifted


def test_false_alarms_are_as_rare_as_is_said():
    """Of 300 draws 15 may be: 26 is where chance would end, by the binomial."""
    names, alarms = [f"feature {i}" for i in range(8)], 0
    for draw in range(300):
        rng = np.random.default_rng(draw)
        known = {name: rng.normal(size=200) for name in names}
        recent = [dict(zip(names, rng.normal(size=8), strict=True)) for _ in range(60)]
        alarms += statistics.verdict(known, recent).drifted
    assert alarms <= 26


def test_a_small_change_is_not_worth_telling():
    """Though it is there, and many images show it."""
    rng = np.random.default_rng(0)
    known = {"luminance": rng.normal(size=512)}
    recent = [{"luminance": x} for x in rng.normal(0.25, size=5000)]
    (found,) = statistics.verdict(known, recent).findings
    assert found.p < 0.01 and not found.drifted


def test_what_is_kept_is_what_is_read(model):
    reference = statistics.reference(model.statistics)
    assert all(v.dtype == np.float64 for v in reference.values())
    assert statistics.reference({}) == {}
