"""A drawn data set of 19 classes, and defects of known kinds to plant in it.

`draw` makes a clean set in the layout of `folder`; each function in `DEFECTS` spoils
one example and returns the files in which an audit must find its kind.
"""

import io
import itertools
import os
import pathlib
import re

import cv2
import numpy as np
from PIL import Image

CLASSES = tuple(f"c{k}" for k in range(19))
SIZE = (96, 128)
OPTIONS = {"classes": CLASSES, "ignore": (255,)}

TO_CITYSCAPES = np.array(
    (*(7, 8, 11, 12, 13, 17, 19, 20, 21, 22), *range(23, 29), 31, 32, 33), np.uint8
)
"""Train id -> raw id of Cityscapes."""


def scene(seed: int, size=SIZE) -> tuple[np.ndarray, np.ndarray]:
    """A picture of overlapping shapes on a soft ground, and their classes."""
    rng = np.random.default_rng(seed)
    H, W = size
    image = cv2.resize(rng.integers(60, 200, (4, 5, 3), np.uint8), (W, H))
    mask = np.full(size, rng.integers(19), np.uint8)
    for k in rng.permutation(19)[:8]:
        points = rng.uniform(0.1, 0.9, 2) * (W, H) + rng.normal(0, 18, (5, 2))
        shape = cv2.convexHull(points.round().astype(np.int32))
        colour = rng.integers(0, 256, 3).tolist()
        cv2.fillConvexPoly(image, shape, colour)
        cv2.fillConvexPoly(mask, shape, int(k))
    noise = rng.normal(0, 3, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8), mask


def draw(root: pathlib.Path, train: int, val: int) -> None:
    """A clean set: `ROOT/{train,val}/{images,masks}/nNNN.png`."""
    for split, seeds in (("train", range(train)), ("val", range(train, train + val))):
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True)
        for seed in seeds:
            image, mask = scene(seed)
            Image.fromarray(image).save(root / f"{split}/images/{_name(seed)}.png")
            Image.fromarray(mask).save(root / f"{split}/masks/{_name(seed)}.png")


def plant(root: pathlib.Path, each: int) -> dict[str, list[set[str]]]:
    """Spoil examples of `train`, `each` times with every kind of `DEFECTS`.

    Returns:
      Kind -> for each defect the files of which one at least must be named.
    """
    names = map(_name, itertools.count())
    return {
        kind: [
            spoil(root / "train", *itertools.islice(names, 2 if kind in TWO else 1))
            for _ in range(each)
        ]
        for kind, spoil in DEFECTS.items()
    }


def spoiled(each: int) -> int:
    """How many examples `plant` spoils, from the first."""
    return each * (len(DEFECTS) + len(TWO))


def misses(expected, findings) -> list[str]:
    """The planted defects that no finding of their kind names."""
    return [
        f"{kind}: {sorted(files)}"
        for kind, defects in expected.items()
        for files in defects
        if not any(f.kind == kind and files & set(f.files) for f in findings)
    ]


def alarms(each: int, findings) -> list[str]:
    """Findings that name no example that was spoiled, as messages."""
    names = {_name(i) for i in range(spoiled(each))}
    stem = re.compile(r"([0-9a-f]{6}x)")
    return [
        finding.message
        for finding in findings
        if not names & {m for f in finding.files for m in stem.findall(f.lower())}
    ]


def _name(i: int) -> str:
    return f"{np.random.default_rng(i).integers(16**6):06x}x"


def _image(folder, name):
    return folder / f"images/{name}.png"


def _mask(folder, name):
    return folder / f"masks/{name}.png"


def _read(path):
    with Image.open(path) as picture:
        return np.array(picture)


def _said(folder, *paths) -> set[str]:
    return {os.path.relpath(p, folder.parent) for p in paths}


def _bytes_defect(change):
    def spoil(folder, a):
        path = _image(folder, a)
        path.write_bytes(change(path.read_bytes()))
        return _said(folder, path)

    return spoil


def _mask_defect(change, **options):
    def spoil(folder, a):
        path = _mask(folder, a)
        changed = change(_read(path))
        picture = changed if isinstance(changed, Image.Image) else None
        (picture or Image.fromarray(changed)).save(path, "PNG", **options)
        return _said(folder, path)

    return spoil


def _coded(content: bytes, form: str, **options) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(content)).save(out, form, **options)
    return out.getvalue()


def _with_alpha(content: bytes) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(content)).convert("RGBA").save(out, "PNG")
    return out.getvalue()


def _photograph(tag: int, stored_mask: bool):
    """The image as a JPEG with an EXIF orientation; 3 is upside down."""

    def spoil(folder, a):
        path = _image(folder, a)
        pixels = _read(path)
        exif = Image.Exif()
        exif[0x0112] = tag
        turned = pixels[::-1, ::-1] if tag == 3 else pixels
        jpeg = path.with_suffix(".jpg")
        Image.fromarray(np.ascontiguousarray(turned)).save(jpeg, exif=exif, quality=95)
        path.unlink()
        if stored_mask:
            mask = _read(_mask(folder, a))
            Image.fromarray(mask[::-1, ::-1].copy()).save(_mask(folder, a))
        return _said(folder, jpeg)

    return spoil


