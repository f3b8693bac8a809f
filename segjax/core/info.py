"""What a data set is, apart from its files: classes, kind of pixels, provenance."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE, MAX_CLASSES
from segjax.core.pixels import RGB, Pixels

IGNORE_COLOUR = (0, 0, 0)
"""RGB of ignored pixels in every colour map that segjax draws."""


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """A data set's class table, kind of pixels and provenance.

    Attributes:
      name: key of the data set in its table.
      class_names: `K` names; the position is the class id.
      class_colours: `K` RGB triples in 0..255, fixed for the data set.
      homepage: where a person gets the data; empty for generated data.
      citation: authors, title, year.
      licence: terms of use in a few words.
      note: one sentence to read scores by, shown with them: how far annotators agree.
      pixels: channels and depth of its images.
      group: regular expression; what its bracket matches of an example's name is the
        clip, city or patient that the example is of, whose examples are alike.
    """

    name: str
    class_names: tuple[str, ...]
    class_colours: tuple[tuple[int, int, int], ...]
    homepage: str = ""
    citation: str = ""
    licence: str = ""
    note: str = ""
    pixels: Pixels = RGB
    group: str = ""

    def group_of(self, name: str) -> str:
        """What the example of this name is of; empty where that is not known."""
        match = re.search(self.group, name) if self.group else None
        return match.group(1) if match else ""

    def __post_init__(self):
        if not 2 <= len(self.class_names) <= MAX_CLASSES:
            raise UserError(
                f"{self.name}: has {len(self.class_names)} classes; 2 to "
                f"{MAX_CLASSES} are allowed. Name the background as a class too."
            )
        if len(set(self.class_names)) != len(self.class_names):
            twice = sorted(
                {n for n in self.class_names if self.class_names.count(n) > 1}
            )
            raise UserError(f"{self.name}: class {twice[0]!r} is named twice.")
        if len(self.class_colours) != len(self.class_names):
            raise UserError(
                f"{self.name}: has {len(self.class_names)} class names and "
                f"{len(self.class_colours)} colours; give each class one colour."
            )

    @property
    def num_classes(self) -> int:
        """`K`, without the ignored id."""
        return len(self.class_names)

    def palette(self) -> np.ndarray:
        """`(256, 3)` uint8: row `k` is the colour of id `k`; unused rows are black."""
        table = np.zeros((256, 3), np.uint8)
        table[: self.num_classes] = np.asarray(self.class_colours, np.uint8)
        table[IGNORE] = IGNORE_COLOUR
        return table

    def plain(self) -> dict[str, Any]:
        """As JSON has it; `of` reads it."""
        return {
            "name": self.name,
            "homepage": self.homepage,
            "citation": self.citation,
            "licence": self.licence,
            "note": self.note,
            "classes": [
                {"name": name, "colour": [int(c) for c in colour]}
                for name, colour in zip(
                    self.class_names, self.class_colours, strict=True
                )
            ],
            "class_digest": self.digest(),
            "pixels": dataclasses.asdict(self.pixels),
            "group": self.group,
        }

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "DatasetInfo":
        """What `plain` wrote down; fields that it did not know have their defaults."""
        texts = ("homepage", "citation", "licence", "note", "group")
        return cls(
            name=plain["name"],
            class_names=tuple(c["name"] for c in plain["classes"]),
            class_colours=tuple(tuple(c["colour"]) for c in plain["classes"]),
            pixels=Pixels(**plain.get("pixels", {})),
            **{key: plain.get(key, "") for key in texts},
        )

    def digest(self) -> str:
        """sha256 of the ordered class names; equal digests make runs comparable."""
        text = json.dumps([self.name, list(self.class_names)])
        return hashlib.sha256(text.encode()).hexdigest()
