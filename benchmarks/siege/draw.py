"""Pictures and files that are drawn here: good ones, damaged ones, and bombs."""

import io
import random
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MARK = "segjax-siege-mark-52N13E"
"""Stands in the metadata of pictures, and must stand in no answer."""


def scene(height, width, seed=0):
    """Soft spots of every colour with a little noise, as `(height, width, 3)` uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (-(-height // 24), -(-width // 24), 3), np.uint8)
    soft = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    noise = rng.integers(-8, 9, (height, width, 3))
    return np.clip(np.asarray(soft) + noise, 0, 255).astype(np.uint8)


def saved(picture, kind, **more):
    """A picture as the bytes of a file."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **more)
    return buffer.getvalue()


def png(array):
    """An array as a PNG."""
    return saved(Image.fromarray(array), "PNG", compress_level=1)


def seeds():
    """Files of every kind that is read, small ones."""
    picture = Image.fromarray(scene(48, 64))
    text = PngInfo()
    text.add_text("Comment", MARK, zip=True)
    return [
        saved(picture, "PNG", pnginfo=text),
        saved(picture.convert("P"), "PNG"),
        saved(picture.convert("LA"), "PNG"),
        saved(picture, "JPEG", quality=80),
        saved(picture, "JPEG", progressive=True),
        saved(picture.convert("CMYK"), "JPEG"),
        saved(picture, "WEBP"),
        saved(picture, "WEBP", lossless=True),
        tagged(picture),
    ]


def tagged(picture):
    """A JPEG with the place where it was taken, XMP and a colour profile."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, MARK
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)}
    xmp = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{MARK}</x:xmpmeta>".encode()
    profile = (MARK * 20).encode()
    return saved(picture, "JPEG", exif=exif, xmp=xmp, icc_profile=profile)


def mutated(content, rng: random.Random):
    """A file with one kind of damage."""
    return rng.choice((_flip, _cut, _overwrite, _insert, _shuffle, _both, _wrap))(
        content, rng
    )


def _flip(content, rng):
    changed = bytearray(content)
    for _ in range(rng.choice((1, 2, 8, 64))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(content, rng):
    return content[: rng.randrange(len(content))]


def _overwrite(content, rng):
    start = rng.randrange(len(content))
    return content[:start] + rng.randbytes(rng.choice((4, 64))) + content[start + 16 :]


def _insert(content, rng):
    start = rng.randrange(len(content))
    return content[:start] + rng.randbytes(rng.choice((1, 9, 300))) + content[start:]


def _shuffle(content, rng):
    """Chunks of a PNG in another order, their sums right; else runs of bytes."""
    if not content.startswith(SIGNATURE):
        cuts = sorted(rng.sample(range(4, len(content)), 4))
        ends = zip([4, *cuts], [*cuts, len(content)], strict=True)
        parts = [content[a:b] for a, b in ends]
        rng.shuffle(parts)
        return content[:4] + b"".join(parts)
    chunks, place = [], 8
    while place < len(content):
        size = 12 + int.from_bytes(content[place : place + 4])
        chunks.append(content[place : place + size])
        place += size
    rng.shuffle(chunks)
    return SIGNATURE + b"".join(chunks * rng.choice((1, 2)))


def _both(content, rng):
    return _flip(_cut(content, rng) or content, rng)


def _wrap(content, rng):
    """A file that is two: with an archive, a page or a script before or behind it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x", "x")
    other = rng.choice(
        (
            buffer.getvalue(),
            b"<html><script>alert(1)</script>",
            b"%PDF-1.4\n",
            b"GIF89a" + bytes(20),
            b"#!/bin/sh\nid\n",
        )
    )
    return other + content if rng.random() < 0.5 else content + other


def chunk(kind, content):
    """A chunk of a PNG."""
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def head(width, height, depth=8, kind=0):
    """The first chunk of a PNG."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))


def zeros(number):
    """So many zeros, deflated, without their ever being there."""
    deflate, block = zlib.compressobj(9), bytes(2**20)
    parts = [deflate.compress(block) for _ in range(number // 2**20)]
    return b"".join([*parts, deflate.compress(bytes(number % 2**20)), deflate.flush()])


def bombs():
    """Name -> a small file that takes much to open."""
    small = chunk(b"IDAT", zlib.compress(bytes(9 * 8))) + chunk(b"IEND", b"")
    start, hundred = SIGNATURE + head(8, 8), zeros(100 * 2**20)
    flat = Image.new("L", (4000, 4000), 128)
    waves = saved(flat, "JPEG", progressive=True)
    last = waves.rindex(b"\xff\xda")
    scan = waves[last:-2]
    jpeg = saved(Image.new("L", (8, 8)), "JPEG")
    place = jpeg.index(b"\xff\xc0") + 5
    frame = chunk(b"fcTL", bytes(26)) + chunk(b"fdAT", bytes(40))
    return {
        "30000 x 30000 pixels of one bit": SIGNATURE
        + head(30_000, 30_000, 1)
        + chunk(b"IDAT", zeros(30_000 * 3751))
        + chunk(b"IEND", b""),
        "13000 x 13000 pixels": SIGNATURE
        + head(13_000, 13_000)
        + chunk(b"IDAT", zeros(13_000 * 13_001))
        + chunk(b"IEND", b""),
        "a head of 65535 x 65535": SIGNATURE + head(65_535, 65_535) + small,
        "a head of 2^31 - 1 sides": SIGNATURE + head(2**31 - 1, 2**31 - 1) + small,
        "100 MB of text": start + chunk(b"zTXt", b"a\0\0" + hundred) + small,
        "100 MB of profile": start + chunk(b"iCCP", b"a\0\0" + hundred) + small,
        "100 MB behind 64 pixels": start
        + chunk(b"IDAT", hundred)
        + chunk(b"IEND", b""),
        "10000 frames": start
        + chunk(b"acTL", struct.pack(">II", 10_000, 0))
        + small[:-12]
        + frame * 10_000
        + chunk(b"IEND", b""),
        "700000 chunks": start + chunk(b"teXt", b"") * 700_000 + small,
        "2000 scans of 16 MP": waves[:last] + scan * 2000 + waves[-2:],
        "a JPEG head of 65535 x 65535": jpeg[:place]
        + b"\xff\xff\xff\xff"
        + jpeg[place + 4 :],
        "2000000 comments": b"\xff\xd8" + b"\xff\xfe\0\x02" * 2_000_000 + jpeg[2:],
    }
