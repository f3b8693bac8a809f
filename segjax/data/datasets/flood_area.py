"""Flood area: 290 photographs of floods, many from the air, with masks of the water.

The masks have soft edges: a value from 128 up (of 255) is water. As published, the set
has faults, see `SWAPPED` and `UNMATCHED`; `.jpg` files that are WEBP or PNG, which are
read by content; one photograph (2018) that is displayed upside down to how it
is stored, with a mask as it is displayed; and eight pairs of equal photographs
with different masks, which are always in one split.
"""

import csv
import dataclasses
import pathlib
from typing import Literal

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.data import decode, splits
from segjax.data.labels import LabelMap
from segjax.data.source import PairedFiles, find_root, missing_files

CLASSES = (("background", (64, 64, 64)), ("flood", (30, 100, 220)))

INFO = DatasetInfo(
    name="flood_area",
    class_names=tuple(name for name, _ in CLASSES),
    class_colours=tuple(colour for _, colour in CLASSES),
    homepage="https://www.kaggle.com/datasets/faizalkarim/flood-area-segmentation",
    citation="Karim, Sharma, Barman: Flood Area Segmentation, Kaggle 2022",
    licence="no terms stated",
    # Dice of the eight pairs of masks: 0.778 to 0.971, mean 0.902.
    note=(
        "Flood area: eight of its 290 photographs are in it twice, with two masks that "
        "agree by a mean Dice of 0.90; a flood Dice above that fits one annotator."
    ),
)
RULE = LabelMap(threshold=128)

SWAPPED = (("14", "15"), ("2052", "2053"))
"""Pairs of images of which each has the other's mask."""

UNMATCHED = ("1061", "1079", "3059")
"""Images whose mask is of another size and fits no other image."""

TREE = """\
  ROOT/Image/0.jpg   ROOT/Mask/0.png   ROOT/metadata.csv (Image,Mask)"""


def make(
    split: str,
    root: str,
    known_faults: Literal["refuse", "repair"] = "refuse",
    val_share: float | int = 0.1,
    split_seed: int = 0,
    split_file: str = "",
) -> PairedFiles:
    """One split of flood area: classes background and flood. No split is published.

    Args:
      split: `"train"`, `"val"` or `"all"`, or one of `split_file`.
      root: the folder that holds `Image/`, `Mask/` and `metadata.csv`.
      known_faults: what becomes of images and masks that differ in size.
        `"refuse"`, the default, stops and names them, since no run should change what
        it is scored on unasked. `"repair"` gives the two swapped pairs their own masks
        back, where the sizes say that they are swapped, leaves the three unmatched
        images out, and says so in the source's `repairs` and in how it prints. Any
        other difference in size is refused with both. Where a copy was scaled to one
        size, the faults do not show: repair before scaling.
      val_share: share of the images in `"val"`; equal images stay together.
      split_seed: another seed is another choice.
      split_file: a file of `segjax.data.splits` that says who is in which split. It
        lists the images that are left over after the repair.

    Raises:
      UserError: the folder is missing, `metadata.csv` and the files do not agree, or an
        image and its mask differ in size; names all of them.
    """
    base = find_root(root, INFO, TREE)
    masks = _listed(base, split)
    sizes = {
        path: decode.read_size(path, str(path.relative_to(base)))[0]
        for both in masks.values()
        for path in both
    }
    repairs, repairable = [], {*UNMATCHED, *(n for pair in SWAPPED for n in pair)}
    if known_faults == "repair":
        masks, repairs = _repaired(masks, sizes)
        repairable = set()
    problems = [
        _mismatch(*both, sizes, name in repairable) for name, both in masks.items()
    ]
    if problems := [problem for problem in problems if problem]:
        raise UserError(problems)
    chosen = splits.part(
        INFO,
        split,
        masks,
        val_share=val_share,
        split_seed=split_seed,
        split_file=split_file,
    )
    pairs = tuple(
        (name, *map(str, both)) for name, both in masks.items() if name in chosen
    )
    return Repaired(INFO, split, str(base), pairs, RULE, repairs=tuple(repairs))


@dataclasses.dataclass(frozen=True)
class Repaired(PairedFiles):
    """Pairs, some of them repaired.

    Attributes:
      repairs: what was done about known faults of the whole set, in words.
    """

    repairs: tuple[str, ...] = ()

    def __repr__(self) -> str:
        done = f" ({'; '.join(self.repairs)})" if self.repairs else ""
        return f"{super().__repr__()}{done}"


def _repaired(masks, sizes):
    """The pairs with the known faults repaired that they have, and what was done."""
    masks, done = dict(masks), []
    for one, other in SWAPPED:
        if one in masks and other in masks:
            swapped = {
                one: (masks[one][0], masks[other][1]),
                other: (masks[other][0], masks[one][1]),
            }
            if all(sizes[masks[n][0]] != sizes[masks[n][1]] for n in swapped) and all(
                sizes[image] == sizes[mask] for image, mask in swapped.values()
            ):
                masks |= swapped
                done.append(f"masks of {one} and {other} swapped back")
    for name in UNMATCHED:
        if name in masks and sizes[masks[name][0]] != sizes[masks[name][1]]:
            del masks[name]
            done.append(f"{name} left out")
    return masks, done


def _mismatch(image, mask, sizes, repairable) -> str:
    """The message for a pair whose sizes differ, or nothing."""
    if sizes[image] == sizes[mask]:
        return ""
    (height, width), (mask_height, mask_width) = sizes[image], sizes[mask]
    advice = (
        "This fault is known: set known_faults='repair'."
        if repairable
        else "Correct the pair or take it out of metadata.csv and the folders."
    )
    return (
        f"Mask/{mask.name}: mask is {mask_height}x{mask_width} and its image "
        f"Image/{image.name} is {height}x{width} (height x width); they must be equal. "
        f"{advice}"
    )


def _listed(
    base: pathlib.Path, split: str
) -> dict[str, tuple[pathlib.Path, pathlib.Path]]:
    """Name -> image and mask, as `metadata.csv` has them, in the order of numbers."""
    listing = base / "metadata.csv"
    if not listing.is_file():
        raise UserError(f"{listing}: is missing; the files must lie so:\n{TREE}")
    with open(listing, newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"Image", "Mask"} <= rows[0].keys():
        raise UserError(
            f"{listing}: has no columns Image and Mask; its first line is "
            "'Image,Mask'. Copy it again."
        )
    found, problems = {}, []
    for row in rows:
        image, mask = (base / kind / (row[kind] or "-") for kind in ("Image", "Mask"))
        if image.stem in found:
            problems.append(f"metadata.csv: {image.name} is listed twice")
        found[image.stem] = (image, mask)
    listed = {path for both in found.values() for path in both}
    problems += [
        f"{path.relative_to(base)}: is listed and missing"
        for path in sorted(listed)
        if not path.is_file()
    ]
    problems += [
        f"{path.relative_to(base)}: is not in metadata.csv"
        for kind in ("Image", "Mask")
        for path in sorted((base / kind).glob("*.*"))
        if path not in listed and path.name[0] != "."
    ]
    missing_files(INFO, split, problems)
    order = sorted(
        found, key=lambda n: (not n.isdigit(), int(n) if n.isdigit() else 0, n)
    )
    return {name: found[name] for name in order}
