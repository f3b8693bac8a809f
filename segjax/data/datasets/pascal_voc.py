"""Pascal VOC 2012 in its official tree: photographs, 20 classes and the background.

Masks are palette pictures whose indices are the classes; 255, drawn round the objects
and over difficult ones, is ignored. Only what `ImageSets/Segmentation` lists is looked
at: most of the photographs have no mask. `SegmentationObject/` is never read.
"""

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE
from segjax.data import pairing, splits
from segjax.data.labels import LabelMap
from segjax.data.source import PairedFiles, bad_split, find_root, labels_not_public

CLASSES = (  # name, colour in the palette; the position is the index in the masks
    ("background", (0, 0, 0)),
    ("aeroplane", (128, 0, 0)),
    ("bicycle", (0, 128, 0)),
    ("bird", (128, 128, 0)),
    ("boat", (0, 0, 128)),
    ("bottle", (128, 0, 128)),
    ("bus", (0, 128, 128)),
    ("car", (128, 128, 128)),
    ("cat", (64, 0, 0)),
    ("chair", (192, 0, 0)),
    ("cow", (64, 128, 0)),
    ("diningtable", (192, 128, 0)),
    ("dog", (64, 0, 128)),
    ("horse", (192, 0, 128)),
    ("motorbike", (64, 128, 128)),
    ("person", (192, 128, 128)),
    ("pottedplant", (0, 64, 0)),
    ("sheep", (128, 64, 0)),
    ("sofa", (0, 192, 0)),
    ("train", (128, 192, 0)),
    ("tvmonitor", (0, 64, 128)),
)

INFO = DatasetInfo(
    name="pascal_voc",
    class_names=tuple(name for name, _ in CLASSES),
    class_colours=tuple(colour for _, colour in CLASSES),
    homepage="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
    citation=(
        "Everingham, Van Gool, Williams, Winn, Zisserman: The PASCAL Visual Object "
        "Classes (VOC) Challenge, IJCV 2010"
    ),
    licence="Flickr terms for the photographs",
)

SPLITS = ("train", "val", "test")
RULE = LabelMap((*((k, k) for k in range(len(CLASSES))), (IGNORE, IGNORE)))
LISTS = "ImageSets/Segmentation"
TREE = """\
  ROOT/JPEGImages/2007_000032.jpg
  ROOT/SegmentationClass/2007_000032.png     masks, palette pictures
  ROOT/SegmentationClassAug/2007_000032.png  for aug=True
  ROOT/ImageSets/Segmentation/train.txt      val.txt, and trainaug.txt for aug=True
  (VOCdevkit/VOC2012 of VOCtrainval_11-May-2012.tar; ROOT may be above it)"""


def make(split: str, root: str, aug: bool = False) -> PairedFiles:
    """One split of Pascal VOC 2012.

    Args:
      split: `"train"` (1464 images) or `"val"` (1449). The labels of `"test"` are not
        public, so it is refused.
      root: the folder `VOC2012`, or one that holds it or `VOCdevkit/VOC2012`.
      aug: train on `trainaug.txt` (10,582 images) with the masks of
        `SegmentationClassAug/`; `"val"` stays as it is.

    Raises:
      UserError: the folder, a list or listed files are missing; names them.

    Source: `aug` is of Hariharan, Arbelaez, Bourdev, Maji, Malik: Semantic Contours
      from Inverse Detectors, ICCV 2011.
    """
    if split not in SPLITS:
        raise bad_split(INFO, split, SPLITS)
    if split == "test":
        raise labels_not_public(INFO)
    base = find_root(root, INFO, TREE, ("VOC2012", "VOCdevkit/VOC2012"), LISTS)
    aug = aug and split == "train"
    listing = base / LISTS / f"{split}{'aug' * aug}.txt"
    if not listing.is_file():
        raise UserError(f"{listing}: is missing; the files must lie so:\n{TREE}")
    pairs = pairing.listed(
        INFO,
        split,
        base,
        splits.read_list(listing),
        image="JPEGImages/{name}.jpg",
        mask=f"SegmentationClass{'Aug' * aug}/{{name}}.png",
    )
    if not pairs:
        raise UserError(f"{listing}: lists no image; copy it again.")
    return PairedFiles(INFO, split, str(base), pairs, RULE)
