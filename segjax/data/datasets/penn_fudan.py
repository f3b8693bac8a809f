"""Penn-Fudan pedestrians in their official tree: 170 photographs of streets.

A mask numbers the pedestrians of its photograph 1, 2, ...; each number from 1 up is the
class pedestrian, and 0 is the background. No split is published.
"""

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.data import pairing, splits
from segjax.data.labels import LabelMap
from segjax.data.source import PairedFiles, bad_split, find_root

CLASSES = (  # name, colour; the position is the class id
    ("background", (64, 64, 64)),
    ("pedestrian", (220, 20, 60)),
)

INFO = DatasetInfo(
    name="penn_fudan",
    class_names=tuple(name for name, _ in CLASSES),
    class_colours=tuple(colour for _, colour in CLASSES),
    homepage="https://www.cis.upenn.edu/~jshi/ped_html/",
    citation=(
        "Wang, Shi, Song, Shen: Object Detection Combining Recognition and "
        "Segmentation, ACCV 2007"
    ),
    licence="none stated",
)

SPLITS = ("train", "val")
RULE = LabelMap(threshold=1)
TREE = """\
  ROOT/PNGImages/FudanPed00001.png
  ROOT/PedMasks/FudanPed00001_mask.png
  (the folder PennFudanPed of PennFudanPed.zip; ROOT may be above it)"""


def make(
    split: str, root: str, val_share: float | int = 0.1, split_seed: int = 0
) -> PairedFiles:
    """One split of the pedestrians.

    Args:
      split: `"train"` or `"val"`.
      root: the folder `PennFudanPed`, or the one that holds it.
      val_share: share of the images in `"val"`; equal images stay together.
      split_seed: another seed is another choice.

    Raises:
      UserError: the folder is missing, or images or masks have no partner; names them.
    """
    if split not in SPLITS:
        raise bad_split(INFO, split, SPLITS)
    if not 0 < val_share < 1:
        raise UserError(f"config.data.val_share={val_share}: must be in (0, 1).")
    base = find_root(root, INFO, TREE, ("PennFudanPed",), "PedMasks")
    images = pairing.in_folder(base / "PNGImages", ".png")
    masks = pairing.in_folder(base / "PedMasks", "_mask.png")
    pairs = pairing.by_name(INFO, split, base, images, masks)
    if not pairs:
        raise UserError(
            f"config.data.root={root!r}: has no images; the files must lie so:\n{TREE}"
        )
    held = splits.held_out({n: [path] for n, path, _ in pairs}, val_share, split_seed)
    pairs = tuple(p for p in pairs if (p[0] in held) == (split == "val"))
    return PairedFiles(INFO, split, str(base), pairs, RULE)