def _missing(what):
    def spoil(folder, a):
        gone, left = _image(folder, a), _mask(folder, a)
        if what == "mask":
            gone, left = left, gone
        gone.unlink()
        return _said(folder, left)

    return spoil


def _ambiguous(folder, a):
    path = _image(folder, a)
    Image.fromarray(_read(path)).save(path.with_suffix(".bmp"))
    return _said(folder, path, path.with_suffix(".bmp"))


def _swapped(folder, a, b):
    one, two = _mask(folder, a), _mask(folder, b)
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    return _said(folder, one)


def _soft(mask):
    black_white = np.where(mask < 9, 0, 255).astype(np.uint8)
    small = cv2.resize(black_white, None, fx=0.5, fy=0.5)
    return cv2.resize(small, mask.shape[::-1])


def _jpeg_mask(folder, a):
    path = _mask(folder, a)
    path.write_bytes(_coded(path.read_bytes(), "JPEG"))
    return _said(folder, path)


def _colours(mask):
    table = np.random.default_rng(0).integers(0, 256, (256, 3), np.uint8)
    return table[mask]


def _palette(mask):
    picture = Image.fromarray(mask, "P")
    picture.putpalette(np.arange(768).astype(np.uint8).tobytes())
    return picture


def _shifted(mask):
    mask = np.where(mask == mask[0, 0], 18, mask).astype(np.uint8)
    return mask + np.uint8(1)


def _copy(split, change=None):
    """A copy of the image (of its mask too) under another name."""

    def spoil(folder, a):
        there = folder.parent / split
        path = _image(there, f"{a}copy")
        content = _image(folder, a).read_bytes()
        path.write_bytes(change(content) if change else content)
        _mask(there, f"{a}copy").write_bytes(_mask(folder, a).read_bytes())
        return _said(folder, path)

    return spoil


def _half_and_mirrored(content: bytes) -> bytes:
    pixels = np.array(Image.open(io.BytesIO(content)))[:, ::-1]
    out = io.BytesIO()
    small = cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, pixels.shape[1::-1])
    Image.fromarray(large).save(out, "PNG")
    return out.getvalue()


def _same_mask(folder, a, b):
    _mask(folder, a).write_bytes(_mask(folder, b).read_bytes())
    return _said(folder, _mask(folder, a))


def _folder_for_file(folder, a):
    _image(folder, a).unlink()
    _image(folder, a).mkdir()
    return _said(folder, _image(folder, a))


def _case(folder, a, b):
    upper = a.upper()
    for old, new in (
        (_image(folder, b), _image(folder, upper)),
        (_mask(folder, b), _mask(folder, upper)),
    ):
        old.rename(new)
    return {f"{upper}.png"}


TWO = ("case", "same_mask", "swapped")
"""Kinds that take two examples."""

DEFECTS = {
    "unreadable": _folder_for_file,
    "empty_file": _bytes_defect(lambda content: b""),
    "not_a_picture": _bytes_defect(lambda content: b"<!DOCTYPE html>404"),
    "damaged": _bytes_defect(lambda content: content[: len(content) * 2 // 3]),
    "wrong_suffix": _bytes_defect(lambda c: _coded(c, "WEBP", lossless=True)),
    "image_mode": _bytes_defect(_with_alpha),
    "orientation": _photograph(3, stored_mask=False),
    "orientation_tag": _photograph(0, stored_mask=False),
    "turned_mask": _photograph(3, stored_mask=True),
    "missing_mask": _missing("mask"),
    "orphan_mask": _missing("image"),
    "ambiguous": _ambiguous,
    "case": _case,
    "size_mismatch": _mask_defect(lambda m: np.ascontiguousarray(m[:-1])),
    "swapped": _swapped,
    "jpeg_mask": _jpeg_mask,
    "soft_mask": _mask_defect(_soft),
    "colour_mask": _mask_defect(_colours),
    "palette_mask": _mask_defect(_palette),
    "wide_mask": _mask_defect(lambda m: m.astype(np.uint16)),
    "mixed_masks": _mask_defect(lambda m: m.astype(np.uint16)),
    "instance_ids": _mask_defect(lambda m: m.astype(np.uint16) * 1000 + 1),
    "binary_mask": _mask_defect(lambda m: np.where(m < 9, 0, 255).astype(np.uint8)),
    "cityscapes_ids": _mask_defect(lambda m: TO_CITYSCAPES[m]),
    "shifted_mask": _mask_defect(_shifted),
    "undeclared_ids": _mask_defect(lambda m: np.where(m == m[0, 0], 77, m)),
    "single_class": _mask_defect(np.zeros_like),
    "all_ignored": _mask_defect(lambda m: np.full_like(m, 255)),
    "duplicate": _copy("train"),
    "duplicate_across": _copy("val"),
    "near_duplicate": _copy("train", lambda c: _coded(c, "WEBP", quality=90)),
    "near_duplicate_across": _copy("val", _half_and_mirrored),
    "same_mask": _same_mask,
}
"""Kind -> what plants it."""
