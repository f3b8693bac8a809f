"""COCO 2017: photographs with 80 kinds of things and 91 of stuff, read from two forms.

Which classes are learnt is a choice that the name of the data set tells:

=============  =====  ==================================================================
`classes`      `K`    what they are
=============  =====  ==================================================================
`thing80`      81     the background and the 80 things
`stuff171`     171    80 things and 91 kinds of stuff (COCO-Stuff); no background
`panoptic133`  133    80 things and 53 kinds of stuff, 17 of them merged from several
`voc21`        21     the background and the 20 classes of Pascal VOC, in VOC's order
=============  =====  ==================================================================

`stuffthing` masks (`stuffthingmaps_trainval2017.zip`) hold the category less one, and
255 where nothing is labelled. `panoptic` masks code numbers of segments as colours,
red + 256 green + 65536 blue, and a json says the category of each; 0 is unlabelled.
Either can make `thing80` and `voc21`: all that is none of their classes, the unlabelled
too, is background. For `stuff171` and `panoptic133` the unlabelled is ignored.
"""

import dataclasses
import json
import pathlib
from typing import Literal

import numpy as np

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE
from segjax.data import labels, pairing
from segjax.data.datasets import pascal_voc
from segjax.data.datasets.folder import generated_colours
from segjax.data.source import PairedFiles, bad_split, find_root, labels_not_public

NAMES = (  # of the categories 1 to 182
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train"),  # 1
    *("truck", "boat", "traffic light", "fire hydrant", "street sign"),  # 8
    *("stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse"),  # 13
    *("sheep", "cow", "elephant", "bear", "zebra", "giraffe", "hat"),  # 20
    *("backpack", "umbrella", "shoe", "eye glasses", "handbag", "tie"),  # 27
    *("suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite"),  # 33
    *("baseball bat", "baseball glove", "skateboard", "surfboard"),  # 39
    *("tennis racket", "bottle", "plate", "wine glass", "cup", "fork", "knife"),  # 43
    *("spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli"),  # 50
    *("carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch"),  # 57
    *("potted plant", "bed", "mirror", "dining table", "window", "desk"),  # 64
    *("toilet", "door", "tv", "laptop", "mouse", "remote", "keyboard"),  # 70
    *("cell phone", "microwave", "oven", "toaster", "sink", "refrigerator"),  # 77
    *("blender", "book", "clock", "vase", "scissors", "teddy bear"),  # 83
    *("hair drier", "toothbrush", "hair brush", "banner", "blanket", "branch"),  # 89
    *("bridge", "building-other", "bush", "cabinet", "cage", "cardboard"),  # 95
    *("carpet", "ceiling-other", "ceiling-tile", "cloth", "clothes", "clouds"),  # 101
    *("counter", "cupboard", "curtain", "desk-stuff", "dirt", "door-stuff"),  # 107
    *("fence", "floor-marble", "floor-other", "floor-stone", "floor-tile"),  # 113
    *("floor-wood", "flower", "fog", "food-other", "fruit", "furniture-other"),  # 118
    *("grass", "gravel", "ground-other", "hill", "house", "leaves", "light"),  # 124
    *("mat", "metal", "mirror-stuff", "moss", "mountain", "mud", "napkin"),  # 131
    *("net", "paper", "pavement", "pillow", "plant-other", "plastic"),  # 138
    *("platform", "playingfield", "railing", "railroad", "river", "road"),  # 144
    *("rock", "roof", "rug", "salad", "sand", "sea", "shelf", "sky-other"),  # 150
    *("skyscraper", "snow", "solid-other", "stairs", "stone", "straw"),  # 158
    *("structural-other", "table", "tent", "textile-other", "towel", "tree"),  # 164
    *("vegetable", "wall-brick", "wall-concrete", "wall-other", "wall-panel"),  # 170
    *("wall-stone", "wall-tile", "wall-wood", "water-other", "waterdrops"),  # 175
    *("window-blind", "window-other", "wood"),  # 180
)
DROPPED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91)
"""Categories that COCO named and never annotated."""

