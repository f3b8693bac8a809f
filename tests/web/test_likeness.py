"""Features of recent pictures beside those of a model's reference."""

import numpy as np
import pytest

from segjax.web.likeness import Likeness

statistics = pytest.importorskip("segjax.serve.statistics")

NAMES = ("sky", "road", "car")
rng = np.random.default_rng(0)


def picture(bright):
    image = (bright * rng.random((20, 30, 3))).astype(np.uint8)
    shares = rng.dirichlet((1, 1, 1), (20, 30)).astype(np.float32)
    return image, shares.argmax(-1).astype(np.uint8), shares


@pytest.fixture(scope="module")
def likeness():
    pictures = [picture(200) for _ in range(60)]
    images = [statistics.of_image(p[0]) for p in pictures]
    answers = [statistics.of_answer(*p[1:], NAMES) for p in pictures]
    return Likeness(statistics.collected(images, answers), NAMES)


@pytest.mark.parametrize(("bright", "drifted"), [(200, False), (90, True)])
def test_dark_pictures_are_told_from_others(likeness, bright, drifted):
    recent = [likeness.features(*picture(bright)) for _ in range(60)]
    found = likeness.verdict(recent)
    assert found["drifted"] is drifted
    assert found["pictures"] == 60
    by_name = {f["name"]: f for f in found["features"]}
    luminance = by_name["luminance"]
    assert luminance["drifted"] is drifted
    assert luminance["training"] == sorted(luminance["training"])
    middle = luminance["recent"][2]
    assert middle == pytest.approx(bright / 2 / 255, rel=0.05)
    assert not by_name["share of car"]["drifted"]


def test_few_pictures_tell_nothing(likeness):
    found = likeness.verdict([likeness.features(*picture(90))])
    assert not found["drifted"] and "are needed" in found["verdict"]


def test_without_a_reference_nothing_is_measured():
    likeness = Likeness({}, NAMES)
    assert likeness.features(*picture(90)) == {}
    assert likeness.verdict([])["drifted"] is False
