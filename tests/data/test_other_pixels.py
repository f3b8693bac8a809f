"""Folders, statistics, light and pictures of images that are no 8-bit RGB."""

import dataclasses

import numpy as np
import pytest

from segjax import config
from segjax.core import opstring
from segjax.core.errors import UserError
from segjax.core.keys import IMAGE, LABEL
from segjax.core.pixels import RGB, Pixels
from segjax.data import datasets, ops, records, statistics
from segjax.data.audit import run as audit
from segjax.data.datasets import folder
from segjax.data.display import shown
from tests.data.pairs import mask, write


def arrays(root, channels, depth, count=3):
    """A folder of `.npy` images; the float ones far from 0, where sums cancel."""
    made = []
    for k in range(count):
        rng = np.random.default_rng(k)
        height, width = mask(k).shape
        image = rng.random((height + k, width, channels)) * 3
        image = image + 1e6 if depth == "float32" else image * 20_000
        made.append(image.astype(depth))
        (root / "images").mkdir(parents=True, exist_ok=True)
        np.save(root / "images" / f"{k}.npy", made[-1])
        label = np.zeros(image.shape[:2], np.uint8)
        label[::2] = 1
        write(root / "masks" / f"{k}.png", label)
    return made


def made(root, split="all", **options):
    return folder.make(split, str(root), classes=("a", "b"), **options)


@pytest.mark.parametrize(("channels", "depth"), [(2, "uint16"), (3, "float32")])
def test_statistics_are_those_of_numpy(channels, depth, tmp_path):
    images = arrays(tmp_path, channels, depth)
    source = made(tmp_path, channels=channels, depth=depth)
    found = statistics.measure(source)
    pixels = np.concatenate([i.reshape(-1, channels) for i in images]).astype(float)
    pixels /= 65535 if depth == "uint16" else 1
    np.testing.assert_allclose(found.mean, pixels.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.std, pixels.std(0), rtol=1e-9)
    assert statistics.measure(source, threads=1) == found


def test_moments_by_hand():
    """1 and 3, then 8: mean 4, squares about it 9 + 1 + 16."""
    one, other = np.array([[2.0], [2.0], [2.0]]), np.array([[1.0], [8.0], [0.0]])
    np.testing.assert_array_equal(statistics.merged(one, other), [[3], [4], [26]])
    found = statistics.from_moments(statistics.merged(one, other))
    assert found == statistics.Statistics((4.0,), (np.sqrt(26 / 3),))


def test_pixels_enter_the_fingerprint_only_where_they_are_declared(tmp_path):
    image = np.zeros((4, 5, 3), np.uint8)
    write(tmp_path / "images" / "0.png", image)
    write(tmp_path / "masks" / "0.png", image[..., 0])
    plain, said = made(tmp_path), made(tmp_path, channels=3, depth="uint8")
    assert plain.fingerprint() == said.fingerprint()
    other = dataclasses.replace(
        plain, info=dataclasses.replace(plain.info, pixels=Pixels(1))
    )
    assert other.fingerprint() != plain.fingerprint()


def test_arrays_are_looked_for_where_pixels_are_declared(tmp_path):
    """Beside the pictures of an RGB folder they are somebody else's."""
    arrays(tmp_path, 2, "uint16", count=2)
    assert len(made(tmp_path, channels=2, depth="uint16")) == 2
    with pytest.raises(UserError, match="no image"):
        made(tmp_path)


def test_a_bad_declaration_is_told_at_once(tmp_path):
    arrays(tmp_path, 2, "uint16", count=1)
    with pytest.raises(UserError, match=r"channels=0: must be from 1"):
        made(tmp_path, channels=0)
    source = made(tmp_path, channels=4, depth="uint16")
    with pytest.raises(UserError, match=r"images/0.npy: holds 2 channels of uint16"):
        source[0]


CONFIG = {
    "data": {"name": "folder", "root": "x", "channels": 1, "depth": "uint16"},
    "input": {"train_ops": "normalize('data')", "eval_ops": "normalize('data')"},
    "model": {"name": "unet"},
    "loss": {"cross_entropy": {}},
    "optim": {"name": "adamw", "learning_rate": 0.1},
    "train": {"num_steps": 3},
}


@pytest.mark.parametrize(
    ("data", "train_ops", "message"),
    [
        ({}, "normalize('data')", None),
        ({}, "color_jitter() | normalize('data')", "takes 8-bit RGB images alone"),
        ({}, "normalize()", "mean and std of 3 channels"),
        ({"channels": 0}, "normalize('data')", "channels=0: must be from 1"),
        ({"depth": "int16"}, "normalize('data')", "depth='int16'"),
        ({"name": "camvid"}, "normalize('data')", "no such option"),
    ],
)
def test_the_config_tells_before_any_file_is_read(data, train_ops, message):
    plain = {**CONFIG, "data": {**CONFIG["data"], **data}}
    eval_ops = train_ops.rpartition("| ")[2]
    plain["input"] = {"train_ops": train_ops, "eval_ops": eval_ops}
    if message is None:
        assert config.resolve(plain).data["channels"] == 1
        return
    with pytest.raises(UserError) as error:
        config.resolve(plain)
    assert message in str(error.value)


