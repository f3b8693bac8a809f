"""DAVIS: one moving object (or several) against all else, videos with a mask a frame.

DAVIS-2016 has one foreground of {0, 255}; the masks of DAVIS-2017 number the objects,
and all of these are foreground here. A name is the sequence and the frame:
`blackswan/00042`.
"""

import pathlib
from collections.abc import Sequence
from typing import Literal

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.data.labels import LabelMap
from segjax.data.source import (
    ClippedFiles,
    PairedFiles,
    bad_split,
    find_root,
    missing_files,
)

CLASSES = (("background", (64, 64, 64)), ("foreground", (224, 60, 60)))

INFO = DatasetInfo(
    name="davis",
    class_names=tuple(name for name, _ in CLASSES),
    class_colours=tuple(colour for _, colour in CLASSES),
    homepage="https://davischallenge.org",
    citation=(
        "Perazzi, Pont-Tuset, McWilliams, Van Gool, Gross, Sorkine-Hornung: A "
        "Benchmark Dataset and Evaluation Methodology for Video Object "
        "Segmentation, CVPR 2016"
    ),
    licence="CC BY-NC 4.0",
)
RULE = LabelMap(((0, 0), *((number, 1) for number in range(1, 256))), layout="davis")

SEQUENCES_2016 = {  # split -> its sequences, for a folder without lists
    "train": (
        *("bear", "bmx-bumps", "boat", "breakdance-flare", "bus", "car-turn"),
        *("dance-jump", "dog-agility", "drift-turn", "elephant", "flamingo", "hike"),
        *("hockey", "horsejump-low", "kite-walk", "lucia", "mallard-fly"),
        *("mallard-water", "motocross-bumps", "motorbike", "paragliding", "rhino"),
        *("rollerblade", "scooter-gray", "soccerball", "stroller", "surf", "swing"),
        *("tennis", "train"),
    ),
    "val": (
        *("blackswan", "bmx-trees", "breakdance", "camel", "car-roundabout"),
        *("car-shadow", "cows", "dance-twirl", "dog", "drift-chicane"),
        *("drift-straight", "goat", "horsejump-high", "kite-surf", "libby"),
        *("motocross-jump", "paragliding-launch", "parkour", "scooter-black"),
        "soapbox",
    ),
}

SPLITS = ("train", "val")
LISTS = {2016: ("480p", "1080p", "2016"), 2017: ("2017",)}
"""Year -> folders of `ImageSets/` that have its lists, the first that exists."""

TREE = """\
  ROOT/JPEGImages/480p/blackswan/00000.jpg
  ROOT/Annotations/480p/blackswan/00000.png
  ROOT/ImageSets/480p/val.txt (of 2016) or ROOT/ImageSets/2017/val.txt"""


