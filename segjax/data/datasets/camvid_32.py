"""CamVid as it was published: 32 classes of road scenes, frames of 960x720.

Masks are either indices into the list below, `NAME_P.png`, or the colours of the
classes, `NAME_L.png`. `Void` is ignored, so 31 classes are scored, and `Wall`, 31 in
the masks, has the class id 30. The 11 classes of SegNet are the data set `camvid`.
"""

import pathlib

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE
from segjax.data import pairing, splits
from segjax.data.labels import LabelMap
from segjax.data.source import PairedFiles, bad_split, find_root, missing_files

CODES = (  # name, colour; the position is the index in the masks
    ("Animal", (64, 128, 64)),
    ("Archway", (192, 0, 128)),
    ("Bicyclist", (0, 128, 192)),
    ("Bridge", (0, 128, 64)),
    ("Building", (128, 0, 0)),
    ("Car", (64, 0, 128)),
    ("CartLuggagePram", (64, 0, 192)),
    ("Child", (192, 128, 64)),
    ("Column_Pole", (192, 192, 128)),
    ("Fence", (64, 64, 128)),
    ("LaneMkgsDriv", (128, 0, 192)),
    ("LaneMkgsNonDriv", (192, 0, 64)),
    ("Misc_Text", (128, 128, 64)),
    ("MotorcycleScooter", (192, 0, 192)),
    ("OtherMoving", (128, 64, 64)),
    ("ParkingBlock", (64, 192, 128)),
    ("Pedestrian", (64, 64, 0)),
    ("Road", (128, 64, 128)),
    ("RoadShoulder", (128, 128, 192)),
    ("Sidewalk", (0, 0, 192)),
    ("SignSymbol", (192, 128, 128)),
    ("Sky", (128, 128, 128)),
    ("SUVPickupTruck", (64, 128, 192)),
    ("TrafficCone", (0, 0, 64)),
    ("TrafficLight", (0, 64, 64)),
    ("Train", (192, 64, 128)),
    ("Tree", (128, 128, 0)),
    ("Truck_Bus", (192, 128, 192)),
    ("Tunnel", (64, 0, 64)),
    ("VegetationMisc", (192, 192, 0)),
    ("Void", (0, 0, 0)),
    ("Wall", (64, 192, 0)),
)
_CLASSES = tuple(row for row in CODES if row[0] != "Void")

INFO = DatasetInfo(
    name="camvid_32",
    class_names=tuple(name for name, _ in _CLASSES),
    class_colours=tuple(colour for _, colour in _CLASSES),
    homepage="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/",
    citation=(
        "Brostow, Fauqueur, Cipolla: Semantic Object Classes in Video: A "
        "High-Definition Ground Truth Database, Pattern Recognition Letters 2009"
    ),
    licence="research use",
    group=r"^(.+)_",  # the clip
)

_CLASS_IDS = tuple(_CLASSES.index(row) if row in _CLASSES else IGNORE for row in CODES)
INDICES = LabelMap(tuple(enumerate(_CLASS_IDS)), layout="camvid_32")
COLOURS = LabelMap(
    colours=tuple((row[1], k) for row, k in zip(CODES, _CLASS_IDS, strict=True))
)
LAYOUTS = (  # images, masks, their ending, what they hold
    ("images", "labels", "_P.png", INDICES),
    ("701_StillsRaw_full", "LabeledApproved_full", "_L.png", COLOURS),
)
SPLITS = ("train", "val", "test")
TREE = """\
  ROOT/images/0006R0_f02280.png   ROOT/labels/0006R0_f02280_P.png   ROOT/codes.txt
  or ROOT/701_StillsRaw_full/0006R0_f02280.png
     ROOT/LabeledApproved_full/0006R0_f02280_L.png
  ROOT/train.txt   ROOT/val.txt   ROOT/test.txt   optional lists, a name a line"""


def make(
    split: str, root: str, val_share: float | int = 0.1, split_seed: int = 0
) -> PairedFiles:
    """One split of CamVid with its original classes.

    Args:
      split: `"train"`, `"val"`, or, where there is a list of it, `"test"`.
      root: the folder. It has no split of its own: the lists `train.txt`, `val.txt` and
        `test.txt` of SegNet (367, 101 and 233 names) may be put into it as they are.
      val_share: where there are no lists, the share of the frames in `"val"`. Frames
        follow each other within a second, so each frame of `"val"` then has near twins
        in `"train"`, and scores are too good.
      split_seed: of that choice.

    Raises:
      UserError: the folder is missing, images or masks have no partner, or `codes.txt`
        is not the list above; names them.
    """
    if split not in SPLITS:
        raise bad_split(INFO, split, SPLITS)
    if not 0 < val_share < 1:
        raise UserError(f"config.data.val_share={val_share}: must be in (0, 1).")
    base = find_root(root, INFO, TREE)
    _check_codes(base)
    found = [row for row in LAYOUTS if (base / row[0]).is_dir()]
    if not found:
        raise UserError(
            f"config.data.root={root!r}: has no images; the files must lie so:\n{TREE}"
        )
    folder, masks, ending, rule = found[0]
    image_files = pairing.in_folder(base / folder, ".png")
    mask_files = pairing.in_folder(base / masks, ending)
    names = _listed(base, split)
    if names is not None:
        missing_files(
            INFO,
            split,
            [
                f"{folder}/{n}.png: is listed and missing"
                for n in sorted(names - image_files.keys())
            ],
        )
        image_files = {n: f for n, f in image_files.items() if n in names}
        mask_files = {n: f for n, f in mask_files.items() if n in names}
    pairs = pairing.by_name(INFO, split, base, image_files, mask_files)
    if names is None:
        held = splits.held_out({n: [p] for n, p, _ in pairs}, val_share, split_seed)
        pairs = tuple(p for p in pairs if (p[0] in held) == (split == "val"))
    if not pairs:
        raise UserError(
            f"config.data.root={root!r}: split {split!r} has no images; the files must "
            f"lie so:\n{TREE}"
        )
    return PairedFiles(INFO, split, str(base), pairs, rule)


def _listed(base: pathlib.Path, split: str) -> set[str] | None:
    """The names that the split's list has; None where there is no list at all."""
    lists = [s for s in SPLITS if (base / f"{s}.txt").is_file()]
    if split in lists:
        return set(splits.read_list(base / f"{split}.txt"))
    if lists or split == "test":
        raise UserError(
            f"config.data: split {split!r} has no list {base / split}.txt. Put the "
            "lists of SegNet's CamVid there, or for 'train' and 'val' no list at all."
        )
    return None


def _check_codes(base: pathlib.Path) -> None:
    path = base / "codes.txt"
    if not path.is_file():
        return
    found, known = path.read_text().split(), [name for name, _ in CODES]
    if found != known:
        odd = [f"line {i + 1} is {n!r}" for i, n in enumerate(found) if n not in known]
        raise UserError(
            f"{path}: {', '.join(odd[:3]) or 'the order or the number is another'}; "
            "masks are read by the 32 names of CamVid in the order of the alphabet. "
            "Correct it, or use the `folder` data set with classes of your own."
        )
