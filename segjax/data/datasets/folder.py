"""Your own images and masks: a folder and a few lines of config, no code.

Layouts, the first that fits is taken::

    ROOT/train/images/a.jpg   ROOT/train/masks/a.png   and the same under val/ (, test/)
    ROOT/images/a.jpg         ROOT/masks/a.png         split by a list or by seed

Any other layout is two patterns relative to ROOT, with `{name}` for what a pair shares
and `{split}`; a pattern without a suffix matches every picture suffix::

    images="JPEGImages/{name}"   masks="SegmentationClass/{name}"
    images="{name}.jpg"          masks="{name}_1stHO.png"

A split that is not a folder is the list `ROOT/splits/<split>.txt`, a name a line (what
follows on the line is left out); where there are no lists, `val_share` of the images
are `"val"` and the others `"train"`. Who goes where is a pure function of the names and
`split_seed`, and images with equal content stay together. A `split_file` goes before
both, see `segjax.data.splits`. The split `"all"` is all.

Images are 8-bit RGB, or what `channels` and `depth` declare: grey scans, bands of a
satellite, heights. Those may also be `.npy` arrays `(H, W, C)`; masks are pictures.

Classes are given in the config, or in `ROOT/classes.txt`, a line each, with a colour
for all of them or for none::

    0 background 0 0 0
    1 road 128 64 128
    255 ignore
"""

import colorsys
import dataclasses
import os
import pathlib
import re
import unicodedata
from typing import Literal

from segjax.core.errors import UserError, raise_problems
from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE, MAX_CLASSES
from segjax.core.pixels import RGB, Pixels
from segjax.data import source as source_lib
from segjax.data import splits
from segjax.data.labels import LabelMap
from segjax.data.source import PairedFiles

SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".gif", ".webp"),
    *(".bmp", ".pgm", ".ppm", ".pnm"),
)
ARRAYS = ".npy"
"""Suffix of images that are arrays; looked for where pixels are declared."""

LAYOUTS = (  # images, masks
    ("{split}/images/{name}", "{split}/masks/{name}"),
    ("images/{name}", "masks/{name}"),
)
TREE = """\
  ROOT/images/a.jpg   ROOT/masks/a.png   ROOT/classes.txt ("0 background", ...)
  or ROOT/train/images/ ROOT/train/masks/ ROOT/val/images/ ROOT/val/masks/"""


def make(
    split: str,
    root: str,
    images: str = "",
    masks: str = "",
    classes: tuple[str, ...] = (),
    values: tuple[int, ...] = (),
    ignore: tuple[int, ...] = (),
    colours: tuple[tuple[int, int, int], ...] = (),
    threshold: int | None = None,
    by_colour: bool = False,
    mask_orientation: Literal["displayed", "stored"] = "displayed",
    lists: str = "splits/{split}.txt",
    skip: tuple[str, ...] = (),
    val_share: float | int = 0.1,
    split_seed: int = 0,
    split_file: str = "",
    title: str = "folder",
    channels: int = 3,
    depth: Literal["uint8", "uint16", "float32"] = "uint8",
) -> PairedFiles:
    """One split of a folder of images and masks.

    Args:
      split: `"train"`, `"val"`, `"test"` or `"all"`.
      root: the folder.
      images: pattern of the image files; by default one of `LAYOUTS`.
      masks: pattern of the mask files; given whenever `images` is.
      classes: class names, by class id; by default from `classes.txt`.
      values: the number in the masks of each class; by default `0 .. K-1`.
      ignore: the numbers in the masks that are no class, for example `(255,)`.
      colours: RGB of each class, for pictures and for `by_colour`; generated if empty.
      threshold: for two classes in grey masks: a pixel from `threshold` up is class 1.
        Right for soft edges and for JPEG masks.
      by_colour: masks hold the colours of the classes instead of numbers.
      mask_orientation: whether the masks of photographs with an EXIF orientation lie
        as the photograph is `"displayed"` or as it is `"stored"`.
      lists: pattern of the lists that say which names are in a split.
      skip: names to leave out, whatever the split.
      val_share: share of the images in `"val"` where nothing else says so.
      split_seed: of that split; not the seed of the training.
      split_file: a file of `segjax.data.splits` that says who is in which split; then
        neither the lists nor `val_share` are asked.
      title: what reports call the data set.
      channels: numbers a pixel of the images.
      depth: of the images: 8 or 16 bits, or floats in a unit of their own. With three
        channels of 8 bits every picture is made RGB; all else must be stored so.

    Raises:
      UserError: the folder, a partner file or the class table is missing or does not
        agree; with every problem.
    """
    pixels = Pixels(channels, depth)
    info = DatasetInfo(title, ("-", "--"), ((0, 0, 0),) * 2)  # until the table is known
    base = source_lib.find_root(root, info, TREE)
    info, rule = _classes(
        base, title, classes, values, ignore, colours, threshold, by_colour
    )
    info = dataclasses.replace(info, pixels=pixels)
    raise_problems(splits.share_problems(val_share))
    images, masks = _layout(base, images, masks, split)
    if split_file and "{split}" in images:
        raise UserError(
            f"config.data.split_file={split_file!r}: the splits are folders here "
            f"({images!r}); leave it out, or use a layout without {{split}}."
        )
    suffixes = picture_suffixes(pixels)
    image_files = _find(base, images, split, skip, suffixes)
    mask_files = _find(base, masks, split, skip)
    chosen, by_seed = set(image_files), False
    if split != "all" and "{split}" not in images:
        if split_file:
            listed = splits.from_file(split_file, split, image_files, info)
        else:
            listed = _listed(base, lists, split, info, suffixes)
        by_seed = listed is None
        if listed is not None:
            # A file without a partner outside of the list is not this split's business.
            chosen = listed - set(skip)
            image_files = {n: f for n, f in image_files.items() if n in chosen}
            mask_files = {n: f for n, f in mask_files.items() if n in chosen}
    problems = _pairing_problems(base, chosen, image_files, mask_files)
    if by_seed:
        val = splits.held_out(image_files, val_share, split_seed)
        chosen = val if split == "val" else chosen - val
    found = _found(base, info, rule, split, chosen, image_files, mask_files)
    found = dataclasses.replace(found, mask_orientation=mask_orientation)
    source_lib.missing_files(info, split, problems, found)
    if not chosen:
        raise UserError(
            f"config.data.root={root!r}: split {split!r} has no images that match "
            f"{images!r}; the files must lie so:\n{TREE}"
        )
    pairs = tuple(
        (n, str(image_files[n][0]), str(mask_files[n][0]))
        for n in sorted(chosen, key=_natural)
    )
    return PairedFiles(info, split, str(base), pairs, rule, mask_orientation)


