"""Images of declared channels and depth: read to the bit, or refused by name."""

import importlib.util
import io

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from segjax.core.errors import UserError
from segjax.core.pixels import RGB, Pixels
from segjax.data import decode

SIZE = 5, 7


def numbers(channels, depth):
    rng = np.random.default_rng(channels)
    top = {"uint8": 255, "uint16": 65535, "float32": 1e4}[depth]
    return (rng.random((*SIZE, channels)) * top).astype(depth)


def npy(image, path):
    np.save(path, image)


def flat_npy(image, path):
    np.save(path, image[..., 0])


def big_endian_npy(image, path):
    np.save(path, image.astype(image.dtype.newbyteorder(">")))


def bands(image, path, **kwargs):
    if image.shape[2] == 1:
        tifffile.imwrite(path, image[..., 0], photometric="minisblack", **kwargs)
    else:
        kwargs = {"photometric": "minisblack", "planarconfig": "contig"} | kwargs
        tifffile.imwrite(path, image, **kwargs)


def deflated(image, path):
    bands(image, path, compression="zlib", predictor=True, tile=(16, 16))


def planes(image, path):
    bands(image.transpose(2, 0, 1), path, planarconfig="separate")


def rgb_tiff(image, path):
    bands(image, path, photometric="rgb")


def swapped(image):
    """RGB(A) as OpenCV writes it."""
    return image[..., [2, 1, 0, 3][: image.shape[2]]] if image.shape[2] > 1 else image


def opencv(image, path):
    assert cv2.imwrite(str(path), swapped(image))


def lzw(image, path):
    assert cv2.imwrite(str(path), swapped(image), [cv2.IMWRITE_TIFF_COMPRESSION, 5])


ROUND = [  # channels, depth, suffix, how it is written
    (1, "uint8", ".png", opencv),
    (4, "uint8", ".png", opencv),
    (1, "uint16", ".png", opencv),
    (3, "uint16", ".png", opencv),
    (4, "uint16", ".png", opencv),
    (1, "uint8", ".bmp", opencv),
    (1, "uint16", ".pgm", opencv),
    *((c, d, ".npy", npy) for c in (1, 3, 13) for d in ("uint8", "uint16", "float32")),
    (1, "float32", ".npy", flat_npy),
    (2, "uint16", ".npy", big_endian_npy),
    *((c, d, ".tif", bands) for c in (1, 2, 5) for d in ("uint8", "uint16", "float32")),
    (13, "uint16", ".tif", deflated),
    (4, "uint16", ".tif", rgb_tiff),
    *((c, "float32", ".tif", planes) for c in (2, 4, 13)),
    *((c, d, ".tif", lzw) for c in (1, 3) for d in ("uint16", "float32")),
    (1, "uint8", ".tif", lzw),
]


@pytest.mark.parametrize(("channels", "depth", "suffix", "write"), ROUND)
def test_what_was_written_is_read(channels, depth, suffix, write, tmp_path):
    image, path = numbers(channels, depth), tmp_path / f"a{suffix}"
    write(image, path)
    pixels = Pixels(channels, depth)
    found = decode.read_image(path, pixels=pixels)
    assert found.dtype == depth
    assert found.dtype.isnative
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, image)
    assert decode.read_size(path) == (SIZE, 1)


@pytest.mark.parametrize("turn", range(1, 9))
def test_orientation_is_applied_once(turn, tmp_path):
    """As Pillow displays it; in a TIFF as in a PNG, as RGB and as declared bands."""
    image = numbers(3, "uint8")
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(image).save(tmp_path / "a.png", exif=exif)
    tag = (274, "H", 1, turn, True)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", extratags=[tag])
    bands(numbers(2, "uint8"), tmp_path / "two.tif", extratags=[tag])
    want = decode.read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(decode.read_image(tmp_path / "a.tif"), want)
    assert decode.read_size(tmp_path / "a.tif") == (want.shape[:2], turn)
    two = decode.read_image(tmp_path / "two.tif", pixels=Pixels(2))
    assert decode.read_size(tmp_path / "two.tif") == (two.shape[:2], turn)
    for c in range(2):
        band = decode.turn_upright(numbers(2, "uint8")[..., c], turn)
        np.testing.assert_array_equal(two[..., c], band)


