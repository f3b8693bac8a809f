"""Text, legends and small PNG files: what the pictures are put together from."""

import functools
import os
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from segjax.core.errors import EnvironmentFault
from segjax.core.info import IGNORE_COLOUR, DatasetInfo
from segjax.core.keys import IGNORE
from segjax.report.colour import CORRECT, WRONG
from segjax.report.files import not_written

INK = (33, 37, 41)
FAINT = (108, 117, 125)
PAPER = (255, 255, 255)

Entry = tuple[str, tuple[int, int, int]]

_PHOTO_COLOURS = 96


@functools.cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib, hence the same on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(
        os.path.join(matplotlib.get_data_path(), "fonts", "ttf", name), size
    )


def text(
    picture: Image.Image,
    xy: tuple[float | int, float | int],
    words: str,
    size: int,
    *,
    bold: bool = False,
    colour: tuple[int, int, int] = INK,
    anchor: str = "lm",
    width: float | int | None = None,
) -> None:
    """Write one line; cut with an ellipsis where it exceeds `width` pixels.

    The soft edges of the letters take 16 shades, so that a picture with photos and
    text stays within one palette.
    """
    words, face = " ".join(words.split()), font(size, bold)
    if width is not None and face.getlength(words) > width:
        while words and face.getlength(words + "…") > width:
            words = words[:-1]
        words += "…"
    mask = Image.new("L", picture.size)
    ImageDraw.Draw(mask).text(xy, words, font=face, fill=255, anchor=anchor)
    box = mask.getbbox()
    if box:
        mask = mask.crop(box).point([round(v / 17) * 17 for v in range(256)])
        picture.paste(colour, box, mask)


def fit(photo: Image.Image, width: int, height: int, smooth: bool) -> Image.Image:
    """Resize to fit a box, shape kept; label pictures are not smoothed."""
    scale = min(width / photo.width, height / photo.height)
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    method = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
    return photo.resize(size, method)


def few_colours(photos: Sequence[Image.Image]) -> list[Image.Image]:
    """The photos in one palette of 96 dithered colours: a third of the bytes."""
    if not photos:
        return []
    width = max(p.width for p in photos)
    strip = Image.new("RGB", (width, sum(p.height for p in photos)))
    tops = np.cumsum([0] + [p.height for p in photos]).tolist()
    for photo, top in zip(photos, tops, strict=False):
        strip.paste(photo, (0, top))
    strip = strip.quantize(_PHOTO_COLOURS, Image.Quantize.MEDIANCUT).convert("RGB")
    return [
        strip.crop((0, top, p.width, top + p.height))
        for p, top in zip(photos, tops, strict=False)
    ]


def class_entries(labels: Sequence[np.ndarray], info: DatasetInfo) -> list[Entry]:
    """Name and colour of the classes that occur in `labels`, "ignored" last."""
    seen = np.zeros(256, bool)
    for label in labels:
        seen[np.unique(label)] = True
    entries = [
        (name, tuple(int(c) for c in colour))
        for name, colour, here in zip(
            info.class_names, info.class_colours, seen, strict=False
        )
        if here
    ]
    return entries + ([("ignored", IGNORE_COLOUR)] if seen[IGNORE] else [])


ERROR_ENTRIES: list[Entry] = [("correct", CORRECT), ("wrong", WRONG)]


def legend(entries: Sequence[Entry], width: int, size: int = 17) -> Image.Image:
    """Colour swatches with names, in as many lines as the width needs."""
    swatch, gap, line = round(size * 1.1), round(size * 1.3), round(size * 1.75)
    places, x, y = [], 0, 0
    for name, colour in entries:
        length = min(width, round(swatch + 0.5 * size + font(size).getlength(name)))
        if x and x + length > width:
            x, y = 0, y + line
        places.append((x, y, length, name, colour))
        x += length + gap
    picture = Image.new("RGB", (width, y + line if places else 1), PAPER)
    draw = ImageDraw.Draw(picture)
    for x, y, length, name, colour in places:
        middle = y + line // 2
        box = (x, middle - swatch // 2, x + swatch, middle + swatch // 2)
        draw.rounded_rectangle(box, 3, fill=colour, outline=FAINT)
        left = x + swatch + 0.5 * size
        text(picture, (left, middle), name, size, width=x + length - left + 1)
    return picture


def save(picture: Image.Image, path: str | Path) -> None:
    """Write an RGB picture as PNG, with a palette where 256 colours are enough.

    Raises:
      EnvironmentFault: if the disk refuses.
    """
    path = Path(path)
    colours = picture.getcolors(256)
    if colours:
        table = np.array(sorted(c for _, c in colours), np.uint8)
        place = np.array([65536, 256, 1], np.uint32)
        index = np.searchsorted(table @ place, np.asarray(picture) @ place)
        picture = Image.fromarray(index.astype(np.uint8), "P")
        picture.putpalette(table.tobytes())
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(temporary, "PNG", optimize=True)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise EnvironmentFault(not_written(path, error)) from error
