"""Who is in which split, where the publisher of a data set does not say.

A split is a pure function of the names and a seed, or it is written down once in a
**split file**, so that each arm of a study and each later reader uses the same one::

    {"format": "segjax split 1", "seed": 0, "sha256": "...",
     "splits": {"train": ["a", "b"], "val": ["c"]}}

What must not be torn apart stays together: images of equal content always, and names of
one `group` (a clip, a patient, a city) where a group is given.
"""

import hashlib
import json
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence, Set

from segjax.core.errors import UserError, raise_problems
from segjax.core.info import DatasetInfo
from segjax.data.source import bad_split, content_hash

FORMAT = "segjax split 1"
SHOWN = 20
"""Names that an error lists before it only counts them."""

Files = Mapping[str, Sequence[str | os.PathLike[str]]]
"""Name -> its files, the image first."""


def part(
    info: DatasetInfo,
    split: str,
    files: Files,
    *,
    val_share: float | int = 0.1,
    split_seed: int = 0,
    folds: int = 0,
    fold: int = 0,
    split_file: str = "",
    group: Mapping[str, str] | None = None,
    usual: Set[str] | None = None,
) -> set[str]:
    """The names of one split: by the split file, by folds, as usual, or by share.

    Args:
      info: of the data set, for messages.
      split: `"train"` or `"val"`, or any name in the split file; `"all"` is all.
      files: all names that there are.
      val_share: share of the names in `"val"`, in (0, 1).
      split_seed: another seed is another choice.
      folds: from 2 up, the names are dealt into so many folds.
      fold: the fold that is `"val"`, from 0; the others are `"train"`.
      split_file: path of a split file; then no share and no fold is asked.
      group: name -> what it is of; a group is in one split.
      usual: the names that are `"val"` where neither a file nor folds are given; then
        no share is asked.

    Raises:
      UserError: no such split, an argument is out of its range, or the split file and
        the names do not agree.
    """
    if split_file and folds:
        raise UserError(
            f"config.data: split_file={split_file!r} and folds={folds}; one of them "
            "says who is in which split. Leave the other out."
        )
    if split == "all":
        return set(files)
    if split_file:
        return from_file(split_file, split, files, info)
    raise_problems(
        share_problems(val_share) + fold_problems(folds, fold, len(files), "images")
    )
    if split not in ("train", "val"):
        raise bad_split(info, split, ("train", "val", "all"))
    if folds:
        number = assign_folds(files, folds, split_seed, group)
        held = {name for name in files if number[name] == fold}
    elif usual is not None:
        held = set(usual)
    else:
        held = held_out(files, val_share, split_seed, group)
    return held if split == "val" else set(files) - held


def held_out(
    files: Files, share: float, seed: int, group: Mapping[str, str] | None = None
) -> set[str]:
    """Names up to `share` of all, in the order of a hash of their own.

    Neither the folder's order nor other names move a name much, and images of equal
    content are held out together or not at all.

    Args:
      files: name -> its image file first.
      share: of the names, in (0, 1); one name at least is held out.
      seed: another seed holds out others.
      group: name -> what it is of; a group is held out whole or not at all.
    """
    return set(assign(files, {"val": share}, seed, group)["val"])


def assign(
    files: Files,
    shares: Mapping[str, float],
    seed: int,
    group: Mapping[str, str] | None = None,
) -> dict[str, tuple[str, ...]]:
    """Split -> its names; what `shares` leave over is `"train"`.

    Args:
      files: name -> its image file first.
      shares: split -> its share of the names, `{"val": 0.1, "test": 0.1}`; filled in
        this order, each with one name at least.
      seed: another seed is another choice.
      group: name -> what it is of; a group is in one split.
    """
    ranked = _ranked(_together(files, group), seed)
    splits, place = {}, 0
    for split, share in shares.items():
        wanted = max(1, round(share * len(files)))
        chosen: list[str] = []
        while place < len(ranked) and len(chosen) < wanted:
            chosen += ranked[place]
            place += 1
        splits[split] = tuple(sorted(chosen))
    rest = (name for names in ranked[place:] for name in names)
    return {"train": tuple(sorted(rest)), **splits}