def test_rgb_takes_an_array_and_nothing_else_changes(tmp_path):
    image = numbers(3, "uint8")
    np.save(tmp_path / "a.npy", image)
    np.testing.assert_array_equal(decode.read_image(tmp_path / "a.npy"), image)


def saved(image, **kwargs):
    return lambda path: Image.fromarray(image).save(path, **kwargs)


WITH_NAN = numbers(2, "float32")
WITH_NAN[0, 0], WITH_NAN[1, 1, 0] = np.nan, np.inf
REFUSED = [  # what is written, declared, what the message says
    (lambda p: npy(numbers(5, "uint16"), p), Pixels(4, "uint16"), "channels=5."),
    (lambda p: npy(numbers(5, "uint16"), p), Pixels(5, "uint8"), "depth='uint16'."),
    (lambda p: npy(numbers(5, "uint16"), p), RGB, "channels=5 and config.data.depth="),
    (lambda p: np.save(p, np.zeros((4, 4, 2))), Pixels(2), "holds 2 channels of float"),
    (lambda p: np.save(p, np.zeros(4, "uint8")), Pixels(1), "shape (4,)"),
    (lambda p: np.save(p, np.array([{}])), Pixels(1), "never read"),
    (lambda p: p.write_bytes(b"\x93NUMPY\1\0v\0{"), Pixels(1), "is damaged"),
    (lambda p: npy(WITH_NAN, p), Pixels(2, "float32"), "3 of its 70 numbers are nan"),
    (lambda p: bands(numbers(2, "uint16"), p), Pixels(1, "uint16"), "channels=2."),
    (
        lambda p: tifffile.imwrite(p, numbers(5, "uint8").transpose(2, 0, 1)),
        Pixels(5),
        "axes QYX",
    ),
    (
        lambda p: tifffile.imwrite(p, np.zeros(SIZE, "u1"), photometric="miniswhite"),
        Pixels(1),
        "MINISWHITE",
    ),
    (lambda p: opencv(numbers(3, "uint8"), p), Pixels(1), "channels=3."),
    (saved(numbers(1, "uint8")[..., 0]), Pixels(1, "uint16"), "depth='uint8'."),
    (
        lambda p: Image.new("P", (4, 4)).save(p),
        Pixels(1),
        "is a P picture; for 1 channel of uint8",
    ),
    (lambda p: Image.new("LA", (4, 4)).save(p), Pixels(2), "is a LA picture"),
    (lambda p: p.write_bytes(b"II*\0" + bytes(9)), Pixels(2), "is damaged"),
    (lambda p: p.write_bytes(b"none"), Pixels(2), "is not a picture"),
]


@pytest.mark.parametrize(("write", "pixels", "message"), REFUSED)
def test_what_is_not_declared_is_refused(write, pixels, message, tmp_path):
    write(tmp_path / "a.png")  # the suffix says nothing
    (path,) = tmp_path.iterdir()
    with pytest.raises(UserError) as error:
        decode.read_image(path, "images/a", pixels)
    assert str(error.value).startswith("images/a: ")
    assert message in str(error.value)


def test_a_truncated_file_is_refused(tmp_path):
    for suffix, write in ((".npy", npy), (".tif", bands), (".png", opencv)):
        path = tmp_path / f"a{suffix}"
        image = numbers(1 if suffix == ".png" else 5, "uint16")
        write(image, path)
        content = path.read_bytes()
        with pytest.raises(UserError, match="damaged"):
            decode.decode_image(content[:-40], "a", Pixels(image.shape[2], "uint16"))


def test_compression_without_a_codec_is_named():
    """LZW of four bands; OpenCV could mistake them, so it is not asked."""
    if importlib.util.find_spec("imagecodecs"):
        pytest.skip("imagecodecs is here, which reads all of them")
    stream = io.BytesIO()
    Image.new("RGBA", (4, 4)).save(stream, "TIFF", compression="tiff_lzw")
    with pytest.raises(UserError, match=r"by LZW, .* imagecodecs"):
        decode.decode_image(stream.getvalue(), "a", Pixels(4))
