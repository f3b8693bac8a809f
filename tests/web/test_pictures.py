"""What strangers may send, opened in a process that may do nothing else."""

import dataclasses
import io
import os
import socket
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from segjax.core.pixels import RGB, Pixels
from segjax.data import decode
from segjax.web import decoder, pictures, wire
from segjax.web.limits import Limits
from segjax.web.refused import Refused
from tests.web.program import encoded, png

LIMITS = Limits(pixels=10_000, side=200, network_pixels=4_000)
NOISE = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
GREY16 = np.random.default_rng(1).integers(0, 65536, (50, 70), np.uint16)


@pytest.fixture(scope="module")
def opened():
    """`opened(content, kind, pixels, limits)` by a decoder, a program of its own."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "segjax.web.decoder", str(theirs.fileno())]
    process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
    theirs.close()

    def run(content, kind="picture", pixels=RGB, limits=LIMITS):
        header = {
            "kind": kind,
            "limits": dataclasses.asdict(limits),
            "pixels": dataclasses.asdict(pixels),
        }
        wire.send(ours, header, [content])
        found, blobs = wire.receive(ours)
        if "refused" in found:
            raise Refused.of(found["refused"])
        return found, blobs[0]

    yield run
    ours.close()
    assert process.wait(20) == 0


def array(found, blob):
    return np.frombuffer(blob, found["dtype"]).reshape(found["shape"])


def exif(turn=1):
    found = Image.Exif()
    found[0x0112] = turn
    found[0x8825] = {1: "N", 2: (48.0, 51.0, 24.0)}
    return found


def text():
    found = PngInfo()
    found.add_text("Comment", "secret " * 99, zip=True)
    found.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta/>")
    return found


RGBS = {
    "png": png(NOISE),
    "png with text": png(NOISE, pnginfo=text(), exif=exif(6)),
    "png of 16 bits": png(GREY16),
    "palette": encoded(NOISE[..., 0] // 32, "PNG"),
    "animated png": png(
        NOISE, save_all=True, append_images=[Image.new("RGB", (70, 50))]
    ),
    "jpeg": encoded(NOISE, "JPEG", exif=exif(3)),
    "progressive": encoded(NOISE, "JPEG", progressive=True),
    "webp": encoded(NOISE, "WEBP", exif=exif(8)),
    "lossless webp": encoded(NOISE, "WEBP", lossless=True),
    "mpo": encoded(NOISE, "MPO", save_all=True, append_images=[Image.fromarray(NOISE)]),
    **{f"turned {i}": encoded(NOISE, "JPEG", exif=exif(i)) for i in range(1, 9)},
}


@pytest.mark.parametrize("name", RGBS)
def test_a_picture_is_what_the_decoder_of_training_makes_of_it(opened, name):
    expected = decode.decode_image(RGBS[name], "x")
    found, blob = opened(RGBS[name])
    assert np.array_equal(array(found, blob), expected)
    assert (found["height"], found["width"]) == expected.shape[:2]


def npy(values):
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def tiff(values, **more):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **more)
    return buffer.getvalue()


FIVE = np.random.default_rng(2).random((20, 30, 5)).astype(np.float32)


@pytest.mark.parametrize(
    ("content", "pixels", "values"),
    [
        (png(GREY16), Pixels(1, "uint16"), GREY16[..., None]),
        (tiff(GREY16), Pixels(1, "uint16"), GREY16[..., None]),
        (tiff(GREY16, compression="zlib"), Pixels(1, "uint16"), GREY16[..., None]),
        (npy(FIVE), Pixels(5, "float32"), FIVE),
    ],
)
def test_pictures_of_other_pixels_are_read_as_they_are_stored(
    opened, content, pixels, values
):
    found, blob = opened(content, pixels=pixels)
    assert np.array_equal(array(found, blob), values)


def test_a_large_picture_is_scaled_down_by_area(opened):
    bright = np.zeros((100, 80, 3), np.uint8)
    bright[::2] = 200
    found, blob = opened(png(bright))
    small = array(found, blob)
    assert (found["height"], found["width"]) == (100, 80)
    assert small.shape[0] * small.shape[1] <= LIMITS.network_pixels
    assert small.shape[0] / small.shape[1] == pytest.approx(100 / 80, rel=0.03)
    assert small.mean() == pytest.approx(100, abs=2)  # each pixel is a mean


def chunk(kind, content):
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def claimed(height, width):
    """A PNG whose head alone is there."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "other_format"),
        (b"<html>", "other_format"),
        (b"GIF89a" + b"\0" * 99, "other_format"),
        (tiff(NOISE), "other_format"),
        (npy(NOISE), "other_format"),
        (b"%!PS-Adobe", "other_format"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"\xff\xd8\xff", "damaged"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "damaged"),
        (png(NOISE)[:-2000], "damaged"),
        (encoded(NOISE, "JPEG")[:-700], "damaged"),
        (claimed(30_000, 30_000), "too_many_pixels"),
        (claimed(65_535, 65_535), "too_many_pixels"),
        (claimed(201, 1), "too_many_pixels"),
        (claimed(0, 5), "damaged"),
        (png(np.zeros((101, 100), np.uint8)), "too_many_pixels"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_code(opened, content, code):
    with pytest.raises(Refused) as error:
        opened(content)
    assert error.value.code == code


def test_other_pixels_are_named(opened):
    with pytest.raises(Refused) as error:
        opened(png(NOISE), pixels=Pixels(1, "uint16"))
    assert error.value.code == "other_pixels"
    assert "3 channels of uint8" in error.value.message
    assert "1 channel of uint16" in error.value.message
    assert "config" not in error.value.message


@pytest.mark.parametrize(
    ("mask", "values"),
    [
        (np.arange(256, dtype=np.uint8).reshape(16, 16), None),
        (np.array([[0, 255]], np.uint8), None),
        (np.array([[True, False]]), np.array([[1, 0]], np.uint8)),
    ],
)
def test_a_reference_keeps_its_numbers(opened, mask, values):
    found, blob = opened(png(mask), "reference")
    ids = np.frombuffer(blob, np.uint8).reshape(found["height"], found["width"])
    assert np.array_equal(ids, mask if values is None else values)


@pytest.mark.parametrize(
    "content",
    [
        encoded(NOISE[..., 0], "JPEG"),
        png(NOISE),
        png(np.full((4, 4), 256, np.uint16)),
        png(NOISE[..., 0])[:-99],
    ],
    ids=["jpeg", "colours", "large ids", "cut"],
)
def test_what_is_no_reference_is_refused(opened, content):
    with pytest.raises(Refused) as error:
        opened(content, "reference")
    assert error.value.code == "bad_reference"


def test_nothing_but_pixels_is_left_of_a_picture_encoded_anew(opened):
    content = encoded(NOISE, "JPEG", exif=exif(6), comment=b"secret")
    found, blob = opened(content, "plain")
    again = Image.open(io.BytesIO(blob))
    assert found["suffix"] == ".png"
    assert not again.info and not again.getexif()
    assert np.array_equal(np.array(again), decode.decode_image(content, "x"))


def test_little_memory_is_not_exceeded(opened):
    limits = Limits(decode_bytes=8 * 2**20)
    with pytest.raises(Refused) as error:
        opened(png(np.zeros((3000, 3000), np.uint8)), limits=limits)
    assert error.value.code == "too_costly"
    found, _ = opened(png(NOISE))  # the next one is opened as ever
    assert found["height"] == 50


@pytest.mark.parametrize(
    "harm",
    [
        lambda: os._exit(3),
        lambda: os.kill(os.getpid(), 9),
        lambda: os.listdir("."),
        lambda: Path("/etc/passwd").read_text(),
        lambda: Path("/tmp/segjax-was-here").write_text("x"),
        socket.socket,
        lambda: bytearray(2**32),
    ],
    ids=["exit", "killed", "list", "read", "write", "socket", "memory"],
)
def test_a_picture_harms_only_the_process_that_opens_it(monkeypatch, capfd, harm):
    def answer(message):
        harm()
        return {"done": True}, []

    monkeypatch.setattr(decoder, "answer", answer)
    header = {"limits": dataclasses.asdict(LIMITS)}
    said = wire.unpack(decoder._in_a_process(wire.Message(header, [])))
    assert said.header["refused"]["code"] == "too_costly"
    assert not os.path.exists("/tmp/segjax-was-here")
    capfd.readouterr()


def test_a_picture_that_takes_for_ever_ends(monkeypatch):
    def answer(message):
        while True:
            pass

    monkeypatch.setattr(decoder, "answer", answer)
    header = {"limits": dataclasses.asdict(Limits(decode_seconds=1))}
    said = wire.unpack(decoder._in_a_process(wire.Message(header, [])))
    assert said.header["refused"]["code"] == "too_costly"


def test_two_maps_are_told_apart():
    a = np.array([[0, 1], [2, 3]], np.uint8)
    b = np.array([[0, 1], [2, 4]], np.uint8)
    header, (blob,) = pictures.difference(png(a), png(b))
    assert header == {"agreement": 0.75}
    found = np.array(Image.open(io.BytesIO(blob)))
    assert np.array_equal(found, [[0, 0], [0, 1]])
