"""PNG files of our own, as Pillow and OpenCV read them."""

import cv2
import numpy as np
import pytest
from PIL import Image

from segjax.report import png

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (5, 4), (6, 3, 3), (64, 80)])
def test_others_read_what_was_written(shape, tmp_path):
    pixels = RNG.integers(0, 256, shape).astype(np.uint8)
    path = tmp_path / "a.png"
    path.write_bytes(png.encode(pixels))
    with Image.open(path) as picture:
        assert picture.mode == ("RGB" if len(shape) == 3 else "L")
        assert np.array_equal(np.array(picture), pixels)
    read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(read[..., ::-1] if len(shape) == 3 else read, pixels)


def test_16_bits(tmp_path):
    pixels = RNG.integers(0, 65536, (7, 5)).astype(np.uint16)
    (tmp_path / "a.png").write_bytes(png.encode(pixels))
    read = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    assert read.dtype == np.uint16 and np.array_equal(read, pixels)


def test_palette_and_text(tmp_path):
    ids = RNG.integers(0, 256, (9, 11)).astype(np.uint8)
    palette = RNG.integers(0, 256, (256, 3)).astype(np.uint8)
    path = tmp_path / "a.png"
    path.write_bytes(png.encode(ids, palette, '{"a": 1}'))
    with Image.open(path) as picture:
        assert picture.mode == "P" and picture.info["segjax"] == '{"a": 1}'
        assert np.array_equal(np.array(picture), ids)
        assert np.array_equal(np.array(picture.convert("RGB")), palette[ids])


def test_a_label_map_is_small():
    ids = np.zeros((200, 300), np.uint8)
    ids[50:150, 100:200] = 3
    assert len(png.encode(ids, np.zeros((256, 3), np.uint8))) < 2500
