"""What ops do to images of other channels and depths than 8-bit RGB."""

import copy
import re
from pathlib import Path

import numpy as np
import pytest

from segjax.core import opstring
from segjax.core.errors import UserError
from segjax.core.keys import IGNORE, IMAGE, LABEL
from segjax.core.pixels import RGB, Pixels
from segjax.data import ops
from tests.contracts.painted import OTHERS, example
from tests.contracts.test_ops import ALL, EXAMPLES, apply, parsed

ABLE = [
    (pixels, name, text)
    for pixels in OTHERS
    for name, text in ALL
    if ops.takes(ops.OPS[name], pixels) and "(1, 2, 3)" not in text
]


@pytest.mark.parametrize(("pixels", "name", "text"), ABLE, ids=str)
def test_contract_of_other_pixels(pixels, name, text):
    op, given = parsed(text), example(pixels=pixels)
    clip = {**given, IMAGE: np.stack([given[IMAGE]] * 2)}
    before = copy.deepcopy(given)
    first, second, moved = apply(op, given, 3), apply(op, given, 3), apply(op, clip, 3)
    for key in before:
        np.testing.assert_array_equal(given[key], before[key])  # not mutated
        np.testing.assert_array_equal(first[key], second[key])  # a function of the seed
    assert first[IMAGE].dtype == moved[IMAGE].dtype == pixels.depth
    assert first[IMAGE].shape == (*first[LABEL].shape, pixels.channels)
    assert moved[IMAGE].shape == (2, *first[IMAGE].shape)
    assert np.isfinite(first[IMAGE]).all()
    assert set(np.unique(first[LABEL])) <= {0, 1, IGNORE}


@pytest.mark.parametrize(
    ("pixels", "name", "text"), [row for row in ABLE if row[1] in EXAMPLES], ids=str
)
def test_paint_of_other_pixels(pixels, name, text):
    """Each channel by itself says where class 1 is, and so does the label."""
    wrong = total = 0
    low, high = np.array(OTHERS[pixels], float)
    for seed in range(3):
        out = apply(parsed(text), example(seed, pixels), seed)
        inside = out[LABEL] != IGNORE
        read = out[IMAGE] > (low + high) / 2
        wrong += (read != (out[LABEL] == 1)[..., None])[inside].sum()
        total += inside.sum() * pixels.channels
    assert wrong / total < 0.03


@pytest.mark.parametrize("pixels", OTHERS, ids=str)
def test_channels_move_as_each_would_alone(pixels):
    """A band of many is what the picture of that band becomes, resampled or not."""
    given = example(2, pixels)
    for text in ("affine(p=1)", "elastic(60, 6, p=1)", "rescale(0.37)", "rotate90(1)"):
        whole = apply(parsed(text), given, 5)[IMAGE]
        for c in range(pixels.channels):
            alone = apply(parsed(text), {IMAGE: given[IMAGE][..., c : c + 1]}, 5)
            np.testing.assert_array_equal(whole[..., c : c + 1], alone[IMAGE])


@pytest.mark.parametrize("text", ["pad(60, 80)", "cutout(p=1)", "affine(p=1)"])
@pytest.mark.parametrize("pixels", OTHERS, ids=str)
def test_uncovered_ground_is_the_mean_of_the_image(pixels, text):
    given = example(1, pixels)
    out = apply(parsed(text), given)
    bare = out[LABEL] == IGNORE
    assert bare.any()
    mean = given[IMAGE].reshape(-1, pixels.channels).mean(0, dtype=float)
    off = abs(out[IMAGE][bare] - mean).max(0)
    assert (
        off <= (0.5 if pixels.depth != "float32" else 1e-5 * abs(mean) + 1e-6)
    ).all()


@pytest.mark.parametrize(
    ("text", "pixels", "message"),
    [
        ("hue() | normalize('data')", Pixels(1), "takes 8-bit RGB images alone"),
        ("gamma() | normalize('data')", Pixels(3, "float32"), "8 and 16 bits"),
        ("noise() | normalize('data')", Pixels(5, "uint16"), None),
        ("cutout(fill=(1, 2, 3)) | normalize('data')", Pixels(1), "Leave it out"),
        ("normalize()", Pixels(1), "of 3 channels, and the images have 1 channel"),
        ("normalize((0.5,), (0.1,))", Pixels(1, "uint16"), None),
        ("normalize((0.5,), (0.1,))", RGB, "3 numbers each"),
        ("hue() | normalize()", RGB, None),
    ],
)
def test_ops_that_do_not_take_the_pixels_are_named(text, pixels, message):
    host, normalize = ops.split(opstring.parse(text, ops.OPS))
    found = ops.pixel_problems(host, normalize, pixels, "there")
    if message is None:
        assert not found
    else:
        assert len(found) == 1
        assert found[0].startswith("there: ")
        assert message in found[0]


@pytest.mark.parametrize(
    ("depth", "full"), [("uint16", 65535), ("uint8", 255), ("float32", 1)]
)
def test_normalize_divides_by_the_full_scale_of_the_dtype(depth, full):
    import jax

    image = np.array([[[0, 7], [1, 200]]], depth)
    mean, std = (0.25, 0.5), (0.5, 0.125)
    want = (image.astype(float) / full - mean) / std
    for function in (ops.Normalize(mean, std), jax.jit(ops.Normalize(mean, std))):
        got = function(image)
        assert got.dtype == np.float32
        np.testing.assert_allclose(np.asarray(got), want, rtol=1e-6, atol=1e-6)
    with pytest.raises(UserError, match="1 channels of"):
        ops.Normalize(mean, std)(image[..., :1])
    with pytest.raises(UserError, match="of float64"):
        ops.Normalize(mean, std)(image.astype(float))


def test_the_document_says_which_images_each_op_takes():
    """The column of `docs/ops.md` is what the ops say of themselves."""
    words = {"all": "all", "8 and 16 bits": "integers", "8-bit RGB": "rgb"}
    text = (Path(__file__).parents[2] / "docs" / "ops.md").read_text()
    rows = re.findall(r"^\| `(\w+)\(.*\)` \| ([^|]+) \|", text, re.MULTILINE)
    assert len(rows) > 40
    assert {name: words[said] for name, said in rows} == {
        name: ops.images(ops.OPS[name]) for name, _ in rows
    }
