"""Image and mask files into pairs by their names, with all that have no partner."""

import os
import pathlib
from collections.abc import Iterable, Mapping

from segjax.core.info import DatasetInfo
from segjax.data.source import missing_files

Pairs = tuple[tuple[str, str, str], ...]
"""`(name, image path, mask path)`, sorted by name."""


def in_folder(folder: str | os.PathLike[str], ending: str) -> dict[str, pathlib.Path]:
    """Name -> file, of the files of one folder that end so; none if it is absent.

    Hidden files, such as the `._` files of macOS, are left out.
    """
    if not os.path.isdir(folder):
        return {}
    return {
        name.removesuffix(ending): pathlib.Path(folder, name)
        for name in os.listdir(folder)
        if name.endswith(ending) and name[0] != "."
    }


def by_name(
    info: DatasetInfo,
    split: str,
    base: pathlib.Path,
    images: Mapping[str, pathlib.Path],
    masks: Mapping[str, pathlib.Path],
) -> Pairs:
    """Pairs of what two folders hold.

    Raises:
      UserError: images without a mask or masks without an image; names them.
    """
    problems = [
        f"{files[name].relative_to(base)}: has no {other}"
        for files, others, other in ((images, masks, "mask"), (masks, images, "image"))
        for name in sorted(files.keys() - others.keys())
    ]
    missing_files(info, split, problems)
    return tuple((n, str(images[n]), str(masks[n])) for n in sorted(images))


def listed(
    info: DatasetInfo,
    split: str,
    base: pathlib.Path,
    names: Iterable[str],
    image: str,
    mask: str,
) -> Pairs:
    """Pairs of a list of names, by a pattern with `{name}` for either file.

    Raises:
      UserError: listed files are missing; names them.
    """
    pairs = tuple(
        (n, str(base / image.format(name=n)), str(base / mask.format(name=n)))
        for n in sorted(names)
    )
    problems = [
        f"{os.path.relpath(path, base)}: is listed and missing"
        for _, *both in pairs
        for path in both
        if not os.path.isfile(path)
    ]
    missing_files(info, split, problems)
    return pairs
