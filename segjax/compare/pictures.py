"""Pictures of images on which arms are good, bad or disagree.

Run folders hold pictures of their own worst and best images; those are copied. On
request, the arms' weights predict the chosen images again, side by side, on the path
that made their scores.
"""

import dataclasses
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from segjax.compare.arms import Arm, Material
from segjax.compare.numbers import Numbers
from segjax.compare.runs import Run
from segjax.core.errors import EnvironmentFault, SegjaxError
from segjax.core.info import DatasetInfo
from segjax.core.keys import IMAGE, LABEL
from segjax.data.display import shown
from segjax.report import drawing, panel
from segjax.report.colour import colourise, error_map
from segjax.report.files import not_written

ARMS = 4
"""Arms side by side; the best ones."""

TITLES = {
    "disputed": "Where the arms are furthest apart",
    "worst": "The worst images, by the mean over arms",
    "best": "The best images, by the mean over arms",
}

_CELL = 300
_MARGIN, _GAP, _TEXT = 16, 8, 17


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture of the report.

    Attributes:
      source: its path in the report's folder.
      caption: what it shows.
      why: the key of `TITLES` that it belongs to; "" for a run's own picture.
    """

    source: str
    caption: str
    why: str = ""


def of(
    material: Material,
    numbers: Numbers,
    chosen: Mapping[str, Sequence[int]],
    out: Path,
    *,
    draw: bool,
) -> tuple[list[Picture], list[str]]:
    """Put pictures into `out/pictures`.

    Args:
      material: the arms.
      numbers: their scores.
      chosen: why -> indices of images.
      out: the report's folder.
      draw: predict the chosen images; else the runs' own pictures are copied.

    Returns:
      The pictures, and notes on what could not be drawn.

    Raises:
      EnvironmentFault: if the disk refuses.
    """
    ranked = [s.arm for s in numbers.standings if s.arm.name in numbers.images]
    trained = [a for a in ranked if a.kind == "run"]
    if not draw:
        return _copied(trained, material.split, out), []
    wanted = sorted({i for indices in chosen.values() for i in indices})
    predicted, notes = {}, []
    source = None
    for arm in trained[:ARMS]:
        try:
            source, predicted[arm.name] = _predict(arm.runs[0], material.split, wanted)
        except SegjaxError as error:
            notes.append(f"No pictures of {arm.name}: {error}")
    if source is None:
        return _copied(trained, material.split, out), notes
    info = source.info
    found = []
    for why, indices in chosen.items():
        rows = [
            {
                "name": material.reference.images[i],
                "image": panel.still(source[i][IMAGE]),
                "truth": panel.last(source[i][LABEL]),
                "arms": {
                    n: (ids[i], numbers.images[n][i]) for n, ids in predicted.items()
                },
            }
            for i in indices
        ]
        path = out / "pictures" / f"{why}.png"
        drawing.save(grid(rows, info), path)
        used = [a for a in trained if a.name in predicted]
        seeds = ", ".join(f"{a.name}: {a.runs[0].place.id}" for a in used)
        words = (
            f"{TITLES[why]}: image and predictions, truth and errors. One run an arm: "
            f"{seeds}."
        )
        found.append(Picture(f"pictures/{why}.png", words, why))
    return found, notes


def grid(rows: Sequence[Mapping[str, Any]], info: DatasetInfo) -> Image.Image:
    """Two lines an image: image and each arm's prediction; truth and its errors.

    Args:
      rows: dicts of `name`, `image` `(H, W, C)`, `truth` `(H, W)` and `arms`: name ->
        (ids `(H, W)`, score in 0..1).
      info: the class table.
    """
    names = list(rows[0]["arms"])
    columns = 1 + len(names)
    width = 2 * _MARGIN + columns * _CELL + (columns - 1) * _GAP
    photos = [
        drawing.fit(Image.fromarray(shown(r["image"])), _CELL, _CELL, _is_large(r))
        for r in rows
    ]
    photos = drawing.few_colours(photos)
    labels = [
        x for r in rows for x in (r["truth"], *(p for p, _ in r["arms"].values()))
    ]
    entries = drawing.class_entries(labels, info) + drawing.ERROR_ENTRIES
    key = drawing.legend(entries, width - 2 * _MARGIN, _TEXT)
    caption = round(2 * _TEXT)
    height = sum(caption + 2 * p.height + 3 * _GAP for p in photos)
    picture = Image.new("RGB", (width, height + key.height + 2 * _GAP), drawing.PAPER)
    pen = ImageDraw.Draw(picture)
    lefts = [_MARGIN + j * (_CELL + _GAP) for j in range(columns)]
    top = 0
    for row, photo in zip(rows, photos, strict=True):
        if top:
            pen.line((_MARGIN, top, width - _MARGIN, top), fill=(222, 226, 230))
        middle = top + caption // 2
        heads = [row["name"], *(f"{n}  {100 * row['arms'][n][1]:.1f} %" for n in names)]
        for left, words in zip(lefts, heads, strict=True):
            bold = left == _MARGIN
            at = (left, middle)
            drawing.text(picture, at, words, _TEXT, bold=bold, width=_CELL)
        top += caption
        predictions = [row["arms"][n][0] for n in names]
        first = [None, *(colourise(p, info) for p in predictions)]
        below = [colourise(row["truth"], info)]
        below += [error_map(row["truth"], p) for p in predictions]
        for line in (first, below):
            for left, colours in zip(lefts, line, strict=True):
                small = photo if colours is None else _small(colours, photo.size)
                picture.paste(small, (left, top))
            top += photo.height + _GAP
        top += _GAP
    picture.paste(key, (_MARGIN, top + _GAP))
    return picture


def _predict(
    run: Run, split: str, wanted: Sequence[int]
) -> tuple[Any, dict[int, np.ndarray]]:
    """The split of a run's data set, and its predictions of some images.

    Raises:
      SegjaxError: no checkpoint, no data, or other data than were scored.
    """
    from segjax import parts as all_parts
    from segjax.predict.whole import prepare

    parts, variables, _ = all_parts.load(run.place.folder)
    source = parts.source(split)
    if source.fingerprint() != run.fingerprint(split):
        raise SegjaxError("the data are not those that were scored.")
    examples = (prepare(source[i], parts.config.eval_ops[0]) for i in wanted)
    protocol = parts.protocol(run.evaluation.get("protocol"))
    predict = parts.predict(protocol=protocol)
    found = {p.index: p.ids for p in predict(variables, examples)}
    return source, found


def _copied(arms: Sequence[Arm], split: str, out: Path) -> list[Picture]:
    """The worst images of the first run of each arm, as its folder shows them."""
    found = []
    for arm in arms[: 2 * ARMS]:
        run = arm.runs[0]
        folder = run.place.folder
        validation = run.config.get("data", {}).get("val_split", "val") == split
        own = "pictures" if validation else f"evaluation/{split}_pictures"
        source = folder / own / "worst.png"
        if not source.exists():
            continue
        name = re.sub(r"[^A-Za-z0-9]+", "_", arm.name).strip("_")
        target = out / "pictures" / f"{name}_worst.png"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        except OSError as error:
            raise EnvironmentFault(not_written(target, error)) from error
        words = f"{arm.name}: the worst images of {run.place.id}."
        found.append(Picture(f"pictures/{target.name}", words))
    return found


def _is_large(row: Mapping[str, Any]) -> bool:
    return row["image"].shape[1] > _CELL // 3


def _small(colours: np.ndarray, size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(colours).resize(size, Image.Resampling.NEAREST)
