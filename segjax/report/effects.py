"""What each op of the augmentation makes of one example, on a sheet."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segjax.core import opstring
from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.core.keys import IMAGE, INDEX, LABEL
from segjax.data import ops
from segjax.data.display import shown
from segjax.report.colour import overlay
from segjax.report.drawing import (
    FAINT,
    PAPER,
    class_entries,
    few_colours,
    fit,
    legend,
    save,
    text,
)
from segjax.report.panel import WIDTH, still

SHOWN = {
    "affine": "affine((0.7, 1.0), 20)",
    "center_crop": "center_crop({half}, {half})",
    "class_crop": "class_crop({half}, {half})",
    "color_jitter": "color_jitter(0.5, 0.5, 0.5, 0.1)",
    "crop": "crop({half}, {half})",
    "cutout": "cutout(3)",
    "fit": "fit({height}, {height})",
    "grid_distortion": "grid_distortion(4, 0.12)",
    "pad": "pad({more}, {width})",
    "pad_to_multiple": "pad_to_multiple({part})",
    "perspective": "perspective(0.2)",
    "reflect_pad": "reflect_pad({more}, {width})",
    "rescale": "rescale(0.2)",
    "resize": "resize({height}, {height})",
    "rotate": "rotate(40)",
    "shear": "shear(30)",
    "shift": "shift(0.3, 0.3)",
}
"""Strings that show well what an op does; others are shown with their defaults."""

_SEED = 1  # turns, slants and shifts far enough to be seen
_COLUMNS = 5
_MARGIN = 16
_GAP = 8
_TEXT = 15
_SMALL = 12
_CAPTION = 26


def strings(height: int, width: int) -> dict[str, str]:
    """An op string of each op that runs on the host and of each preset.

    Args:
      height: of the image that they will be tried on, in pixels.
      width: likewise.
    """
    sizes = {
        "height": height,
        "width": width,
        "half": max(1, min(height, width) // 2),
        "more": round(1.3 * height),
        "part": max(1, round(0.75 * min(height, width))),
    }
    own = {n: SHOWN.get(n, f"{n}()") for n in ops.OPS if n != "normalize"}
    presets = {n: f"{n}({{height}}, {{width}})" for n in ops.PRESETS}
    return {n: s.format(**sizes) for n, s in {**own, **presets}.items()}


def certain(string: str) -> tuple[Any, ...]:
    """The ops of a string; a single one with its probability raised to 1."""
    made = opstring.parse(string, ops.OPS, presets=ops.PRESETS)
    if len(made) == 1 and hasattr(made[0], "p"):
        return (dataclasses.replace(made[0], p=1),)
    return made


def through(
    chain: Sequence[Any], examples: Sequence[dict[str, Any]], rng: np.random.Generator
) -> dict[str, Any]:
    """The first example through the ops; the others are there to be mixed into it."""
    examples = list(examples)
    for op in chain:
        if ops.is_mixing(op):
            turned = [examples[i:] + examples[:i] for i in range(len(examples))]
            examples = [op.mix(some[: 1 + op.partners], rng) for some in turned]
        elif ops.is_random(op):
            examples = [op.random_map(e, rng) for e in examples]
        else:
            examples = [op.map(e) for e in examples]
    return examples[0]


def sheet(
    examples: Sequence[dict[str, Any]], info: DatasetInfo, path: str | Path
) -> None:
    """A tile an op: its string, the image, and the image under its label's colours.

    Ops that do not take images of such pixels have none.

    Args:
      examples: the first is shown; the others, which are given its size, are partners
        of the ops that mix. A single one is mixed with itself.
      info: the class table.
      path: the PNG file.

    Raises:
      UserError: without examples.
      EnvironmentFault: if the disk refuses.
    """
    if not examples:
        raise UserError(f"{path}: no examples to draw; give at least one.")
    height, width = examples[0][IMAGE].shape[-3:-1]
    resize = ops.OPS["resize"](height, width)
    examples = [resize.map(e) for e in examples]
    examples = (examples * 4)[: max(4, len(examples))]
    examples = [{INDEX: np.int64(i), **e} for i, e in enumerate(examples)]
    tiles = [("as it is", examples[0])]
    for string in strings(height, width).values():
        rng, chain = np.random.default_rng(_SEED), certain(string)
        if all(ops.takes(op, info.pixels) for op in chain):
            tiles.append((string, through(chain, examples, rng)))
    _draw(tiles, info, path)


def _draw(tiles, info, path) -> None:
    cell = (WIDTH - 2 * _MARGIN - (_COLUMNS - 1) * _GAP) // _COLUMNS
    height, width = tiles[0][1][LABEL].shape
    box = cell, max(1, round(cell * height / width))
    photos = []
    for _, example in tiles:
        image = still(example[IMAGE])
        for array in (shown(image), overlay(image, example[LABEL], info)):
            photos.append(fit(Image.fromarray(array), *box, smooth=True))
    photos = few_colours(photos)
    key = legend(
        class_entries([e[LABEL] for _, e in tiles], info), WIDTH - 2 * _MARGIN, _TEXT
    )
    line = _CAPTION + 2 * box[1] + 2 * _GAP
    lines = math.ceil(len(tiles) / _COLUMNS)
    picture = Image.new("RGB", (WIDTH, lines * line + key.height + 3 * _GAP), PAPER)
    for i, (string, example) in enumerate(tiles):
        left = _MARGIN + (i % _COLUMNS) * (cell + _GAP)
        top = (i // _COLUMNS) * line + _GAP
        middle = top + _CAPTION // 2
        text(picture, (left, middle), string, _TEXT, width=cell)
        if example[LABEL].shape != (height, width):
            rows, columns = example[LABEL].shape
            at, words = (left + cell, middle), f"{rows}x{columns}"
            text(picture, at, words, _SMALL, colour=FAINT, anchor="rm")
        picture.paste(photos[2 * i], (left, top + _CAPTION))
        picture.paste(photos[2 * i + 1], (left, top + _CAPTION + box[1] + _GAP // 2))
    picture.paste(key, (_MARGIN, lines * line + 2 * _GAP))
    save(picture, path)