def make(
    split: str,
    root: str,
    year: Literal[2016, 2017] = 2016,
    resolution: Literal["480p", "1080p", "Full-Resolution"] = "480p",
    frames: int = 1,
    every: int = 1,
    labelled: Literal["last", "all"] = "last",
    video: bool = False,
) -> PairedFiles:
    """One split of DAVIS: classes background and foreground.

    Args:
      split: `"train"` or `"val"`.
      root: the folder that holds `JPEGImages/` and `Annotations/`.
      year: whose lists say which sequences belong to the split. A folder without any
        `ImageSets/` is split by the table of 2016, as far as its sequences go.
      resolution: folder of the images and of the masks.
      frames: `T`; above 1 an image is a clip `(T, H, W, 3)` and the label that of its
        last frame. A clip is of one sequence, so the first `(frames - 1) * every`
        frames of each end no clip and are left out.
      every: frames of the video between two of the clip; 24 a second.
      labelled: which frames of a clip have a label.
      video: every frame by itself, for a model that walks through the videos; `frames`
        and `every` are not asked then.

    Raises:
      UserError: the folder, a sequence or frames are missing, a sequence is in no
        split, or no sequence is long enough for a clip; names them.
    """
    if split not in SPLITS:
        raise bad_split(INFO, split, SPLITS)
    if frames < 1 or every < 1:
        raise UserError(
            f"config.data: frames={frames}, every={every}: both are 1 or more. Use for "
            "example frames=4, every=2."
        )
    if video:
        frames = 1
    base = find_root(root, INFO, TREE)
    images, masks = (base / k / resolution for k in ("JPEGImages", "Annotations"))
    pairs, earlier, earlier_masks, problems = [], [], [], []
    for sequence in _sequences(base, images, year, split):
        stills = _frames(images / sequence, ".jpg")
        labels = _frames(masks / sequence, ".png")
        if not stills:
            problems.append(f"{sequence}: has no frames in JPEGImages/{resolution}")
        problems += [
            f"{sequence}/{number:05}: has no {what}"
            for number in sorted(stills.keys() ^ labels.keys())
            for what in ("mask" if number in stills else "image",)
        ]
        for number in sorted(stills.keys() & labels.keys()):
            before = [number - k * every for k in reversed(range(1, frames))]
            if before and before[0] < min(stills):
                continue
            problems += [
                f"{sequence}/{n:05}: is missing" for n in before if n not in stills
            ]
            name = f"{sequence}/{number:05}"
            pairs.append((name, str(stills[number]), str(labels[number])))
            earlier.append(tuple(str(stills.get(n)) for n in before))
            earlier_masks.append(tuple(str(labels.get(n)) for n in before))
    missing_files(INFO, split, list(dict.fromkeys(problems)))
    if not pairs and frames > 1:
        raise UserError(
            f"config.data: frames={frames}, every={every}: {split} has no sequence of "
            f"{(frames - 1) * every + 1} frames or more. Use fewer."
        )
    if not pairs:
        raise UserError(
            f"config.data.root={root!r}: has no sequence of {split!r}; the files must "
            f"lie so:\n{TREE}"
        )
    if frames == 1:
        videos = tuple(name.rpartition("/")[0] for name, _, _ in pairs) * video
        return PairedFiles(INFO, split, str(base), tuple(pairs), RULE, videos=videos)
    return ClippedFiles(
        INFO,
        split,
        str(base),
        tuple(pairs),
        RULE,
        earlier=tuple(earlier),
        earlier_masks=tuple(earlier_masks) * (labelled == "all"),
    )


def _sequences(
    base: pathlib.Path, images: pathlib.Path, year: int, split: str
) -> Sequence[str]:
    """The sequences of a split, by its list or by the table of 2016."""
    for folder in LISTS[year]:
        listing = base / "ImageSets" / folder / f"{split}.txt"
        if listing.is_file():
            # A line is a sequence (2017), or the paths of a frame and its mask (2016).
            words = [
                line.split()[0] for line in listing.read_text().splitlines() if line
            ]
            parts = [pathlib.PurePosixPath(word).parts for word in words]
            return sorted({p[-2] if len(p) > 1 else p[0] for p in parts})
    if (base / "ImageSets").is_dir() or year != 2016:
        raise UserError(
            f"{base / 'ImageSets' / LISTS[year][0] / split}.txt: is missing; the files "
            f"must lie so:\n{TREE}"
        )
    known = {name for names in SEQUENCES_2016.values() for name in names}
    found = sorted(p.name for p in images.glob("[!.]*") if p.is_dir())
    if strange := [name for name in found if name not in known]:
        raise UserError(
            f"{images}: {', '.join(strange)}: are no sequences of DAVIS-2016, and "
            "there is no ImageSets/ that says which split they are in. Add its lists, "
            "or take them away."
        )
    return [name for name in found if name in SEQUENCES_2016[split]]


def _frames(folder: pathlib.Path, suffix: str) -> dict[int, pathlib.Path]:
    """Number of a frame -> its file."""
    return {int(p.stem): p for p in folder.glob(f"*{suffix}") if p.stem.isdigit()}
