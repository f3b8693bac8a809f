"""Files, folders and patterns -> the pictures and videos that they stand for, named."""

import collections
import dataclasses
import glob
import itertools
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from segjax.core.errors import SegjaxError
from segjax.core.pixels import RGB, Pixels
from segjax.data import decode, video
from segjax.data.datasets.folder import picture_suffixes


@dataclasses.dataclass(frozen=True)
class Picture:
    """A file to predict.

    Attributes:
      path: where it is.
      name: what its results are called, relative to their folder, with `/` and
        without a suffix; no two pictures or videos share one. Of a frame it is
        relative to the folder of its video.
    """

    path: Path
    name: str


@dataclasses.dataclass(frozen=True)
class Video:
    """A video to predict, a file or the pictures of a folder.

    Attributes:
      path: the file, or the folder.
      name: as a picture's.
      frames: the pictures of a folder in order; None for a file.
    """

    path: Path
    name: str
    frames: tuple[Picture, ...] | None = None


@dataclasses.dataclass(frozen=True)
class Found:
    """What inputs stand for.

    Attributes:
      pictures: each once.
      videos: each once.
      problems: inputs that stand for nothing, and why, as messages.
    """

    pictures: tuple[Picture, ...]
    videos: tuple[Video, ...]
    problems: dict[Path, str]


def find(
    inputs: Sequence[Path],
    leave_out: Path | None = None,
    pixels: Pixels = RGB,
    sequence: bool = False,
) -> Found:
    """The pictures and videos that files, folders and patterns stand for, each once.

    A file is taken whatever it is called; its content says whether it is a video. A
    folder gives the files under it, also deep, that have the suffix of a picture or a
    video and are not hidden, in the order of their names; the tree under it is mirrored
    in the names of the results. A pattern (`*`, `?`, `[...]`, and `**` for any folders)
    gives what the shell would, named as if the folder before its first sign were given.

    Args:
      inputs: files, folders and patterns.
      leave_out: a folder to skip, as earlier results may lie in it.
      pixels: of the pictures; those other than 8-bit RGB may be `.npy`, too.
      sequence: the pictures of each folder are the frames of one video, in the order
        of the numbers in their names, so that `frame_2` comes before `frame_10`.
    """
    suffixes = (*picture_suffixes(pixels), *video.SUFFIXES)
    skipped = os.path.join(os.path.realpath(leave_out), "") if leave_out else None
    problems: dict[Path, str] = {}
    files: dict[str, tuple[Path, Path]] = {}  # real path -> path, path of the result

    def take(path: Path, relative: Path) -> None:
        files.setdefault(os.path.realpath(path), (path, relative))

    for given in inputs:
        if not _is_pattern(given):
            matches, root = [given], None
        elif not (matches := _matches(given, skipped, suffixes)):
            problems[given] = f"{given}: nothing matches; mind the folder it starts in."
        else:
            root = _before_signs(given)
        for path in matches:
            if path.is_dir():
                found = list(_walk(path, skipped, suffixes, problems))
                for file in found:
                    take(file, file.relative_to(root or path))
                if not found and root is None:
                    problems.setdefault(path, _nothing_in(path, suffixes))
            elif root is not None:
                take(path, path.relative_to(root))
            elif path.exists():
                take(path, Path(path.name))
            else:
                problems[path] = f"{path}: no such file or folder; name pictures."
    return _sorted_out(list(files.values()), problems, sequence)


def natural(name: str) -> tuple[list[str | int], str]:
    """A key that sorts by the numbers in names: `frame_2` before `frame_10`."""
    parts = re.split(r"(\d+)", name)
    return [int(p) if i % 2 else p.casefold() for i, p in enumerate(parts)], name


def _is_pattern(path: Path) -> bool:
    return glob.has_magic(str(path)) and not os.path.lexists(path)


def _before_signs(pattern: Path) -> Path:
    """The folder before the first part of a pattern that is one."""
    return Path(*itertools.takewhile(lambda p: not glob.has_magic(p), pattern.parts))


def _matches(pattern: Path, skipped: str | None, suffixes: tuple) -> list[Path]:
    """The paths that match; if it says nothing of suffixes, only files with these."""
    paths = map(Path, sorted(glob.glob(str(pattern), recursive=True)))
    if "." not in pattern.name:
        paths = (p for p in paths if p.is_dir() or p.name.lower().endswith(suffixes))
    if skipped is not None:
        paths = (p for p in paths if not f"{os.path.realpath(p)}/".startswith(skipped))
    return list(paths)