def assign_folds(
    files: Files, count: int, seed: int, group: Mapping[str, str] | None = None
) -> dict[str, int]:
    """Name -> its fold, `0 .. count - 1`, for cross-validation.

    The largest groups are dealt first, each to the fold with the fewest names; without
    groups the sizes of the folds differ by one at most.

    Args:
      files: name -> its image file first.
      count: of the folds.
      seed: another seed deals anew.
      group: name -> what it is of; a group is in one fold.

    Raises:
      UserError: there are fewer groups than folds.
    """
    ranked = _ranked(_together(files, group), seed)
    if count > len(ranked):
        raise UserError(
            f"config.data.folds={count}: there are {len(files)} images in "
            f"{len(ranked)} groups that stay together; at most {len(ranked)} folds are "
            "allowed. Use fewer."
        )
    sizes, found = [0] * count, {}
    for names in sorted(ranked, key=len, reverse=True):
        fold = sizes.index(min(sizes))
        sizes[fold] += len(names)
        found |= dict.fromkeys(names, fold)
    return found


def write(
    path: str | os.PathLike[str], splits: Mapping[str, Iterable[str]], seed: int
) -> str:
    """Write a split file.

    Args:
      path: of the file; an existing one is replaced.
      splits: split -> its names.
      seed: that they were drawn with, for the reader.

    Returns:
      The sha256 in hex of what the file says.

    Raises:
      UserError: a name is in two splits, or a split is empty.
    """
    content = {
        "format": FORMAT,
        "seed": seed,
        "splits": {split: sorted(names) for split, names in sorted(splits.items())},
    }
    raise_problems(_split_problems(str(path), content["splits"]))
    digest = _digest(content)
    text = json.dumps({**content, "sha256": digest}, indent=1, ensure_ascii=False)
    pathlib.Path(path).write_text(text + "\n", encoding="utf-8")
    return digest


