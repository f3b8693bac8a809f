"""Oxford-IIIT Pet in its official tree: cats and dogs of 37 breeds with trimaps.

A trimap has 1 for the pet, 2 for the background and 3 for the border between them, a
band that the annotators left open. Three tasks are made of it, and `border` says what
the band counts as. The lists decide which images belong; what else lies in the folders
(a GIF named .jpg, `.mat` files, `._` files) is not looked at.
"""

import dataclasses
import pathlib
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from segjax.core.errors import UserError, raise_problems
from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE
from segjax.data import splits
from segjax.data.datasets.folder import generated_colours
from segjax.data.labels import LabelMap
from segjax.data.source import Found, PairedFiles, bad_split, find_root, missing_files

BREEDS = (  # breed k + 1 of annotations/list.txt; cats have a capital
    "Abyssinian",
    "american_bulldog",
    "american_pit_bull_terrier",
    "basset_hound",
    "beagle",
    "Bengal",
    "Birman",
    "Bombay",
    "boxer",
    "British_Shorthair",
    "chihuahua",
    "Egyptian_Mau",
    "english_cocker_spaniel",
    "english_setter",
    "german_shorthaired",
    "great_pyrenees",
    "havanese",
    "japanese_chin",
    "keeshond",
    "leonberger",
    "Maine_Coon",
    "miniature_pinscher",
    "newfoundland",
    "Persian",
    "pomeranian",
    "pug",
    "Ragdoll",
    "Russian_Blue",
    "saint_bernard",
    "samoyed",
    "scottish_terrier",
    "shiba_inu",
    "Siamese",
    "Sphynx",
    "staffordshire_bull_terrier",
    "wheaten_terrier",
    "yorkshire_terrier",
)

CLASSES = {
    "binary": ("background", "pet"),
    "trimap": ("background", "pet", "border"),
    "breed": ("background", *BREEDS),
}
"""Task -> its classes."""

SPLITS = ("train", "val", "test")
HOMEPAGE = "https://www.robots.ox.ac.uk/~vgg/data/pets/"
TREE = """\
  ROOT/images/Abyssinian_1.jpg
  ROOT/annotations/trimaps/Abyssinian_1.png
  ROOT/annotations/trainval.txt   ROOT/annotations/test.txt
  (the contents of images.tar.gz and annotations.tar.gz)"""


def make(
    split: str,
    root: str,
    classes: Literal["binary", "trimap", "breed"] = "binary",
    border: Literal["ignore", "pet", "background"] = "ignore",
    val_share: float | int = 0.1,
    split_seed: int = 0,
    split_file: str = "",
) -> PairedFiles:
    """One split of the pets.

    Args:
      split: `"train"` or `"val"`, both of `trainval.txt` (3680 images), or `"test"`
        (3669).
      root: the folder that holds `images/` and `annotations/`.
      classes: `"binary"` is background and pet, `"trimap"` has the border as a third
        class, `"breed"` is background and 37 breeds.
      border: what the border counts as; not asked for `"trimap"`.
      val_share: share of `trainval.txt` in `"val"`; equal images stay together.
      split_seed: another seed is another choice.
      split_file: a file of `segjax.data.splits` that says which of `trainval.txt` are
        in which split; `"test"` stays as published.

    Raises:
      UserError: the folder, a list or listed files are missing; names them.
    """
    task = CLASSES[classes]
    info = DatasetInfo(
        name=f"oxford_pet_{classes}",
        class_names=task,
        class_colours=generated_colours(len(task)),
        homepage=HOMEPAGE,
        citation="Parkhi, Vedaldi, Zisserman, Jawahar: Cats and Dogs, CVPR 2012",
        licence="CC BY-SA 4.0",
    )
    if split not in SPLITS:
        raise bad_split(info, split, SPLITS)
    raise_problems(splits.share_problems(val_share))
    base = find_root(root, info, TREE)
    rows = _listed(base, "test" if split == "test" else "trainval")
    images = {name: base / "images" / f"{name}.jpg" for name in rows}
    masks = {name: base / "annotations/trimaps" / f"{name}.png" for name in rows}
    band = {"ignore": IGNORE, "pet": 1, "background": 0}[border]
    rule = LabelMap(((1, 1), (2, 0), (3, 2 if classes == "trimap" else band)))
    problems = [
        f"{path.relative_to(base)}: is listed and missing"
        for name in rows
        for path in (images[name], masks[name])
        if not path.is_file()
    ]
    there = [
        {n: [f] for n, f in files.items() if f.is_file()} for files in (images, masks)
    ]
    missing_files(info, split, problems, Found(info, str(base), *there, rule, rows))
    if split != "test":
        chosen = splits.part(
            info,
            split,
            {n: [images[n]] for n in rows},
            val_share=val_share,
            split_seed=split_seed,
            split_file=split_file,
        )
        rows = {n: k for n, k in rows.items() if n in chosen}
    pairs = tuple((n, str(images[n]), str(masks[n])) for n in sorted(rows))
    if classes == "breed":
        breeds = tuple(rows[name] for name, _, _ in pairs)
        return _Breeds(info, split, str(base), pairs, rule, breeds=breeds)
    return PairedFiles(info, split, str(base), pairs, rule)


@dataclasses.dataclass(frozen=True, repr=False)
class _Breeds(PairedFiles):
    """Labels in which the pet has the id of its breed."""

    breeds: tuple[int, ...] = ()

    def label(self, i: int) -> UInt8[np.ndarray, "H W"]:
        label = super().label(i)
        return np.where(label == 1, np.uint8(self.breeds[i]), label)


def _listed(base: pathlib.Path, name: str) -> dict[str, int]:
    """Image -> number of its breed, 1 to 37, as a list says."""
    path = base / "annotations" / f"{name}.txt"
    if not path.is_file():
        raise UserError(f"{path}: is missing; the files must lie so:\n{TREE}")
    found, problems = {}, []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split()
        if not words or words[0][0] == "#":
            continue
        if len(words) < 2 or not words[1].isdigit() or not 1 <= int(words[1]) <= 37:
            problems.append(
                f"{path}: line {number} is {line!r}; 'NAME BREED ...' with a breed "
                "from 1 to 37 is allowed. Correct it."
            )
        else:
            found[words[0]] = int(words[1])
    if problems or not found:
        raise UserError(problems or f"{path}: lists no image.")
    return found
