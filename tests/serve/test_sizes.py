"""The sizes of programs: few, legal, and not wasteful."""

import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.core.pixels import RGB
from segjax.data.ops.geometry import Rescale, Resize
from segjax.models import MODELS
from segjax.predict.ways import Buckets
from segjax.serve import sizes

MODEL = MODELS["unet"](num_outputs=2, width=2, depth=4)  # stride 16
VALID = MODELS["valid_unet"](num_outputs=2, width=2, depth=2)


def chosen(images, ops=(), model=MODEL):
    return sizes.choose(images, ops, RGB, model)


def test_images_of_one_size_have_it_and_its_turn():
    assert chosen([(360, 480)] * 100) == ((368, 480), (480, 368))
    assert chosen([(64, 64)] * 3) == ((64, 64),)


def test_the_ops_count():
    assert chosen([(720, 960)] * 9, [Rescale(0.5)]) == ((368, 480), (480, 368))
    assert chosen([(720, 960), (50, 60)], [Resize(96, 128)]) == ((96, 128),)


def test_what_spares_a_tenth_is_added():
    images = [(480, 640)] * 5 + [(96, 128)] * 95
    assert chosen(images) == ((96, 128), (480, 640), (640, 480))


def test_there_are_four_at_most_and_every_image_is_held():
    rng = np.random.default_rng(0)
    images = [tuple(rng.integers(40, 900, 2)) for _ in range(300)]
    images = [(int(h), int(w)) for h, w in images]
    found = chosen(images)
    assert 2 <= len(found) <= sizes.MOST
    assert not Buckets(found).problems(MODEL, "here")
    for height, width in images:
        assert any(height <= a and width <= b for a, b in found)


def test_huge_images_go_in_windows():
    for model in (MODEL, VALID):
        found = chosen([(4000, 6000)] * 3, model=model)
        assert not Buckets(found).problems(model, "here")
        assert all(h * w <= sizes.MOST_PIXELS for h, w in found)
        assert all(h * w > 0.9 * sizes.MOST_PIXELS for h, w in found)
        assert abs(found[0][1] / found[0][0] - 1.5) < 0.1 or found[0][0] > found[0][1]


def test_margins_are_covered():
    found = chosen([(30, 44)], model=VALID)
    assert all(VALID.input_side(n - 2 * VALID.margin) == n for s in found for n in s)


def test_a_text_of_sizes():
    assert sizes.of("192x256,384X512") == ((192, 256), (384, 512))
    for text in ("192", "axb", "1x2x3", ""):
        with pytest.raises(UserError, match="no size"):
            sizes.of(text)
