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

SPLITS = ("train", "val", "all")
RULE = LabelMap(threshold=1)
TREE = """\
  ROOT/PNGImages/FudanPed00001.png
  ROOT/PedMasks/FudanPed00001_mask.png
  (the folder PennFudanPed of PennFudanPed.zip; ROOT may be above it)"""


def make(
    split: str,
    root: str,
    val_share: float | int = 0.1,
    split_seed: int = 0,
    folds: int = 0,
    fold: int = 0,
    split_file: str = "",
) -> PairedFiles:
    """One split of the pedestrians. None is published.

    Args:
      split: `"train"`, `"val"` or `"all"`, or one of `split_file`.
      root: the folder `PennFudanPed`, or the one that holds it.
      val_share: share of the images in `"val"`; equal images stay together.
      split_seed: another seed is another choice.
      folds: from 2 up, for cross-validation.
      fold: the fold that is `"val"`, from 0.
      split_file: a file of `segjax.data.splits` that says who is in which split.

    Raises:
      UserError: the folder is missing, or images or masks have no partner; names them;
        or there is no such split.
    """
    if not split_file and split not in SPLITS:
        raise bad_split(INFO, split, SPLITS)
    base = find_root(root, INFO, TREE, ("PennFudanPed",), "PedMasks")
    images = pairing.in_folder(base / "PNGImages", ".png")
    masks = pairing.in_folder(base / "PedMasks", "_mask.png")
    pairs = pairing.by_name(INFO, split, base, images, masks)
    if not pairs:
        raise UserError(
            f"config.data.root={root!r}: has no images; the files must lie so:\n{TREE}"
        )
    chosen = splits.part(
        INFO,
        split,
        {name: [image] for name, image, _ in pairs},
        val_share=val_share,
        split_seed=split_seed,
        folds=folds,
        fold=fold,
        split_file=split_file,
    )
    pairs = tuple(pair for pair in pairs if pair[0] in chosen)
    return PairedFiles(INFO, split, str(base), pairs, RULE)
