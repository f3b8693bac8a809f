"""How much of each picture is of each class, as CSV and in words."""

import csv
import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Integer

from segjax.core.info import DatasetInfo
from segjax.metrics.per_class import align
from segjax.report import maps

NAME = "areas.csv"


@dataclasses.dataclass(frozen=True)
class Areas:
    """Of one picture or frame.

    Attributes:
      source: what it was predicted from, as it was given.
      frame: its number or name in a video; empty for a picture.
      size: `(height, width)`.
      pixels: `(K,)` of each class.
    """

    source: str
    frame: str
    size: tuple[int, int]
    pixels: Integer[np.ndarray, "K"]


def write(
    rows: Sequence[Areas], info: DatasetInfo, folder: Path, pixel_size: float | None
) -> None:
    """`areas.csv`: a row a picture; pixels and share of each class.

    Args:
      rows: of the pictures.
      info: the class table.
      folder: where it is written.
      pixel_size: side of a pixel in metres; adds square metres.

    Raises:
      EnvironmentFault: if the disk refuses.
    """
    names, buffer = info.class_names, io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    kinds = ["pixels", "share"] + ["square metres"] * (pixel_size is not None)
    heads = [f"{name} {kind}" for kind in kinds for name in names]
    table.writerow(["input", "frame", "height", "width", *heads])
    for row in rows:
        pixels = row.pixels.tolist()
        shares = [f"{n / sum(pixels):.6f}" for n in pixels]
        metres = []
        if pixel_size is not None:
            metres = [f"{n * pixel_size**2:.10g}" for n in pixels]
        table.writerow([row.source, row.frame, *row.size, *pixels, *shares, *metres])
    text = buffer.getvalue().encode("utf-8", "surrogateescape")
    maps.write(text, folder / NAME)


def summary(rows: Sequence[Areas], info: DatasetInfo, pixel_size: float | None) -> str:
    """A table of the classes over all pictures and frames."""
    every = np.stack([row.pixels for row in rows]).astype(np.int64)
    total, present = every.sum(0), (every > 0).sum(0)
    shares = 100 * total / total.sum()
    head = ["class", "share, %", "pixels", "in pictures"]
    metres = [] if pixel_size is None else ["square metres"]
    body = []
    for k, name in enumerate(info.class_names):
        cells = [name, f"{shares[k]:.2f}", f"{total[k]:,}", f"{present[k]:,}"]
        if pixel_size is not None:
            cells.append(f"{total[k] * pixel_size**2:,.6g}")
        body.append(cells)
    first, *lines = align([[*head, *metres], *body])
    return "\n".join([first, "-" * len(first), *lines])
