"""Every kind of picture file becomes the array that the table in decode.py says."""

import io
import os

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFile

from segjax.core.errors import UserError
from segjax.data import decode

RGB = np.random.default_rng(0).integers(0, 256, (9, 14, 3), np.uint8)
GREY = RGB[..., 0].copy()


def saved(path, image: Image.Image, form: str = "PNG", **options):
    image.save(path, form, **options)
    return path


def grey3(array):
    return np.repeat(array[..., None], 3, 2)


def with_alpha(path):
    rgba = np.dstack([RGB, np.full(GREY.shape, 7, np.uint8)])
    return saved(path, Image.fromarray(rgba))


def palette(path):
    image = Image.fromarray(GREY % 8).convert("L")
    out = Image.frombytes("P", image.size, (GREY % 8).tobytes())
    out.putpalette([c for k in range(8) for c in (k, 2 * k, 255 - k)])
    return saved(path, out)


def of_palette():
    k = (GREY % 8).astype(int)
    return np.stack([k, 2 * k, 255 - k], -1).astype(np.uint8)


CASES = {
    "rgb": (lambda p: saved(p, Image.fromarray(RGB)), RGB),
    "grey": (lambda p: saved(p, Image.fromarray(GREY)), grey3(GREY)),
    "one bit": (
        lambda p: saved(p, Image.fromarray(GREY > 99)),
        grey3((GREY > 99) * np.uint8(255)),
    ),
    "palette": (palette, of_palette()),
    "alpha dropped": (with_alpha, RGB),
    "grey and alpha": (
        lambda p: saved(p, Image.fromarray(np.dstack([GREY, GREY]), "LA")),
        grey3(GREY),
    ),
    "16 bit": (
        lambda p: saved(p, Image.fromarray(GREY.astype(np.uint16) * 257)),
        grey3(GREY),
    ),
    "tiff": (lambda p: saved(p, Image.fromarray(RGB), "TIFF"), RGB),
    "webp named jpg": (
        lambda p: saved(
            p.with_suffix(".jpg"), Image.fromarray(RGB), "WEBP", lossless=1
        ),
        RGB,
    ),
    "png named jpg": (
        lambda p: saved(p.with_suffix(".jpg"), Image.fromarray(RGB)),
        RGB,
    ),
    "cmyk": (
        lambda p: saved(p, Image.fromarray(RGB).convert("CMYK"), "TIFF"),
        np.asarray(Image.fromarray(RGB).convert("CMYK").convert("RGB")),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_image(case, tmp_path):
    make, want = CASES[case]
    got = decode.read_image(make(tmp_path / "a.png"))
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, want)
    got[:] = 0  # the caller owns it


def test_jpeg_is_nearly_what_another_decoder_reads(tmp_path):
    smooth = cv2.resize(RGB, (96, 64), interpolation=cv2.INTER_CUBIC)
    path = saved(tmp_path / "a.jpg", Image.fromarray(smooth), "JPEG", quality=95)
    other = cv2.imread(str(path))[..., ::-1].astype(int)
    assert abs(decode.read_image(path) - other).max() <= 3


@pytest.mark.parametrize("orientation", range(9))
def test_exif_orientation_is_applied(orientation, tmp_path):
    """Against the definition in EXIF: where row 0 and column 0 of the file belong."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "a.png", Image.fromarray(RGB), exif=exif)
    want = {
        2: RGB[:, ::-1],
        3: RGB[::-1, ::-1],
        4: RGB[::-1],
        5: RGB.swapaxes(0, 1),
        6: np.rot90(RGB, -1),
        7: np.rot90(RGB, 2).swapaxes(0, 1),
        8: np.rot90(RGB),
    }.get(orientation, RGB)
    np.testing.assert_array_equal(decode.read_image(path), want)
    size, found = decode.read_size(path)
    assert size == want.shape[:2]
    assert found == (orientation or 1)
    turned = decode.turn_upright(RGB[..., 0].copy(), found)
    np.testing.assert_array_equal(turned, want[..., 0])


def test_a_size_is_read_without_the_pixels(tmp_path):
    """Cut off behind the head: the size is there, the pixels are not."""
    path = tmp_path / "a.png"
    path.write_bytes(png_bytes()[:20000])
    assert decode.read_size(path) == ((200, 200), 1)
    with pytest.raises(UserError, match="is damaged"):
        decode.read_image(path)


def broken(path, content: bytes):
    path.write_bytes(content)
    return path


def png_bytes() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(RGB).resize((200, 200)).save(buffer, "PNG")
    return buffer.getvalue()


BROKEN = {
    "missing": (lambda p: p, "no such file"),
    "folder": (lambda p: p.mkdir() or p, "is not a file"),
    "empty": (lambda p: broken(p, b""), "is empty"),
    "truncated": (lambda p: broken(p, png_bytes()[:20000]), "is damaged"),
    "head only": (lambda p: broken(p, png_bytes()[:12]), "is not a picture"),
    "web page": (lambda p: broken(p, b"<html>404</html>"), "is not a picture"),
    "float": (
        lambda p: saved(p, Image.fromarray(np.ones((3, 3), np.float32)), "TIFF"),
        "floating-point",
    ),
    "32 bit": (
        lambda p: saved(p, Image.fromarray(np.full((3, 3), 1 << 20, np.int32)), "TIFF"),
        "grey values from 1048576",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_named(case, tmp_path):
    make, message = BROKEN[case]
    with pytest.raises(UserError, match=message) as error:
        decode.read_image(make(tmp_path / "b.png"))
    assert str(tmp_path / "b.png") in str(error.value)
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_a_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "p.png")
    with pytest.raises(UserError, match="is not a file"):
        decode.read_image(tmp_path / "p.png")


def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)  # the error comes at twice that
    path = saved(tmp_path / "a.png", Image.fromarray(RGB))
    with pytest.raises(UserError, match="exceeds limit"):
        decode.read_image(path)


IDS = (GREY % 12).astype(np.uint8)
LABELS = {
    "grey": (lambda p: saved(p, Image.fromarray(IDS)), IDS),
    "palette": (palette, GREY % 8),
    "one bit": (lambda p: saved(p, Image.fromarray(IDS > 5)), (IDS > 5) * 1),
    "16 bit": (
        lambda p: saved(p, Image.fromarray(IDS.astype(np.uint16) * 1000)),
        IDS.astype(int) * 1000,
    ),
    "32 bit": (
        lambda p: saved(p, Image.fromarray(IDS.astype(np.int32) * 9999), "TIFF"),
        IDS.astype(int) * 9999,
    ),
    "gif": (
        lambda p: saved(p, Image.fromarray(IDS * np.uint8(20)), "GIF", optimize=False),
        IDS * 20,
    ),
}


@pytest.mark.parametrize("case", LABELS)
def test_label_keeps_the_stored_numbers(case, tmp_path):
    make, want = LABELS[case]
    np.testing.assert_array_equal(decode.read_label(make(tmp_path / "m.png")), want)


def test_a_palette_mask_is_not_read_as_opencv_does(tmp_path):
    """The trap: OpenCV expands the palette, and the indices are gone."""
    path = palette(tmp_path / "m.png")
    assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED).ndim == 3
    assert decode.read_label(path).ndim == 2


@pytest.mark.parametrize(
    ("image", "form", "message"),
    [
        (Image.fromarray(RGB), "PNG", "is a RGB picture .colours.*by_colour=True"),
        (Image.fromarray(RGB).convert("RGBA"), "PNG", "is a RGBA picture"),
        (Image.fromarray(GREY), "JPEG", "is a JPEG"),
    ],
)
def test_labels_that_are_no_maps_of_ids_are_refused(image, form, message, tmp_path):
    path = saved(tmp_path / "m.png", image, form)
    with pytest.raises(UserError, match=message):
        decode.read_label(path)


def test_a_jpeg_mask_is_read_where_loss_is_harmless(tmp_path):
    path = saved(
        tmp_path / "m.jpg", Image.fromarray((GREY > 99) * np.uint8(255)), "JPEG"
    )
    assert decode.read_label(path, lossy=True).shape == GREY.shape


def test_a_colour_label_is_not_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3
    path = saved(tmp_path / "m.png", Image.fromarray(RGB), exif=exif)
    np.testing.assert_array_equal(decode.read_colour_label(path), RGB)
