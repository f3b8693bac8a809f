"""Which examples are held out, where the publisher of a data set does not say."""

import hashlib
import os
from collections.abc import Mapping, Sequence

from segjax.data.source import content_hash


def held_out(
    files: Mapping[str, Sequence[str | os.PathLike[str]]], share: float, seed: int
) -> set[str]:
    """Names up to `share` of all, in the order of a hash of their own.

    Neither the folder's order nor other names move a name much, and images of equal
    content are held out together or not at all.

    Args:
      files: name -> its image file first.
      share: of the names, in (0, 1); one name at least is held out.
      seed: another seed holds out others.
    """
    groups: dict[str, list[str]] = {}
    by_size: dict[int, list[str]] = {}
    for name in sorted(files):
        path = files[name][0]
        size = os.path.getsize(path) if os.path.isfile(path) else -1
        by_size.setdefault(size, []).append(name)
    for size, names in by_size.items():
        for name in names:  # equal content has equal size, so few files are read
            path = str(files[name][0])
            key = content_hash(path) if len(names) > 1 and size >= 0 else name
            groups.setdefault(key, []).append(name)
    ranked = sorted(
        groups.values(),
        key=lambda names: hashlib.sha256(f"{seed}/{names[0]}".encode()).digest(),
    )
    wanted = max(1, round(share * len(files)))
    chosen: set[str] = set()
    for names in ranked:
        if len(chosen) >= wanted:
            break
        chosen |= set(names)
    return chosen
