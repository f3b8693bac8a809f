"""ADE20K as the scene parsing benchmark has it: 150 classes of things and stuff.

Masks of `ADEChallengeData2016` hold 1-150 for the classes and 0 for all else, which is
ignored. The full ADE20K, whose masks are coloured pictures, is another data set.
"""

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE
from segjax.data import pairing
from segjax.data.datasets.folder import generated_colours
from segjax.data.labels import LabelMap
from segjax.data.source import PairedFiles, bad_split, find_root, labels_not_public

CLASSES = (  # the first name of each; number k + 1 in the masks
    *("wall", "building", "sky", "floor", "tree"),  # 1
    *("ceiling", "road", "bed", "windowpane", "grass"),
    *("cabinet", "sidewalk", "person", "earth", "door"),  # 11
    *("table", "mountain", "plant", "curtain", "chair"),
    *("car", "water", "painting", "sofa", "shelf"),  # 21
    *("house", "sea", "mirror", "rug", "field"),
    *("armchair", "seat", "fence", "desk", "rock"),  # 31
    *("wardrobe", "lamp", "bathtub", "railing", "cushion"),
    *("base", "box", "column", "signboard", "chest of drawers"),  # 41
    *("counter", "sand", "sink", "skyscraper", "fireplace"),
    *("refrigerator", "grandstand", "path", "stairs", "runway"),  # 51
    *("case", "pool table", "pillow", "screen door", "stairway"),
    *("river", "bridge", "bookcase", "blind", "coffee table"),  # 61
    *("toilet", "flower", "book", "hill", "bench"),
    *("countertop", "stove", "palm", "kitchen island", "computer"),  # 71
    *("swivel chair", "boat", "bar", "arcade machine", "hovel"),
    *("bus", "towel", "light", "truck", "tower"),  # 81
    *("chandelier", "awning", "streetlight", "booth", "television"),
    *("airplane", "dirt track", "apparel", "pole", "land"),  # 91
    *("bannister", "escalator", "ottoman", "bottle", "buffet"),
    *("poster", "stage", "van", "ship", "fountain"),  # 101
    *("conveyer belt", "canopy", "washer", "plaything", "swimming pool"),
    *("stool", "barrel", "basket", "waterfall", "tent"),  # 111
    *("bag", "minibike", "cradle", "oven", "ball"),
    *("food", "step", "tank", "trade name", "microwave"),  # 121
    *("pot", "animal", "bicycle", "lake", "dishwasher"),
    *("screen", "blanket", "sculpture", "hood", "sconce"),  # 131
    *("vase", "traffic light", "tray", "ashcan", "fan"),
    *("pier", "crt screen", "plate", "monitor", "bulletin board"),  # 141
    *("shower", "radiator", "glass", "clock", "flag"),
)

INFO = DatasetInfo(
    name="ade20k",
    class_names=CLASSES,
    class_colours=generated_colours(len(CLASSES)),
    homepage="http://sceneparsing.csail.mit.edu",
    citation=(
        "Zhou, Zhao, Puig, Fidler, Barriuso, Torralba: Scene Parsing through ADE20K "
        "Dataset, CVPR 2017"
    ),
    licence="images for non-commercial research, annotations BSD-3-Clause",
)

FOLDERS = {"train": "training", "val": "validation"}
RULE = LabelMap(((0, IGNORE), *((k + 1, k) for k in range(len(CLASSES)))))
TREE = """\
  ROOT/images/training/ADE_train_00000001.jpg
  ROOT/annotations/training/ADE_train_00000001.png
  ROOT/images/validation/  ROOT/annotations/validation/
  (the folder ADEChallengeData2016 of its zip; ROOT may be above it)"""


def make(split: str, root: str) -> PairedFiles:
    """One split of ADE20K.

    Args:
      split: `"train"` (20,210 images) or `"val"` (2000). The labels of `"test"` are
        not public, so it is refused.
      root: the folder `ADEChallengeData2016`, or the one that holds it.

    Raises:
      UserError: the folder is missing, or images or masks have no partner; names them.
    """
    if split == "test":
        raise labels_not_public(INFO)
    if split not in FOLDERS:
        raise bad_split(INFO, split, (*FOLDERS, "test"))
    base = find_root(root, INFO, TREE, ("ADEChallengeData2016",), "annotations")
    images = pairing.in_folder(base / "images" / FOLDERS[split], ".jpg")
    masks = pairing.in_folder(base / "annotations" / FOLDERS[split], ".png")
    pairs = pairing.by_name(INFO, split, base, images, masks)
    if not pairs:
        raise UserError(
            f"config.data.root={root!r}: has no {split} images; the files must lie "
            f"so:\n{TREE}"
        )
    return PairedFiles(INFO, split, str(base), pairs, RULE)
