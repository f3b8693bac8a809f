"""Cityscapes in its official tree: street scenes of 2048x1024, 19 evaluated classes.

Masks are read from `*_gtFine_labelIds.png` by the table below, or from
`*_gtFine_labelTrainIds.png`, which hold the train ids already; with `coarse` from
`*_gtCoarse_*`. The 16-bit `*_instanceIds.png` and the `*_color.png` are never taken for
masks. A name is that of the frame: `aachen_000000_000019`.
"""

import pathlib
from typing import Literal

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE
from segjax.data.labels import LabelMap
from segjax.data.source import (
    ClippedFiles,
    Found,
    PairedFiles,
    bad_split,
    find_root,
    labels_not_public,
    missing_files,
)

LABELS = (  # name, id in labelIds, train id, colour: the official table
    ("unlabeled", 0, IGNORE, (0, 0, 0)),
    ("ego vehicle", 1, IGNORE, (0, 0, 0)),
    ("rectification border", 2, IGNORE, (0, 0, 0)),
    ("out of roi", 3, IGNORE, (0, 0, 0)),
    ("static", 4, IGNORE, (0, 0, 0)),
    ("dynamic", 5, IGNORE, (111, 74, 0)),
    ("ground", 6, IGNORE, (81, 0, 81)),
    ("road", 7, 0, (128, 64, 128)),
    ("sidewalk", 8, 1, (244, 35, 232)),
    ("parking", 9, IGNORE, (250, 170, 160)),
    ("rail track", 10, IGNORE, (230, 150, 140)),
    ("building", 11, 2, (70, 70, 70)),
    ("wall", 12, 3, (102, 102, 156)),
    ("fence", 13, 4, (190, 153, 153)),
    ("guard rail", 14, IGNORE, (180, 165, 180)),
    ("bridge", 15, IGNORE, (150, 100, 100)),
    ("tunnel", 16, IGNORE, (150, 120, 90)),
    ("pole", 17, 5, (153, 153, 153)),
    ("polegroup", 18, IGNORE, (153, 153, 153)),
    ("traffic light", 19, 6, (250, 170, 30)),
    ("traffic sign", 20, 7, (220, 220, 0)),
    ("vegetation", 21, 8, (107, 142, 35)),
    ("terrain", 22, 9, (152, 251, 152)),
    ("sky", 23, 10, (70, 130, 180)),
    ("person", 24, 11, (220, 20, 60)),
    ("rider", 25, 12, (255, 0, 0)),
    ("car", 26, 13, (0, 0, 142)),
    ("truck", 27, 14, (0, 0, 70)),
    ("bus", 28, 15, (0, 60, 100)),
    ("caravan", 29, IGNORE, (0, 0, 90)),
    ("trailer", 30, IGNORE, (0, 0, 110)),
    ("train", 31, 16, (0, 80, 100)),
    ("motorcycle", 32, 17, (0, 0, 230)),
    ("bicycle", 33, 18, (119, 11, 32)),
    ("license plate", -1, IGNORE, (0, 0, 142)),
)
_CLASSES = sorted((row for row in LABELS if row[2] != IGNORE), key=lambda row: row[2])

INFO = DatasetInfo(
    name="cityscapes",
    class_names=tuple(row[0] for row in _CLASSES),
    class_colours=tuple(row[3] for row in _CLASSES),
    homepage="https://www.cityscapes-dataset.com",
    citation=(
        "Cordts, Omran, Ramos, Rehfeld, Enzweiler, Benenson, Franke, Roth, Schiele: "
        "The Cityscapes Dataset for Semantic Urban Scene Understanding, CVPR 2016"
    ),
    licence="Cityscapes terms: non-commercial, after registration",
    group=r"^([^_]+)_",  # the city
)

SPLITS = {
    "gtFine": ("train", "val", "test"),
    "gtCoarse": ("train", "train_extra", "val"),
}
"""Kind of the annotations -> their splits."""

BEFORE, AFTER = 19, 10  # frames of a snippet before and after the labelled one
RULES = {
    # License plates have the id -1 and are in no labelIds file.
    "labelIds": LabelMap(
        tuple((row[1], row[2]) for row in LABELS if row[1] >= 0), layout="labelIds"
    ),
    "labelTrainIds": LabelMap(
        (*((k, k) for k in range(len(_CLASSES))), (IGNORE, IGNORE)),
        layout="labelTrainIds",
    ),
}
TREE = """\
  ROOT/leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png
  ROOT/gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png
  (the contents of leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip)
  ROOT/leftImg8bit/train_extra/   ROOT/gtCoarse/train_extra/   for coarse=True
  (the contents of leftImg8bit_trainextra.zip and gtCoarse.zip)"""


