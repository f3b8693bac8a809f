"""Photographs of the retina: what the sets of vessels share.

A photograph shows a disc, the field of view, on a black ground. Most papers count the
disc alone, so pixels outside of it can be ignored. Where a set ships masks of the field
they are taken; where it does not, `field_of_view` derives one from the photograph.
"""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE
from segjax.data import decode
from segjax.data.labels import LabelMap
from segjax.data.source import PairedFiles, missing_files

CLASSES = (  # colour in the masks, name, colour in reports
    ((0, 0, 0), "background", (64, 64, 64)),
    ((255, 255, 255), "vessel", (255, 255, 255)),
)

RULE = LabelMap(
    colours=tuple((code, k) for k, (code, _, _) in enumerate(CLASSES)), layout="retina"
)
"""Black is background and white is vessel, as a viewer shows the mask: 0 and 255 in a
grey, palette or RGB picture, 0 and 1 in a picture of one bit."""

SUFFIXES = (".ppm", ".tif", ".tiff", ".jpg", ".jpeg", ".png", ".gif", ".bmp")

INSIDE = "Scores are of the field of view: pixels outside of it are ignored."
"""The note of a set whose labels are ignored there, shown with its scores."""

RED = 20
"""A pixel whose red is above this may be of the field of view; of 255."""


@dataclasses.dataclass(frozen=True, repr=False)
class RetinaFiles(PairedFiles):
    """Photographs with masks of vessels; pixels outside the field of view ignored.

    Attributes:
      outside: `"ignore"` or `"keep"` the labels outside the field of view.
      fields: for each example the path of the mask of its field; if empty, the field is
        derived from the photograph.
    """

    outside: str = "keep"
    fields: tuple[str, ...] = ()

    def label(self, i: int) -> UInt8[np.ndarray, "H W"]:
        """The mask of example `i`, with `IGNORE` outside the field of view.

        Raises:
          UserError: as for a pair; the field is empty or has another size.
        """
        label = super().label(i)
        if self.outside == "keep":
            return label
        inside = self.field(i)
        path = self.fields[i] if self.fields else self.pairs[i][1]
        if inside.shape != label.shape:
            raise UserError(
                f"{self.where(path)}: the field of view is {inside.shape[0]}x"
                f"{inside.shape[1]} and the mask of vessels {label.shape[0]}x"
                f"{label.shape[1]} (height x width); they must be equal. Correct it."
            )
        if not inside.any():
            raise UserError(
                f"{self.where(path)}: the field of view is empty; white in its mask, "
                "or bright in the photograph, is inside. Correct the file, or set "
                "outside='keep'."
            )
        return np.where(inside, label, np.uint8(IGNORE))

    def field(self, i: int) -> Bool[np.ndarray, "H W"]:
        """Whether a pixel is in the field of view: half-way to white in its mask."""
        if not self.fields:
            path = self.pairs[i][1]
            return field_of_view(decode.read_image(path, self.where(path)))
        path = self.fields[i]
        return decode.read_image(path, self.where(path)).max(axis=2) >= 128

    def files(self) -> set[str]:
        """Every file that the examples are made from."""
        return super().files() | set(self.fields)

    def fingerprint(self) -> str:
        """sha256 over the pairs, and over what is done outside the field of view."""
        text = f"{super().fingerprint()} {self.outside} {RED}"
        return hashlib.sha256(text.encode()).hexdigest()


def field_of_view(
    image: UInt8[np.ndarray, "H W 3"], red: int = RED
) -> Bool[np.ndarray, "H W"]:
    """Whether a pixel is in the field of view of a photograph.

    The largest connected region (by edges) of pixels whose red is above `red`, with its
    holes filled. All is outside where no pixel is.
    """
    bright = (image[..., 0] > red).astype(np.uint8)
    _, regions, stats, _ = cv2.connectedComponentsWithStats(bright, connectivity=4)
    if len(stats) == 1:  # the ground alone
        return np.zeros(bright.shape, bool)
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    region = (regions == largest).astype(np.uint8)
    outline, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(region)
    cv2.drawContours(filled, outline, -1, 1, cv2.FILLED)
    return filled.astype(bool)


def info(name: str, **provenance: Any) -> DatasetInfo:
    """The class table of vessels, with the provenance of one set."""
    _, names, colours = zip(*CLASSES, strict=True)
    return DatasetInfo(name, names, colours, **provenance)


def find(folder: pathlib.Path, ending: str) -> dict[str, pathlib.Path]:
    """Stem without `ending` -> picture, for the pictures of a folder that have it.

    Raises:
      UserError: a picture is still packed by gzip, or has two files.
    """
    found, problems = {}, []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name[0] == ".":
            continue
        if path.suffix == ".gz":
            problems.append(f"{path}: is packed; unpack it by gunzip.")
        stem, suffix = os.path.splitext(path.name)
        if suffix.lower() not in SUFFIXES or not stem.endswith(ending):
            continue
        name = stem[: len(stem) - len(ending)]
        if name in found:
            problems.append(f"{path}: is also in {found[name].name}; keep one.")
        found[name] = path
    if problems:
        raise UserError(problems)
    return found


def pair(
    info: DatasetInfo,
    split: str,
    base: pathlib.Path,
    files: Mapping[str, Mapping[str, pathlib.Path]],
    tree: str,
) -> dict[str, tuple[pathlib.Path, ...]]:
    """Name -> its files, in the order of `files`: image, vessels and, if given, field.

    Args:
      info: of the data set.
      split: its name, for messages.
      base: the folder of the data set, for messages.
      files: what a file is, in words -> name -> file.
      tree: a small drawing of how the files must lie.

    Raises:
      UserError: there are no files, or a name has not one of each kind; names them.
    """
    names = sorted(set().union(*files.values()))
    problems = [
        f"{name}: has no {what}"
        for name in names
        for what, found in files.items()
        if name not in found
    ]
    missing_files(info, split, problems)
    if not names:
        raise UserError(
            f"config.data.root={str(base)!r}: has no {info.name} images for "
            f"{split!r}; the files must lie so:\n{tree}"
        )
    return {name: tuple(found[name] for found in files.values()) for name in names}


def make(
    info: DatasetInfo,
    split: str,
    base: pathlib.Path,
    rows: Mapping[str, Sequence[pathlib.Path]],
    outside: str,
) -> RetinaFiles:
    """The source of some names.

    Args:
      info: of the data set.
      split: its name.
      base: the folder that paths are relative to.
      rows: name -> image, mask of vessels and, if there is one, mask of the field.
      outside: `"ignore"` or `"keep"` the labels outside the field of view.

    Raises:
      UserError: there is no name.
    """
    if not rows:
        raise UserError(
            f"config.data: {info.name} has no images for the split {split!r} in this "
            "folder. Check what it holds, or take another split."
        )
    if outside == "ignore":
        info = dataclasses.replace(info, note=f"{info.note} {INSIDE}".strip())
    pairs = tuple((n, str(rows[n][0]), str(rows[n][1])) for n in sorted(rows))
    fields = tuple(str(rows[n][2]) for n in sorted(rows) if len(rows[n]) > 2)
    return RetinaFiles(
        info, split, str(base), pairs, RULE, outside=outside, fields=fields
    )