def _classes(base, title, classes, values, ignore, colours, threshold, by_colour):
    """`(DatasetInfo, LabelMap)` from the arguments, or from `classes.txt`."""
    listing = base / "classes.txt"
    ignored_colours = ()
    if not classes:
        if not listing.is_file():
            raise UserError(
                f"config.data.classes: is empty and {listing} does not exist; name the "
                "classes in either, the background too: classes=('background', 'road')."
            )
        classes, file_values, file_ignore, file_colours, ignored_colours = read_classes(
            listing
        )
        values, ignore = values or file_values, ignore or file_ignore
        colours = colours or file_colours
    count = len(classes)
    at, problems = "config.data", []
    values = tuple(values) or tuple(range(count))
    if len(values) != count or len(set(values) | set(ignore)) < count + len(ignore):
        problems.append(
            f"{at}: {count} classes, values={values}, ignore={tuple(ignore)}; each "
            "class needs one value, and no number may stand twice."
        )
    if bad := [v for v in (*values, *ignore) if not 0 <= v <= 65535]:
        problems.append(f"{at}: values {bad} are outside of 0..65535.")
    if colours and len(colours) != count:
        problems.append(f"{at}: {count} classes and {len(colours)} colours.")
    if threshold is not None and count != 2:
        problems.append(
            f"{at}.threshold={threshold}: is for two classes, here are {count}."
        )
    if by_colour and not colours:
        problems.append(f"{at}.by_colour: needs a colour for each class in `colours`.")
    if by_colour and len(set(colours)) < len(colours):
        problems.append(f"{at}.colours: two classes have one colour; make them differ.")
    if problems:
        raise UserError(problems)
    colours = tuple(tuple(c) for c in colours) or generated_colours(count)
    info = DatasetInfo(title, tuple(classes), colours)
    pairs = (*zip(values, range(count), strict=True), *((v, IGNORE) for v in ignore))
    codes = (
        *zip(colours, range(count), strict=True),
        *((c, IGNORE) for c in ignored_colours if c not in colours),
    )
    return info, LabelMap(pairs, threshold, codes if by_colour else (), "folder")


def read_classes(path: pathlib.Path):
    """`classes.txt` -> `(names, values, ignored values, colours, ignored colours)`.

    A line is a number, a name (blanks allowed) and, if wanted, three numbers for the
    colour; the name `ignore` marks a number that is no class; `#` starts a comment.

    Raises:
      UserError: with every line that does not read so.
    """
    classes, ignored, problems = [], [], []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        match = re.fullmatch(r"(\d+)\s+(.+?)(?:\s+(\d+)\s+(\d+)\s+(\d+))?", text)
        colour = tuple(int(c) for c in match.groups()[2:] if c) if match else ()
        if not match or any(c > 255 for c in colour):
            problems.append(
                f"{path}:{number}: {line!r}: is not 'number name' or 'number "
                "name r g b'; correct the line."
            )
        else:
            rows = ignored if match[2] == "ignore" else classes
            rows.append((int(match[1]), match[2], colour))
    with_colour = sum(bool(c) for _, _, c in classes)
    if with_colour not in (0, len(classes)):
        problems.append(
            f"{path}: {with_colour} of {len(classes)} classes have a colour; give one "
            "to all or to none."
        )
    if problems:
        raise UserError(problems)
    classes.sort()
    return (
        tuple(n for _, n, _ in classes),
        tuple(v for v, _, _ in classes),
        tuple(v for v, _, _ in ignored),
        tuple(c for _, _, c in classes if c),
        tuple(c for _, _, c in ignored if c),
    )