def test_the_usual_pixels_said_aloud_are_the_same_experiment():
    data = {"name": "folder", "root": "x"}
    said = config.resolve({**CONFIG, "data": {**data, "channels": 3, "depth": "uint8"}})
    assert said.plain == config.resolve({**CONFIG, "data": data}).plain


def test_prepared_shards_keep_the_pixels(tmp_path):
    images = arrays(tmp_path / "data", 5, "float32", count=2)
    source = made(tmp_path / "data", channels=5, depth="float32")
    out = tmp_path / "shards"
    records.write(source, "train", out, records.Target())
    found = datasets.make("prepared", "train", root=str(out))
    assert found.info == source.info
    for i, image in enumerate(images):
        np.testing.assert_array_equal(found[i][IMAGE], image)
        np.testing.assert_array_equal(found[i][LABEL], source[i][LABEL])


LIGHT = ["brightness(0.5)", "contrast(0.9)", "gamma(0.4, 2)", "blur(1, 2, p=1)"]


@pytest.mark.parametrize("text", LIGHT)
def test_grey_in_one_channel_and_16_bits_is_grey_in_rgb(text):
    """The same op on the same picture in other clothes, within two levels.

    Of rounding, and because OpenCV blurs 8 bits in whole numbers.
    """
    grey = np.random.default_rng(3).integers(0, 256, (20, 30, 1), np.uint8)
    (op,) = opstring.parse(text, ops.OPS)

    def apply(image):
        return op.random_map({IMAGE: image}, np.random.default_rng(8))[IMAGE]

    want = apply(np.repeat(grey, 3, 2))[..., :1].astype(int)
    assert abs(want - grey).max() > 20
    assert abs(apply(grey) - want).max() <= 2
    wide = apply(grey.astype(np.uint16) * 257)
    assert abs(wide / 257 - want).max() <= 2
    if ops.takes(op, Pixels(1, "float32")):
        floats = apply(grey.astype(np.float32))
        assert abs(floats.clip(0, 255) - want).max() <= 2


def test_noise_of_16_bits_is_as_strong_as_of_8():
    (op,) = opstring.parse("noise(20, p=1)", ops.OPS)
    strength = []
    for depth, level in (("uint8", 1), ("uint16", 257)):
        image = np.full((60, 60, 1), 120 * level, depth)
        out = op.random_map({IMAGE: image}, np.random.default_rng(5))[IMAGE]
        strength.append(out.std() / level)
    assert strength[0] > 2
    assert strength[0] == pytest.approx(strength[1], rel=0.02)


@pytest.mark.parametrize(
    ("image", "want"),
    [
        (np.full((1, 2, 3), 7, np.uint8), np.full((1, 2, 3), 7)),
        (np.full((1, 2, 1), 7, np.uint8), np.full((1, 2, 3), 7)),
        (np.array([[[1, 2], [3, 4]]], np.uint8), [[[1, 1, 1], [3, 3, 3]]]),
        (np.array([[[1, 2, 3, 4, 5]]], np.uint8), [[[1, 2, 3]]]),
        (np.full((1, 2, 1), 3.5, np.float32), np.zeros((1, 2, 3))),
    ],
)
def test_shown(image, want):
    found = shown(image)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, want)


def test_16_bits_are_shown_between_their_percentiles():
    image = np.arange(1001, dtype=np.uint16).reshape(7, 143, 1) + 5000
    found = shown(image)[..., 0].ravel().astype(int)
    assert (found[:11] == 0).all()
    assert (found[-11:] == 255).all()
    assert found[500] == 128 or found[500] == 127
    assert (np.diff(found) >= 0).all()


def test_the_audit_reads_what_is_declared(tmp_path):
    arrays(tmp_path, 5, "uint16")
    np.save(tmp_path / "images" / "1.npy", np.zeros((4, 4, 2), np.uint16))
    options = dict(root=str(tmp_path), classes=("a", "b"), channels=5, depth="uint16")
    found = audit("folder", options, "all", cache=tmp_path / "cache")
    assert found.counts().get("image_mode") == 1
    assert "holds 2 channels" in found.findings[0].message
    assert audit("folder", options, "all", cache=tmp_path / "cache") == found
    assert found.pixels == Pixels(5, "uint16") != RGB