MERGED = (  # of the panoptic categories 184 to 200
    *("tree-merged", "fence-merged", "ceiling-merged", "sky-other-merged"),  # 184
    *("cabinet-merged", "table-merged", "floor-other-merged"),  # 188
    *("pavement-merged", "mountain-merged", "grass-merged", "dirt-merged"),  # 191
    *("paper-merged", "food-other-merged", "building-other-merged"),  # 195
    *("rock-merged", "wall-other-merged", "rug-merged"),  # 198
)
KEPT = (  # stuff that is a panoptic category by itself
    *(92, 93, 95, 100, 107, 109, 112, 118, 119, 122, 125, 128, 130, 133, 138, 141),
    *(144, 145, 147, 148, 149, 151, 154, 155, 156, 159, 161, 166, 168, 171, 175),
    *(176, 177, 178, 180, 181),
)
VOC = (5, 2, 16, 9, 44, 6, 3, 17, 62, 21, 67, 18, 19, 4, 1, 64, 20, 63, 7, 72)
"""The categories of VOC's classes 1 to 20."""

_THINGS = tuple(k for k in range(1, 91) if k not in DROPPED)
_STUFF = tuple(range(92, 183))
_PANOPTIC = (*_THINGS, *KEPT, *range(184, 201))

BACKGROUND = 0  # no category of COCO has this number
CLASSES = {
    "thing80": (BACKGROUND, *_THINGS),
    "stuff171": (*_THINGS, *_STUFF),
    "panoptic133": _PANOPTIC,
    "voc21": (BACKGROUND, *VOC),
}
"""Choice -> the category of each class."""

FORMS = {  # form of the masks -> its categories, the number of the unlabelled
    "stuffthing": ((*_THINGS, *_STUFF), 255),
    "panoptic": (_PANOPTIC, 0),
}
SPLITS = ("train", "val", "test")
TREE = """\
  ROOT/train2017/000000000009.jpg                          or images/train2017/
  ROOT/stuffthingmaps/train2017/000000000009.png           or annotations/train2017/
  ROOT/annotations/panoptic_train2017/000000000009.png
  ROOT/annotations/panoptic_train2017.json
  ROOT/val2017/ and so on; one form of the masks is enough"""


def make(
    split: str,
    root: str,
    classes: Literal["thing80", "stuff171", "panoptic133", "voc21"],
    masks: Literal["auto", "stuffthing", "panoptic"] = "auto",
) -> PairedFiles:
    """One split of COCO 2017.

    Args:
      split: `"train"` (118,287 images) or `"val"` (5000). The labels of `"test"` are
        not public, so it is refused.
      root: the folder that holds `train2017/`, `val2017/` and the masks.
      classes: which classes are learnt; the table at the top of this file says what
        each is.
      masks: the form that is read; `"auto"` takes `"stuffthing"` where the split has
        it and it can make `classes`, and `"panoptic"` otherwise.

    Raises:
      UserError: the folder is missing, the masks cannot make `classes`, images or masks
        have no partner, or the json names unknown categories.

    Source: for `stuff171` Caesar, Uijlings, Ferrari: COCO-Stuff: Thing and Stuff
      Classes in Context, 2018, arXiv 1612.03716; for `panoptic133` Kirillov, He,
      Girshick, Rother, Dollar: Panoptic Segmentation, 2019, arXiv 1801.00868.
    Differs: for `voc21` torchvision leaves out images with few pixels of the 20 classes
      and ignores pixels where objects overlap; here all images stay, and such a pixel
      has the class that the mask shows.
    """
    info = _info(classes)
    if split == "test":
        raise labels_not_public(info)
    if split not in SPLITS:
        raise bad_split(info, split, SPLITS)
    base = find_root(root, info, TREE)
    year = f"{split}2017"
    images = _first(base, (year, f"images/{year}"))
    stuffthing = _first(base, (f"stuffthingmaps/{year}", f"annotations/{year}"))
    panoptic = _first(base, (f"annotations/panoptic_{year}", f"panoptic_{year}"))
    there = {"stuffthing": stuffthing, "panoptic": panoptic}
    can = [form for form in there if set(CLASSES[classes]) <= {0, *FORMS[form][0]}]
    form = masks if masks != "auto" else next((f for f in can if there[f]), can[0])
    if form not in can:
        raise UserError(
            f"config.data: classes={classes!r} cannot be made from masks={form!r}, "
            f"which have other categories; use masks={can[0]!r}."
        )
    if not images or not there[form]:
        what = f"no {form} masks of {year}" if images else f"no folder {year}/"
        raise UserError(
            f"config.data.root={root!r}: has {what}; classes={classes!r} needs "
            f"{' or '.join(can)} masks. The files must lie so:\n{TREE}"
        )
    rule = _rule(classes, form)
    if form == "panoptic":
        return _read_panoptic(info, split, base, images, panoptic, rule)
    pairs = pairing.by_name(
        info,
        split,
        base,
        pairing.in_folder(images, ".jpg"),
        # mmsegmentation leaves its 000000000009_labelTrainIds.png among them.
        {n: p for n, p in pairing.in_folder(stuffthing, ".png").items() if n.isdigit()},
    )
    return PairedFiles(info, split, str(base), pairs, rule)