def _nothing_in(folder: Path, suffixes: tuple[str, ...]) -> str:
    return (
        f"{folder}: holds no picture and no video; files ending in "
        f"{', '.join(suffixes)} are looked for."
    )


def _walk(
    folder: Path, skipped: str | None, suffixes: tuple[str, ...], problems: dict
) -> Iterator[Path]:
    """The files under a folder that may be pictures or videos, sorted by path."""

    def closed(error: OSError) -> None:
        path = Path(error.filename)
        problems[path] = f"{path}: cannot be looked into ({error.strerror})."

    for place, folders, files in os.walk(folder, onerror=closed):
        here = Path(place)
        folders[:] = sorted(
            f
            for f in folders
            if not f.startswith(".") and f"{os.path.realpath(here / f)}/" != skipped
        )
        for name in sorted(files):
            if name.lower().endswith(suffixes) and not name.startswith("."):
                yield here / name


def _sorted_out(
    files: Sequence[tuple[Path, Path]], problems: dict[Path, str], sequence: bool
) -> Found:
    """Pictures and videos, with names."""
    kinds = [_is_video(path) for path, _ in files]
    stills = [pair for pair, moves in zip(files, kinds, strict=True) if not moves]
    moving = [pair for pair, moves in zip(files, kinds, strict=True) if moves]
    folders: dict[Path, list[tuple[Path, Path]]] = collections.defaultdict(list)
    if sequence:
        for pair in stills:
            folders[pair[0].parent].append(pair)
        stills = []
    groups = [_folder(*pairs[0]) for pairs in folders.values()]
    candidates = [_candidates(*pair, file=True) for pair in (*stills, *moving)]
    candidates += [_candidates(*pair, file=False) for pair in groups]
    names = iter(_names(candidates))
    return Found(
        tuple(Picture(path, next(names)) for path, _ in stills),
        (
            *(Video(path, next(names)) for path, _ in moving),
            *(
                Video(path, next(names), _frames([p for p, _ in folders[path]]))
                for path, _ in groups
            ),
        ),
        problems,
    )


def _is_video(path: Path) -> bool:
    """By its content; by its suffix, if the content is no picture either."""
    if not path.is_file():  # a pipe would block for ever
        return False
    try:
        with open(path, "rb") as file:
            if video.is_video(file.read(16)):
                return True
    except OSError:
        return False
    if not path.name.lower().endswith(video.SUFFIXES):
        return False
    try:
        decode.read_size(path)
    except SegjaxError:
        return True
    return False


def _folder(path: Path, relative: Path) -> tuple[Path, Path]:
    """The folder that a file lies in, and the path of its results."""
    own = Path(os.path.abspath(path.parent)).name or "frames"
    return path.parent, relative.parent if relative.parent.parts else Path(own)


def _frames(paths: Sequence[Path]) -> tuple[Picture, ...]:
    """The pictures of a folder as frames, in natural order."""
    paths = sorted(paths, key=lambda path: natural(path.name))
    names = _names([(path.stem, path.name, path.name) for path in paths])
    return tuple(Picture(path, name) for path, name in zip(paths, names, strict=True))


def _names(candidates: Sequence[tuple[str, str, str]]) -> list[str]:
    """A name for each: the shortest of its candidates that it shares with no other.

    `a.png` beside `a.jpg` keeps the suffix; `x/a.png` and `y/a.png`, given as files,
    keep their folder's name; what is still the same gets a number. Neither case nor the
    ways to write an accent are told apart, as some disks do not.
    """
    chosen, level = [c[0] for c in candidates], 1
    while level < 3 and (shared := _shared(chosen)):
        for i in shared:
            chosen[i] = candidates[i][level]
        level += 1
    seen: set[str] = set()
    for i, name in enumerate(chosen):
        number = 2
        while _same(chosen[i]) in seen:
            chosen[i] = f"{name}-{number}"
            number += 1
        seen.add(_same(chosen[i]))
    return chosen


def _same(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _shared(names: Sequence[str]) -> list[int]:
    times = collections.Counter(map(_same, names))
    return [i for i, name in enumerate(names) if times[_same(name)] > 1]


def _candidates(path: Path, relative: Path, file: bool) -> tuple[str, str, str]:
    whole = PurePosixPath(relative.as_posix())
    roots = path.absolute().parts[: -len(relative.parts)]
    folder = PurePosixPath(roots[-1] if len(roots) > 1 else "")
    return (
        str(whole.with_suffix("") if file else whole),
        str(whole),
        str(folder / whole),
    )