def make(
    split: str,
    root: str,
    labels: Literal["auto", "labelIds", "labelTrainIds"] = "auto",
    frames: int = 1,
    every: int = 1,
    coarse: bool = False,
    video: bool = False,
) -> PairedFiles:
    """One split of Cityscapes with its fine or its coarse annotations.

    Args:
      split: `"train"` (2975 frames), `"val"` (500) or, with `coarse`, `"train_extra"`
        (19,998). The labels of `"test"` are not public, so it is refused.
      root: the folder that holds `leftImg8bit/` and `gtFine/` or `gtCoarse/`.
      labels: which mask files to read; `"auto"` takes `labelIds` where the split has
        any and `labelTrainIds` otherwise.
      frames: `T`; above 1 an image is a clip `(T, H, W, 3)` that ends at the labelled
        frame, the 20th of its snippet of 30, from `leftImg8bit_sequence/`, PNG or JPEG.
      every: frames of the video between two of the clip; 17 a second.
      coarse: read the rough polygons of `gtCoarse/`; much of a frame is then ignored.
      video: every frame of the snippets that is there by itself, labelled or not, for a
        model that walks through them; `frames` and `every` are not asked then.

    Raises:
      UserError: the folder is missing, or images, masks or frames have no partner;
        names them.
    """
    kind = "gtCoarse" if coarse else "gtFine"
    if split == "test":
        raise labels_not_public(INFO)
    if split not in SPLITS[kind]:
        raise bad_split(INFO, split, SPLITS[kind])
    base = find_root(root, INFO, TREE)
    if frames < 1 or every < 1 or (frames - 1) * every > BEFORE:
        raise UserError(
            f"config.data: frames={frames}, every={every}: a snippet has {BEFORE} "
            f"frames before the labelled one, so (frames - 1) * every is from 0 to "
            f"{BEFORE}. Use for example frames=4, every=2."
        )
    if labels == "auto":
        train_ids = _files(base, kind, split, "labelTrainIds")
        raw = _files(base, kind, split, "labelIds")
        labels = "labelTrainIds" if train_ids and not raw else "labelIds"
    masks = _files(base, kind, split, labels)
    if video:
        return _snippets(base, split, masks, RULES[labels])
    if frames == 1:
        images = _files(base, "leftImg8bit", split, "")
    else:
        sequences = base / "leftImg8bit_sequence" / split
        images = {name: _frame(sequences, name) for name in masks}
    problems = [
        f"{images[name].relative_to(base)}: has no *_{kind}_{labels}.png"
        for name in sorted(images.keys() - masks.keys())
    ] + [
        f"{masks[name].relative_to(base)}: has no *_leftImg8bit.png"
        for name in sorted(masks.keys() - images.keys())
    ]
    clips = {
        name: [_frame(sequences, name, k * every) for k in reversed(range(1, frames))]
        for name in images
        if frames > 1
    }
    problems += [
        f"{frame.relative_to(base)}: is missing"
        for name, before in clips.items()
        for frame in (*before, images[name])
        if not frame.is_file()
    ]
    there = {n: [f] for n, f in images.items() if f.is_file()}
    kept = {n: [f] for n, f in masks.items()}
    missing_files(
        INFO, split, problems, Found(INFO, str(base), there, kept, RULES[labels])
    )
    if not images:
        raise UserError(
            f"config.data.root={root!r}: has no {split} images; the files must lie "
            f"so:\n{TREE}"
        )
    pairs = tuple((n, str(images[n]), str(masks[n])) for n in sorted(images))
    if frames > 1:
        earlier = tuple(tuple(map(str, clips[name])) for name in sorted(images))
        return ClippedFiles(
            INFO, split, str(base), pairs, RULES[labels], earlier=earlier
        )
    return PairedFiles(INFO, split, str(base), pairs, RULES[labels])


def _snippets(
    base: pathlib.Path, split: str, masks: dict[str, pathlib.Path], rule: LabelMap
) -> PairedFiles:
    """All frames of the labelled snippets, in the order of time."""
    sequences = base / "leftImg8bit_sequence" / split
    pairs, videos, problems = [], [], []
    for name in sorted(masks):
        for before in range(BEFORE, -AFTER - 1, -1):
            frame = _frame(sequences, name, before)
            if frame.is_file():
                stem = frame.stem.removesuffix("_leftImg8bit")
                mask = str(masks[name]) if before == 0 else ""
                pairs.append((stem, str(frame), mask))
                videos.append(name)
            elif before == 0:
                problems.append(f"{frame.relative_to(base)}: is missing")
    missing_files(INFO, split, problems)
    if not pairs:
        raise UserError(
            f"{base}: has no labelled snippet of {split}; the frames lie in "
            f"leftImg8bit_sequence/{split}/CITY/."
        )
    return PairedFiles(INFO, split, str(base), tuple(pairs), rule, videos=tuple(videos))


def _files(
    base: pathlib.Path, kind: str, split: str, labels: str
) -> dict[str, pathlib.Path]:
    """Frame name -> file, over all cities."""
    ending = f"_{kind}_{labels}.png" if labels else f"_{kind}.png"
    found = (base / kind / split).glob(f"*/*{ending}")
    return {p.name.removesuffix(ending): p for p in found if p.name[0] != "."}


def _frame(sequences: pathlib.Path, name: str, before: int = 0) -> pathlib.Path:
    """The file of the frame that lies `before` frames of the video before `name`."""
    city, snippet, number = name.rsplit("_", 2)
    stem = f"{city}_{snippet}_{int(number) - before:06}_leftImg8bit"
    jpeg = sequences / city / f"{stem}.jpg"  # a quarter of the size: some keep these
    return jpeg if jpeg.is_file() else jpeg.with_suffix(".png")
