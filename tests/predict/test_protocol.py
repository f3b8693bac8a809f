"""What a protocol may say, what it is called, and which models it does not fit."""

import jax.numpy as jnp
import numpy as np
import pytest

from segjax import config
from segjax.core.errors import UserError
from segjax.models import MODELS
from segjax.predict.protocol import parse

UNET = MODELS["unet"](num_outputs=2, width=2, depth=4)  # sides divide by 16
VALID = MODELS["valid_unet"](num_outputs=2, width=2)  # 188 + 16 n, of which 92 are lost


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("whole()", "whole()"),
        ("slide(64, 128)", 'slide(64, 128, overlap=0.5, weights="gaussian")'),
        (
            "slide(64, 128, 0.25, 'uniform')",
            'slide(64, 128, overlap=0.25, weights="uniform")',
        ),
        ("tile(512, 512, 96)", "tile(512, 512, margin=96)"),
        (
            "whole()|scales(0.5, 1.0, 1.5)|flip()",
            "whole() | flip() | scales(0.5, 1, 1.5)",
        ),
        ("whole() | scales(1.0)", "whole()"),
        ("whole() | scales(factors=(1, 2))", "whole() | scales(1, 2)"),
    ],
)
def test_a_name_says_all_and_is_read_again(text, name):
    assert parse(text).name == name
    assert parse(name) == parse(text)


def test_looks_are_each_scale_upright_and_mirrored():
    looks = parse("whole() | scales(0.5, 1) | flip()").looks
    assert looks == ((0.5, False), (0.5, True), (1, False), (1, True))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["names no way over the image"]),
        ("flip()", ["names no way over the image"]),
        ("whole() | slide(2, 2)", ["names whole() and slide(2, 2"]),
        ("tile(8, 8, 0) | tile(8, 8, 4)", ["margin=0) and tile"]),
        ("flip() | whole()", ["not as the first"]),
        ("whole() | flip() | flip()", ["repeats"]),
        ("slid(2, 2)", ["Did you mean 'slide'?"]),
        ("slide(2)", ["slide(2).width: is missing"]),
        ("slide(0, 4, overlap=1)", ["height=0: must be 1", "overlap=1: must be"]),
        ("slide(4, 4, weights='x')", ["'gaussian' or 'uniform' is allowed"]),
        ("tile(4, 4, margin=-1)", ["margin=-1: must be 0 or more"]),
        ("whole() | scales()", ["no scale"]),
        ("whole() | scales(1, 'a')", ["factors=(1, 'a')"]),
        ("whole() | scales(1, 1, -1)", ["1: is there twice", "-1: a scale must"]),
    ],
)
def test_all_that_is_wrong_is_told(text, words):
    with pytest.raises(UserError) as error:
        parse(text, "config.evaluate.protocol")
    told = str(error.value)
    assert all(word in told for word in words), told
    assert all(p.startswith("config.evaluate.protocol") for p in error.value.problems)


@pytest.mark.parametrize(
    ("model", "text", "words"),
    [
        (UNET, "slide(64, 128)", []),
        (UNET, "slide(60, 128)", ["height 60", "Use 48 or 64."]),
        (UNET, "slide(8, 10)", ["height 8", "Use 16.", "width 10"]),
        (UNET, "tile(64, 64, 96)", []),
        (UNET, "tile(512, 64, 92)", ["512 + 2 x 92 = 696", "Use margin=96, or the"]),
        (UNET, "tile(60, 64, 16)", ["height 60 + 2 x 16 = 92", "Use 48 or 64."]),
        (VALID, "slide(572, 572)", []),
        (VALID, "slide(512, 572)", ["height 512", "Use 508 or 524."]),
        (VALID, "slide(100, 572)", ["height 100", "Use 188."]),
        (VALID, "tile(388, 388, 92)", []),
        (VALID, "tile(388, 388, 96)", ["388 + 2 x 96", "380 or 396."]),
        (VALID, "tile(388, 388, 64)", ["margin 64", "Use margin=92 or more."]),
        (VALID, "whole()", []),
    ],
)
def test_sides_that_the_model_does_not_take_are_told_with_the_near_ones(
    model, text, words
):
    found = parse(text).problems(model, "config.evaluate.protocol")
    assert bool(found) == bool(words)
    assert all(word in " ".join(found) for word in words), found


@pytest.mark.parametrize("text", ["slide(60, 100)", "tile(64, 64, 92)"])
def test_what_is_proposed_is_taken(text):
    way = parse(text).way
    (sides,) = [p.rpartition("Use ")[2] for p in way.problems(UNET, "")][:1]
    for side in map(int, sides.rpartition("height ")[2].strip(".").split(" or ")):
        assert UNET.input_side(side + 2 * getattr(way, "margin", 0)) == side + 2 * (
            getattr(way, "margin", 0)
        )


def test_a_config_tells_it_before_anything_else_begins(settings):
    good = settings(evaluate__protocol="slide(32, 32) | flip()")
    assert config.resolve(good).protocol.flip
    for text in ("slide(31, 32)", "slide(31)", "flip()"):
        with pytest.raises(UserError, match=r"config\.evaluate\.protocol"):
            config.resolve(settings(evaluate__protocol=text))


def test_a_config_that_says_whole_is_the_same_experiment(settings):
    plain = config.resolve(settings()).plain
    assert config.resolve(settings(evaluate__protocol="whole()")).plain == plain
    without = {k: v for k, v in settings().items() if k != "evaluate"}
    opened = {**without, "evaluate": {"protocol": "whole()"}}
    assert config.resolve(opened).plain == config.resolve(without).plain


@pytest.mark.parametrize("side", [7, 8, 32])
def test_gaussian_weights_are_those_of_monai(side):
    """`compute_importance_map((side, side), "gaussian", sigma_scale=0.125)` of 1.5."""
    window = parse(f"slide({side}, {side})").way.windows(MODELS["unet"](2), (90, 90))
    x = np.arange(-(side - 1) / 2, (side - 1) / 2 + 1)
    line = np.exp(x**2 / (-2 * (0.125 * side) ** 2))
    expected = np.maximum(line[:, None] * line, 1e-3)
    np.testing.assert_allclose(window.weights, expected, rtol=1e-6)
    assert window.weights.dtype == jnp.float32
