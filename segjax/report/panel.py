"""Pictures of examples: rows of image, truth, prediction and errors; sheets."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.core.keys import IMAGE, INDEX, LABEL
from segjax.data.display import shown
from segjax.report.colour import colourise, error_map, overlay
from segjax.report.drawing import (
    ERROR_ENTRIES,
    FAINT,
    PAPER,
    class_entries,
    few_colours,
    fit,
    legend,
    save,
    text,
)

WIDTH = 1200
"""Width of every picture in pixels."""

_MARGIN = 16
_GAP = 8
_TEXT = 17
_NEAREST = Image.Resampling.NEAREST


class Row(NamedTuple):
    """One example of a panel.

    Attributes:
      name: what the data set calls it.
      image: `(H, W, C)` of any depth, see `shown`.
      truth: `(H, W)` class ids or `IGNORE`.
      prediction: `(H, W)` class ids.
      miou: mean IoU of this image, 0..1; nan where nothing is labelled.
    """

    name: str
    image: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray
    miou: float


def still(image: np.ndarray) -> np.ndarray:
    """The image, or the last frame of a clip: `(H, W, C)`."""
    return image[-1] if image.ndim == 4 else image


def last(label: np.ndarray) -> np.ndarray:
    """The label, or that of the last frame of a clip: `(H, W)`."""
    return label[-1] if label.ndim == 3 else label


def panel(rows: Sequence[Row], info: DatasetInfo, path: str | Path) -> None:
    """One row an example: image, truth, prediction, errors; below, a legend.

    Four CamVid rows make about 200 KB; more rows make a larger file.

    Raises:
      UserError: without rows, or where the sizes in a row differ.
      EnvironmentFault: if the disk refuses.
    """
    for row in rows:
        _check_sizes(row)
    if not rows:
        raise UserError(f"{path}: no rows to draw; give at least one example.")
    columns = ("image", "truth", "prediction", "errors")
    cell = (WIDTH - 2 * _MARGIN - 3 * _GAP) // 4
    photos = few_colours([_photo(row.image, cell) for row in rows])
    entries = class_entries(
        [part for row in rows for part in (row.truth, row.prediction)], info
    )
    key = legend(entries + ERROR_ENTRIES, WIDTH - 2 * _MARGIN, _TEXT)
    caption, head = round(_TEXT * 2), round(_TEXT * 2.2)
    height = head + sum(caption + p.height + _GAP for p in photos)
    picture = Image.new("RGB", (WIDTH, height + key.height + 2 * _GAP), PAPER)
    draw = ImageDraw.Draw(picture)
    lefts = [_MARGIN + i * (cell + _GAP) for i in range(4)]
    for left, column in zip(lefts, columns, strict=True):
        text(picture, (left, head // 2 + 4), column, _TEXT, colour=FAINT)
    top = head
    for row, photo in zip(rows, photos, strict=True):
        middle = top + caption // 2 - 2
        draw.line((_MARGIN, top, WIDTH - _MARGIN, top), fill=(222, 226, 230))
        words = _score(row.miou)
        text(picture, (_MARGIN, middle), row.name, _TEXT, bold=True, width=WIDTH * 0.7)
        text(picture, (WIDTH - _MARGIN, middle), words, _TEXT, anchor="rm")
        top += caption
        maps = (
            colourise(row.truth, info),
            colourise(row.prediction, info),
            error_map(row.truth, row.prediction),
        )
        picture.paste(photo, (lefts[0], top))
        for left, colours in zip(lefts[1:], maps, strict=True):
            small = Image.fromarray(colours).resize(
                photo.size, Image.Resampling.NEAREST
            )
            picture.paste(small, (left, top))
        top += photo.height + _GAP
    picture.paste(key, (_MARGIN, top + _GAP))
    save(picture, path)


def batches(
    first: Sequence[Mapping[str, np.ndarray]],
    count: int,
    info: DatasetInfo,
    path: str | Path,
) -> None:
    """A `sheet` of the first `count` examples of batches: what the network will see."""
    examples = [
        dict(zip(batch, row, strict=True))
        for batch in first
        for row in zip(*batch.values(), strict=True)
    ]
    sheet(examples[:count], info, path)


def sheet(
    examples: Sequence[Mapping[str, Any]],
    info: DatasetInfo,
    path: str | Path,
    columns: int = 4,
) -> None:
    """Examples in a grid, each image under its label's colours, with its index.

    Args:
      examples: dicts with `image` `(H, W, C)`, `label` `(H, W)`, `index` as
        the pipeline yields them, one example each; a clip shows its last frame.
      info: the class table.
      path: the PNG file.
      columns: pictures side by side.

    Raises:
      UserError: without examples.
      EnvironmentFault: if the disk refuses.
    """
    if not examples:
        raise UserError(f"{path}: no examples to draw; give at least one.")
    columns = min(columns, len(examples))
    cell = (WIDTH - 2 * _MARGIN - (columns - 1) * _GAP) // columns
    photos = few_colours(
        [_photo(overlay(still(e[IMAGE]), last(e[LABEL]), info), cell) for e in examples]
    )
    key = legend(
        class_entries([last(e[LABEL]) for e in examples], info),
        WIDTH - 2 * _MARGIN,
        _TEXT,
    )
    caption = round(_TEXT * 1.8)
    lines = [photos[i : i + columns] for i in range(0, len(photos), columns)]
    heights = [max(p.height for p in line) + caption for line in lines]
    size = (WIDTH, sum(heights) + key.height + 3 * _GAP)
    picture = Image.new("RGB", size, PAPER)
    for i, (example, photo) in enumerate(zip(examples, photos, strict=True)):
        left = _MARGIN + (i % columns) * (cell + _GAP)
        top = sum(heights[: i // columns])
        words = f"{i + 1}.  example {int(example[INDEX])}"
        text(picture, (left, top + caption // 2 + 2), words, _TEXT, colour=FAINT)
        picture.paste(photo, (left, top + caption))
    picture.paste(key, (_MARGIN, sum(heights) + 2 * _GAP))
    save(picture, path)


def _photo(image: np.ndarray, cell: int) -> Image.Image:
    """The image at the size of a cell; tiny ones keep their square pixels."""
    smooth = image.shape[1] > cell // 3
    return fit(Image.fromarray(shown(image)), cell, round(cell * 1.25), smooth)


def _score(miou: float) -> str:
    return "no labelled pixel" if math.isnan(miou) else f"mIoU {miou:.3f}"


def _check_sizes(row: Row) -> None:
    sizes = {row.image.shape[:2], row.truth.shape, row.prediction.shape}
    if len(sizes) > 1:
        raise UserError(
            f"{row.name}: image, truth and prediction are {row.image.shape[:2]}, "
            f"{row.truth.shape} and {row.prediction.shape}; one size is needed. "
            "Resize the prediction to the truth."
        )
