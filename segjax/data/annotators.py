"""Second annotations: masks that another person, or the same again, drew of an image.

How far two people agree is where scores stop to mean anything: a Dice above theirs fits
one of them.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import UInt8

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE, INDEX, LABEL
from segjax.core.tables import parameters
from segjax.data import datasets
from segjax.data.source import PairedFiles, Source, content_hash

DUPLICATES = "duplicates"
"""What a split of images that are in a set twice is called."""


@dataclasses.dataclass(frozen=True)
class Annotated:
    """A split with two masks an image: the first is the truth.

    Attributes:
      source: image and first mask.
      second: for each example its second mask.
      split: what it is called.
      who: whose the second masks are, in words.
    """

    source: Source
    second: Callable[[int], UInt8[np.ndarray, "H W"]]
    split: str
    who: str


def find(options: Mapping[str, Any], splits: tuple[str, str]) -> Annotated:
    """The second annotations of a data set.

    Of a set with two annotators those of the other one, for the second of `splits`.
    Of any other set the second masks of photographs that are in `splits` twice, equal
    to the last byte, whichever split they are in.

    Args:
      options: name and arguments of the data set, without `split`.
      splits: names of the training and the validation split.

    Raises:
      UserError: there are none, or the second annotator did not draw this split.
    """
    make = datasets.DATASETS[options["name"]]
    if "annotator" in parameters(make):
        return _other(options, splits[1])
    return _twice([datasets.make(split=split, **options) for split in splits])


def _other(options: Mapping[str, Any], split: str) -> Annotated:
    first = datasets.make(split=split, **options)
    number = 3 - options.get("annotator", 1)
    kept = {**options, "annotator": number, "outside": "keep"}
    other = datasets.make(split=split, **kept)
    names = [[s.name(i) for i in range(len(s))] for s in (first, other)]
    if names[0] != names[1]:
        raise UserError(
            f"{first!r}: annotator {number} drew other images than the first; the two "
            "can only be compared on the same. Check the files."
        )
    return Annotated(
        first, other.label, split, f"annotator {number} against {3 - number}"
    )


def _twice(sources: list[Source]) -> Annotated:
    files = [s for s in sources if isinstance(s, PairedFiles)]
    found: dict[str, list[tuple[PairedFiles, int]]] = {}
    for source in files:
        for i, (_, image, mask) in enumerate(source.pairs):
            if mask:
                found.setdefault(content_hash(image), []).append((source, i))
    pairs = tuple((same[0], same[1]) for same in found.values() if len(same) > 1)
    if not pairs:
        raise UserError(
            f"annotator: {sources[0].info.name} has one mask an image and no "
            "photograph twice, so it cannot tell how far annotators agree. chase_db1 "
            "and stare have second annotators; leave the name out of --names."
        )
    view = _Pairs(sources[0].info, pairs)
    who = f"the second masks of {len(pairs)} photographs that are in the set twice"
    return Annotated(view, view.second, DUPLICATES, who)


@dataclasses.dataclass(frozen=True, repr=False)
class _Pairs:
    """Photographs that are in a set twice, with the first mask."""

    info: DatasetInfo
    pairs: tuple[tuple[tuple[PairedFiles, int], tuple[PairedFiles, int]], ...]

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, i: int) -> dict[str, Any]:
        """The first of the two; what the second leaves out is ignored."""
        source, at = self.pairs[i][0]
        example = source[at]
        ignored = self.second(i) == IGNORE
        label = np.where(ignored, np.uint8(IGNORE), example[LABEL])
        return {**example, LABEL: label, INDEX: np.int64(i)}

    def second(self, i: int) -> UInt8[np.ndarray, "H W"]:
        """The other mask."""
        source, at = self.pairs[i][1]
        return source.label(at)

    def name(self, i: int) -> str:
        """Both names."""
        return " and ".join(source.name(at) for source, at in self.pairs[i])

    def fingerprint(self) -> str:
        """sha256 over the sets and over which images make which pair."""
        text = [self.name(i) for i in range(len(self))]
        parts = {id(s): s.fingerprint() for pair in self.pairs for s, _ in pair}
        return hashlib.sha256(repr((sorted(parts.values()), text)).encode()).hexdigest()

    def __repr__(self) -> str:
        return f"{self.info.name}: {len(self)} photographs with two masks"