@dataclasses.dataclass(frozen=True, repr=False)
class _Panoptic(PairedFiles):
    """Masks that code segments as colours.

    Attributes:
      listing: the json that says the category of each segment.
      segments: for each example `(number of the segment, category)` pairs, int32.
    """

    listing: str = ""
    segments: tuple[bytes, ...] = ()  # 118,287 arrays, small and comparable

    def rule_of(self, i: int) -> labels.LabelMap:
        """The colours of the segments in the mask of example `i`."""
        meaning = dict(self.rule.values)
        pairs = np.frombuffer(self.segments[i], np.int32).reshape(-1, 2).tolist()
        codes = tuple(
            ((n & 255, n >> 8 & 255, n >> 16), meaning[category])
            for n, category in ((0, 0), *pairs)
        )
        return labels.LabelMap(colours=codes, layout="panoptic")

    def files(self) -> set[str]:
        """Every file that the examples are made from."""
        return super().files() | {self.listing}


def _read_panoptic(info, split, base, images, masks, rule) -> _Panoptic:
    listing = masks.with_suffix(".json")
    if not listing.is_file():
        raise UserError(f"{listing}: is missing; the files must lie so:\n{TREE}")
    found: dict[str, bytes] = {}
    known, unknown = dict(rule.values), set()
    try:
        for row in json.loads(listing.read_bytes())["annotations"]:
            segments = [(s["id"], s["category_id"]) for s in row["segments_info"]]
            unknown |= {category for _, category in segments} - known.keys()
            name = pathlib.PurePath(row["file_name"]).stem
            found[name] = np.array(segments, np.int32).tobytes()
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{listing}: is no panoptic json ({error!r}); `annotations` with "
            "`file_name` and `segments_info` are read. Unpack COCO's own json again."
        ) from None
    if unknown:
        raise UserError(
            f"{listing}: has the categories {labels.spans(unknown)}; COCO's panoptic "
            f"ones are {labels.spans(_PANOPTIC)}. Unpack COCO's own json again."
        )
    pairs = pairing.listed(
        info,
        split,
        base,
        found,
        image=f"{images.relative_to(base)}/{{name}}.jpg",
        mask=f"{masks.relative_to(base)}/{{name}}.png",
    )
    segments = tuple(found[name] for name, _, _ in pairs)
    return _Panoptic(
        info, split, str(base), pairs, rule, listing=str(listing), segments=segments
    )


def _rule(classes: str, form: str) -> labels.LabelMap:
    """What the numbers mean: in the masks (`stuffthing`), or of the categories."""
    categories, unlabelled = FORMS[form]
    meaning = {category: k for k, category in enumerate(CLASSES[classes])}
    rest = meaning.get(BACKGROUND, IGNORE)
    less = 1 if form == "stuffthing" else 0
    values = [(c - less, meaning.get(c, rest)) for c in categories]
    return labels.LabelMap((*values, (unlabelled, rest)), layout=form)


def _info(classes: str) -> DatasetInfo:
    names = {
        0: "background",
        **dict(enumerate(NAMES, 1)),
        **dict(enumerate(MERGED, 184)),
    }
    own = tuple(names[category] for category in CLASSES[classes])
    colours = generated_colours(len(own))
    if classes == "voc21":
        own, colours = pascal_voc.INFO.class_names, pascal_voc.INFO.class_colours
    return DatasetInfo(
        name=f"coco_{classes}",
        class_names=own,
        class_colours=colours,
        homepage="https://cocodataset.org",
        citation=(
            "Lin, Maire, Belongie, Bourdev, Girshick, Hays, Perona, Ramanan, Zitnick, "
            "Dollar: Microsoft COCO: Common Objects in Context, ECCV 2014"
        ),
        licence="annotations CC BY 4.0, Flickr terms for the photographs",
    )


def _first(base: pathlib.Path, places: tuple[str, ...]) -> pathlib.Path | None:
    """The first of the folders that is there."""
    return next((base / p for p in places if (base / p).is_dir()), None)