def read(path: str | os.PathLike[str]) -> dict[str, tuple[str, ...]]:
    """Split -> its names, of a split file.

    Raises:
      UserError: the file is missing, is no split file, was changed after it was
        written, or has a name twice.
    """
    file = pathlib.Path(path).expanduser()
    if not file.is_file():
        raise UserError(
            f"config.data.split_file={str(path)!r}: no such file; give one that "
            "`segjax.data.splits.write` wrote."
        )
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        stated = content.pop("sha256", "")
        splits = {str(split): list(names) for split, names in content["splits"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise UserError(
            f"{path}: is no split file ({type(error).__name__}: {error}); one is JSON "
            f"with format, seed, splits and sha256. Write it by "
            "`segjax.data.splits.write`."
        ) from None
    if content.get("format") != FORMAT:
        raise UserError(
            f"{path}: format is {content.get('format')!r}; {FORMAT!r} is read. Write "
            "it anew by `segjax.data.splits.write`."
        )
    digest = _digest(content)
    if stated != digest:
        raise UserError(
            f"{path}: was changed after it was written: its content has the sha256 "
            f"{digest}, and it states {stated!r}. Restore it; if the change is meant, "
            "state the new one."
        )
    raise_problems(_split_problems(str(path), splits))
    return {split: tuple(names) for split, names in splits.items()}


def from_file(
    path: str | os.PathLike[str], split: str, names: Iterable[str], info: DatasetInfo
) -> set[str]:
    """The names of a split that a split file lists, held against those on disk.

    Args:
      path: of the split file.
      split: which of its splits.
      names: all that are on disk.
      info: of the data set, for messages.

    Raises:
      UserError: no such split, a name of the file is not on disk, or one on disk is in
        no split; names all of them.
    """
    splits, there = read(path), set(names)
    if split not in splits:
        raise bad_split(info, split, sorted(splits))
    listed = {name for split_names in splits.values() for name in split_names}
    problems = [
        f"{path}: {name!r} is in a split and not on disk; bring it back."
        for name in sorted(listed - there)
    ] + [
        f"{path}: {name!r} is on disk and in no split; take it away, or write a new "
        "split file."
        for name in sorted(there - listed)
    ]
    if len(problems) > SHOWN:
        problems[SHOWN:] = [f"... and {len(problems) - SHOWN} more names."]
    raise_problems(problems)
    return set(splits[split])


def share_problems(val_share: float | int) -> list[str]:
    """What is wrong with a share of the names, as messages."""
    if 0 < val_share < 1:
        return []
    return [f"config.data.val_share={val_share}: must be in (0, 1)."]


def fold_problems(folds: int, fold: int, count: int, what: str) -> list[str]:
    """What is wrong with `folds` and `fold` for `count` images, as messages."""
    if folds == 0 and fold == 0:
        return []
    if not 2 <= folds <= count:
        return [
            f"config.data.folds={folds}: 2 to {count} (the {what}) are allowed, or 0 "
            "for no folds. Use for example folds=5."
        ]
    if not 0 <= fold < folds:
        return [f"config.data.fold={fold}: 0 to {folds - 1} are allowed."]
    return []


def _ranked(groups: list[list[str]], seed: int) -> list[list[str]]:
    """The groups in the order of a hash of their first names."""
    return sorted(
        groups, key=lambda names: hashlib.sha256(f"{seed}/{names[0]}".encode()).digest()
    )


def _together(files: Files, group: Mapping[str, str] | None) -> list[list[str]]:
    """Names that share a content or a group, also by way of others; each list sorted.

    A name in no group, or in the group "", is alone.
    """
    leader = {name: name for name in files}

    def find(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    first: dict[tuple[str, str], str] = {}
    keys = _contents(files)
    keys += [("group", group[name], name) for name in files if (group or {}).get(name)]
    for kind, key, name in keys:
        other = first.setdefault((kind, key), name)
        low, high = sorted((find(name), find(other)))
        leader[high] = low
    groups: dict[str, list[str]] = {}
    for name in sorted(files):
        groups.setdefault(find(name), []).append(name)
    return list(groups.values())


def _contents(files: Files) -> list[tuple[str, str, str]]:
    """`("content", hash, name)` of the images whose size another image has too."""
    by_size: dict[int, list[str]] = {}
    for name in sorted(files):
        path = files[name][0]
        if os.path.isfile(path):  # what is missing is told by who pairs the files
            by_size.setdefault(os.path.getsize(path), []).append(name)
    return [
        ("content", content_hash(str(files[name][0])), name)
        for names in by_size.values()
        for name in names
        if len(names) > 1  # equal content has equal size, so few files are read
    ]


def _split_problems(path: str, splits: Mapping[str, Sequence[str]]) -> list[str]:
    problems, seen = [], {}
    for split, names in splits.items():
        if not names:
            problems.append(f"{path}: split {split!r} has no names; leave it out.")
        for name in names:
            if name in seen:
                problems.append(
                    f"{path}: {name!r} is in {seen[name]!r} and in {split!r}; a name "
                    "may stand once. Take one out."
                )
            seen[name] = split
    return problems


def _digest(content: Mapping) -> str:
    """sha256 in hex of the content, whatever the blanks and the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_list(path: str | os.PathLike[str]) -> list[str]:
    """The first file of each line of a list, sorted, without folders and suffix.

    Lists give `2007_000032`, or `/JPEGImages/2007_000032.jpg /SegmentationClass/...`.
    """
    lines = [line.split() for line in pathlib.Path(path).read_text().splitlines()]
    return sorted({pathlib.PurePath(line[0]).stem for line in lines if line})
