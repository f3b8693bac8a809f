"""Picture files and folders -> examples to predict, and names for their results."""

import collections
import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from segjax.core.errors import SegjaxError, UserError
from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL
from segjax.core.pixels import RGB, Pixels
from segjax.data import decode
from segjax.data.datasets.folder import picture_suffixes
from segjax.predict.ahead import ahead
from segjax.predict.whole import prepare


@dataclasses.dataclass(frozen=True)
class Picture:
    """A file to predict.

    Attributes:
      path: where it is.
      name: what its results are called, relative to their folder, with `/` and
        without a suffix; no two pictures share one.
    """

    path: Path
    name: str


def find(
    inputs: Sequence[Path], leave_out: Path | None = None, pixels: Pixels = RGB
) -> tuple[Picture, ...]:
    """The pictures that files and folders stand for, each once.

    A file is taken whatever it is called. A folder gives the files under it, also
    deep, that have the suffix of a picture and are not hidden, in the order of their
    names; the tree under it is mirrored in the names.

    Args:
      inputs: files and folders.
      leave_out: a folder to skip, as earlier results may lie in it.
      pixels: of the pictures; those other than 8-bit RGB may be `.npy`, too.

    Raises:
      UserError: an input does not exist, or a folder has no picture; names all.
    """
    found: dict[Path, tuple[Path, Path]] = {}  # real path -> path, path of the result
    problems, suffixes = [], picture_suffixes(pixels)
    skipped = leave_out.resolve() if leave_out else None
    for path in inputs:
        if path.is_dir():
            files = list(_walk(path, skipped, suffixes))
            if not files:
                problems.append(
                    f"{path}: holds no picture; files ending in {', '.join(suffixes)} "
                    "are looked for."
                )
            for file in files:
                found.setdefault(file.resolve(), (file, file.relative_to(path)))
        elif path.exists():
            found.setdefault(path.resolve(), (path, Path(path.name)))
        else:
            problems.append(f"{path}: no such file or folder; name pictures.")
    if problems:
        raise UserError(problems)
    pairs = list(found.values())
    names = _names(pairs)
    return tuple(Picture(p, n) for (p, _), n in zip(pairs, names, strict=True))


def examples(
    pictures: Sequence[Picture],
    host_ops: Sequence[Any],
    failed: Callable[[int, SegjaxError], None],
    *,
    threads: int = 4,
    pixels: Pixels = RGB,
) -> Iterator[dict[str, np.ndarray]]:
    """The pictures as `predict` takes them, in order, read ahead by threads.

    Args:
      pictures: what to read.
      host_ops: the evaluation ops.
      failed: told the number of a picture that cannot be read, and why; it is left
        out.
      threads: files decoded at once.
      pixels: what the pictures must hold.
    """

    def read(numbered: tuple[int, Picture]):
        index, picture = numbered
        try:
            image = decode.read_image(picture.path, pixels=pixels)
            label = np.full(image.shape[:2], IGNORE, np.uint8)
            example = {IMAGE: image, LABEL: label, INDEX: np.int64(index)}
            return index, prepare(example, host_ops)
        except SegjaxError as error:
            return index, error

    for index, result in ahead(read, enumerate(pictures), threads):
        if isinstance(result, SegjaxError):
            failed(index, result)
        else:
            yield result


def _walk(
    folder: Path, skipped: Path | None, suffixes: tuple[str, ...]
) -> Iterator[Path]:
    """The picture files under a folder, sorted by their paths."""
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(
            f
            for f in folders
            if not f.startswith(".") and (here / f).resolve() != skipped
        )
        for name in sorted(files):
            if name.lower().endswith(suffixes) and not name.startswith("."):
                yield here / name


def _names(pairs: Sequence[tuple[Path, Path]]) -> list[str]:
    """A name for each: the shortest of its candidates that it shares with no other.

    `a.png` beside `a.jpg` keeps the suffix; `x/a.png` and `y/a.png`, given as files,
    keep their folder's name; what is still the same gets a number. Case is not told
    apart, as some disks do not.
    """
    levels = [_candidates(*pair) for pair in pairs]
    chosen, level = [c[0] for c in levels], 1
    while level < 3 and (shared := _shared(chosen)):
        for i in shared:
            chosen[i] = levels[i][level]
        level += 1
    seen: set[str] = set()
    for i, name in enumerate(chosen):
        number = 2
        while chosen[i].casefold() in seen:
            chosen[i] = f"{name}-{number}"
            number += 1
        seen.add(chosen[i].casefold())
    return chosen


def _candidates(path: Path, relative: Path) -> tuple[str, str, str]:
    whole = PurePosixPath(relative.as_posix())
    roots = path.absolute().parts[: -len(relative.parts)]
    folder = PurePosixPath(roots[-1] if len(roots) > 1 else "")
    return str(whole.with_suffix("")), str(whole), str(folder / whole)


def _shared(names: Sequence[str]) -> list[int]:
    times = collections.Counter(n.casefold() for n in names)
    return [i for i, n in enumerate(names) if times[n.casefold()] > 1]