def generated_colours(count: int) -> tuple[tuple[int, int, int], ...]:
    """`count` colours, class 0 dark grey, the others round the circle of hues.

    Steps of the golden ratio keep neighbouring classes far apart; the first colours do
    not depend on how many there are.
    """
    made = [(64, 64, 64)]
    for k in range(1, min(count, MAX_CLASSES)):
        bright = (1.0, 0.7, 0.85)[k % 3]
        rgb = colorsys.hsv_to_rgb(k * 0.618033988749895 % 1, 0.85, bright)
        made.append(tuple(round(255 * c) for c in rgb))
    return tuple(made[:count])


def _layout(base, images, masks, split):
    if bool(images) != bool(masks):
        raise UserError(
            f"config.data: images={images!r}, masks={masks!r}; give both or neither."
        )
    if images:
        bad = [
            p
            for p in (images, masks)
            if p.count("{name}") != 1 or "{name}" not in os.path.basename(p)
        ]
        if bad or ("{split}" in images) != ("{split}" in masks):
            raise UserError(
                f"config.data: images={images!r}, masks={masks!r}; each must have "
                "{name} once, after the last '/', and {split} in both or in neither."
            )
        return images, masks
    if split == "all":
        return LAYOUTS[1]
    for pair in LAYOUTS:
        if (base / os.path.dirname(pair[0].replace("{split}", split))).is_dir():
            return pair
    raise UserError(
        f"config.data.root={str(base)!r}: has neither {split}/images/ nor images/; the "
        f"files must lie so, or give `images` and `masks`:\n{TREE}"
    )


def picture_suffixes(pixels: Pixels) -> tuple[str, ...]:
    """The suffixes of images of such pixels, in small letters."""
    return SUFFIXES if pixels == RGB else (*SUFFIXES, ARRAYS)


def _find(base, pattern, split, skip, suffixes=SUFFIXES):
    """Name -> the files that match; more than one is ambiguous."""
    if "{split}" in pattern and split == "all":
        raise UserError("config.data: split 'all' is for layouts without {split}.")
    folder, _, last = pattern.replace("{split}", split).rpartition("/")
    before, after = last.split("{name}")
    found: dict[str, list[pathlib.Path]] = {}
    if not (base / folder).is_dir():
        raise UserError(
            f"config.data: pattern {pattern!r} names the folder {base / folder}, which "
            "does not exist; correct `images` or `masks`."
        )
    for path in sorted((base / folder).iterdir()):
        stem, suffix = os.path.splitext(path.name)
        if path.name[0] == "." or suffix.lower() not in suffixes:
            continue  # hidden files, Thumbs.db, notes
        text, tail = (path.name, after) if "." in after else (stem, after)
        if text.startswith(before) and text.endswith(tail):
            name = unicodedata.normalize(
                "NFC", text[len(before) : len(text) - len(tail)]
            )
            if name and name not in skip:
                found.setdefault(name, []).append(path)
    return found


def _listed(base, lists, split, info, suffixes) -> set[str] | None:
    """The names in the list of a split; None where no split has a list."""
    listing = base / lists.replace("{split}", split)
    if not listing.is_file():
        folder, _, last = lists.rpartition("/")
        known = [p.stem for p in (base / folder).glob(last.replace("{split}", "*"))]
        if known or split not in ("train", "val"):
            raise source_lib.bad_split(info, split, sorted(known) or ["train", "val"])
        return None
    lines = [line.split() for line in listing.read_text().splitlines()]
    names = [os.path.basename(line[0]) for line in lines if line and line[0][0] != "#"]
    return {
        stem if suffix.lower() in suffixes else stem + suffix
        for stem, suffix in map(os.path.splitext, names)
    }


def _pairing_problems(base, chosen, image_files, mask_files):
    problems = []
    for what, other, files, others in (
        ("image", "mask", image_files, mask_files),
        ("mask", "image", mask_files, image_files),
    ):
        for name, paths in sorted(files.items()):
            at = os.path.relpath(paths[0], base)
            if len(paths) > 1:
                same = ", ".join(p.name for p in paths[1:])
                problems.append(f"{at}: {what} {name!r} is also in {same}; keep one.")
            if name not in others:
                problems.append(f"{at}: {what} has no {other} of the name {name!r}.")
    for name in sorted(chosen - image_files.keys() - mask_files.keys()):
        problems.append(
            f"{name}: is in the list of the split, but there is no such file."
        )
    return problems


def _found(base, info, rule, split, chosen, image_files, mask_files):
    """The split's files; a mask without an image is told with those of `"train"`."""
    alone = set() if split == "val" else mask_files.keys() - image_files.keys()
    told = chosen | alone
    return source_lib.Found(
        info,
        str(base),
        {n: f for n, f in image_files.items() if n in chosen},
        {n: f for n, f in mask_files.items() if n in told},
        rule,
        chosen,
    )


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sorts `9` before `10`."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part)
        for part in re.split(r"(\d+)", name)
        if part
    ]
