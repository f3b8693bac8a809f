"""ISBI 2012: cell membranes in electron micrographs, 30 labelled slices of 512x512.

The slices are neighbours in one block of tissue, 50 nm apart, and go on in each other:
the membranes of a slice and the next have a Dice of 0.36 with each other, ten slices on
of 0.23, which is chance. A random split would score slices whose neighbours it trained
on, so "val" is always a contiguous block. The labels of the challenge's test slices are
not public.
"""

import dataclasses
import hashlib
import pathlib
import re
from typing import ClassVar

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from segjax.core.errors import UserError, raise_problems
from segjax.core.info import DatasetInfo
from segjax.core.keys import IMAGE, INDEX, LABEL
from segjax.data.labels import LabelMap
from segjax.data.source import PairedFiles, bad_split, find_root, missing_files
from segjax.data.splits import fold_problems

CLASSES = (  # value in the masks, name, colour
    (0, "membrane", (64, 64, 64)),
    (255, "cell", (255, 255, 255)),
)

INFO = DatasetInfo(
    name="isbi2012",
    class_names=tuple(name for _, name, _ in CLASSES),
    class_colours=tuple(colour for _, _, colour in CLASSES),
    homepage="https://imagej.net/events/isbi-2012-segmentation-challenge",
    citation=(
        "Arganda-Carreras et al.: Crowdsourcing the Creation of Image Segmentation "
        "Algorithms for Connectomics, Frontiers in Neuroanatomy 2015"
    ),
    licence="terms of the challenge: for research",
)
RULE = LabelMap(tuple((value, k) for k, (value, _, _) in enumerate(CLASSES)))

SPLITS = ("train", "val", "all")
VOLUME, LABELS = "train-volume.tif", "train-labels.tif"
TREE = """\
  ROOT/train-volume.tif   ROOT/train-labels.tif     30 pages each
  or ROOT/membrane/train/image/0.png   ROOT/membrane/train/label/0.png"""


def make(
    split: str,
    root: str,
    val_slices: int = 6,
    folds: int = 0,
    fold: int = 0,
) -> PairedFiles:
    """One split of ISBI 2012: classes membrane and cell.

    Args:
      split: `"train"`, `"val"` or `"all"`.
      root: the folder with the two TIFF files of the challenge, or with the same slices
        as PNG files, whose names count as numbers.
      val_slices: the last so many slices are `"val"`.
      folds: from 2 up, cut the slices into so many contiguous blocks instead, whose
        lengths differ by one at most.
      fold: the block that is `"val"`, from 0; the slices on either side are `"train"`.

    Raises:
      UserError: the folder is missing, a slice has no partner, or an argument is out of
        its range.
    """
    if split not in SPLITS:
        raise bad_split(INFO, split, SPLITS)
    base = find_root(root, INFO, TREE)
    if (base / VOLUME).is_file() or (base / LABELS).is_file():
        slices, kind = _pages(base, split), Pages
    else:
        slices, kind = _files(base, split), PairedFiles
    if not folds and not 0 < val_slices < len(slices):
        raise UserError(
            f"config.data.val_slices={val_slices}: 1 to {len(slices) - 1} are allowed "
            f"with {len(slices)} slices."
        )
    raise_problems(fold_problems(folds, fold, len(slices), "slices"))
    count = len(slices)
    if folds:
        val = range(count * fold // folds, count * (fold + 1) // folds)
    else:
        val = range(count - val_slices, count)
    chosen = [
        i for i in range(count) if split == "all" or (i in val) == (split == "val")
    ]
    return kind(INFO, split, str(base), tuple(slices[i] for i in chosen), RULE)


@dataclasses.dataclass(frozen=True, repr=False)
class Pages(PairedFiles):
    """Slices that are the pages of two TIFF files; a name is the page, from 0."""

    separate: ClassVar[bool] = False

    def __getitem__(self, i: int) -> dict:
        """Example `i`.

        Raises:
          UserError: a page cannot be read, or the mask holds other values than 0 and
            255.
        """
        name, path, _ = self.pairs[i]
        grey = read_page(path, int(name), self.where(path))
        image = np.repeat(grey[..., None], 3, axis=2)
        return {IMAGE: image, LABEL: self.label(i), INDEX: np.int64(i)}

    def label(self, i: int) -> UInt8[np.ndarray, "H W"]:
        """The mask of example `i`."""
        name, _, path = self.pairs[i]
        page = read_page(path, int(name), self.where(path))
        if not np.isin(page, (0, 255)).all():
            raise UserError(
                f"{self.where(path)}: page {name} holds {np.unique(page)[:6].tolist()} "
                "...; 0 (membrane) and 255 (cell) are allowed. Copy the file again."
            )
        return (page == 255).astype(np.uint8)

    def fingerprint(self) -> str:
        """sha256 over both files and the pages that are taken from them."""
        text = f"{super().fingerprint()} {[name for name, _, _ in self.pairs]}"
        return hashlib.sha256(text.encode()).hexdigest()


def read_page(path: str, page: int, where: str) -> UInt8[np.ndarray, "H W"]:
    """One page of a grey TIFF of 8 bits.

    Raises:
      UserError: the page cannot be read, or is no grey picture of 8 bits.
    """
    done, pages = cv2.imreadmulti(path, page, 1, flags=cv2.IMREAD_UNCHANGED)
    if not done or not pages:
        raise UserError(f"{where}: page {page} cannot be read; copy the file again.")
    if pages[0].ndim != 2 or pages[0].dtype != np.uint8:
        raise UserError(
            f"{where}: page {page} is {pages[0].dtype} of shape {pages[0].shape}; grey "
            "pictures of 8 bits are allowed. Copy the file again."
        )
    return pages[0]


def _pages(base: pathlib.Path, split: str) -> list[tuple[str, str, str]]:
    paths = [base / VOLUME, base / LABELS]
    missing_files(
        INFO, split, [f"{p.name}: is missing" for p in paths if not p.is_file()]
    )
    heads = []
    for path in paths:
        try:
            with Image.open(path) as image:
                heads.append((getattr(image, "n_frames", 1), *image.size[::-1]))
        except (OSError, SyntaxError, ValueError) as error:
            raise UserError(
                f"{path}: is not a picture that can be read ({error}); copy it again."
            ) from None
    if heads[0] != heads[1]:
        raise UserError(
            f"{base}: {VOLUME} and {LABELS} have (pages, height, width) {heads[0]} and "
            f"{heads[1]}; they must be equal. Copy both again."
        )
    return [(str(page), *map(str, paths)) for page in range(heads[0][0])]


def _files(base: pathlib.Path, split: str) -> list[tuple[str, str, str]]:
    folder = base / "membrane" / "train"
    images, masks = (
        {p.stem: p for p in (folder / kind).glob("*.png") if p.name[0] != "."}
        for kind in ("image", "label")
    )
    problems = [f"{n}.png: has no label" for n in sorted(images.keys() - masks.keys())]
    problems += [f"{n}.png: has no image" for n in sorted(masks.keys() - images.keys())]
    problems += [
        f"image/{n}.png: names are numbers; take it away"
        for n in sorted(images)
        if not re.fullmatch(r"\d+", n)
    ]
    missing_files(INFO, split, problems)
    if not images:
        raise UserError(
            f"config.data.root={str(base)!r}: has no slices; the files must lie "
            f"so:\n{TREE}"
        )
    return [(n, str(images[n]), str(masks[n])) for n in sorted(images, key=int)]
