"""Pictures that a visitor may try: drawn street scenes, with their true masks.

Made by `benchmarks/samples.py`.
"""

import dataclasses
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "static" / "samples"


@dataclasses.dataclass(frozen=True)
class Sample:
    """A picture to try.

    Attributes:
      name: in addresses.
      words: what is to be seen.
    """

    name: str
    words: str

    @property
    def picture(self) -> str:
        """Name of its file."""
        return f"{self.name}.webp"

    @property
    def truth(self) -> str:
        """Name of the file with its true mask."""
        return f"{self.name}_truth.png"


CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "sidewalk",
    "vegetation",
    "sign",
    "fence",
    "car",
    "person",
    "cyclist",
)
"""Of the true masks; models of other classes are not scored by them."""

SAMPLES = (
    Sample("noon", "Noon"),
    Sample("evening", "Evening"),
    Sample("fog", "Fog"),
    Sample("night", "Rain at night"),
)
