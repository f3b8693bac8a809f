"""How an image is shown to the network: whole, in windows, at several scales.

`config.evaluate.protocol` is an op string: one way to go over the image, and behind it,
joined by `|`, what is repeated of it:

  whole()
  slide(512, 1024, overlap=0.5, weights="gaussian")
  tile(512, 512, margin=96)
  buckets((256, 512), (512, 1024))
  slide(512, 1024) | flip() | scales(0.5, 1.0, 1.5)

A score is the score of a network under a protocol, so its name stands beside the score.
"""

import dataclasses
from typing import ClassVar

from segjax.core import opstring
from segjax.core.errors import UserError, raise_problems
from segjax.core.network import Network
from segjax.core.tables import Table
from segjax.predict.ways import Buckets, Slide, Tile, Whole


@dataclasses.dataclass(frozen=True)
class Flip:
    """The image and its mirror image, left for right."""

    def __str__(self) -> str:
        return "flip()"


@dataclasses.dataclass(frozen=True)
class Scales:
    """The image at several sizes.

    Attributes:
      factors: of the sides of the image after the evaluation ops, above 0.
    """

    factors: tuple[float | int, ...]

    any_number: ClassVar[bool] = True

    def __post_init__(self):
        wrong = [f for f in self.factors if not 0 < f < float("inf")]
        twice = {f for f in self.factors if self.factors.count(f) > 1}
        found = [f"{f}: a scale must be above 0, and finite." for f in wrong]
        found += [f"{f}: is there twice; name each scale once." for f in sorted(twice)]
        raise_problems(found)
        if not self.factors:
            raise UserError("no scale; name at least one, as in scales(0.5, 1.0).")

    def __str__(self) -> str:
        return f"scales({', '.join(f'{f:g}' for f in self.factors)})"


PROTOCOLS = Table(
    "protocol",
    {
        "buckets": Buckets,
        "flip": Flip,
        "scales": Scales,
        "slide": Slide,
        "tile": Tile,
        "whole": Whole,
    },
)
"""Name -> what may stand in the op string of a protocol."""

WAYS = (Whole, Slide, Tile, Buckets)
"""Of these there is one, and it comes first."""


@dataclasses.dataclass(frozen=True)
class Protocol:
    """A way over the image, and the looks that are taken of it.

    With more than one look the answer is the mean of their probabilities, as in
    MMSegmentation: softmax over the classes, or the sigmoid of a binary task.

    Attributes:
      way: how the network goes over the image.
      flip: whether it goes over the mirror image, too.
      factors: at which sizes; each as it is and, with `flip`, mirrored.
    """

    way: Whole | Slide | Tile | Buckets
    flip: bool = False
    factors: tuple[float | int, ...] = (1,)

    @property
    def name(self) -> str:
        """The op string, the same for all that mean the same."""
        more = [Flip()] if self.flip else []
        if self.factors != (1,):
            more.append(Scales(self.factors))
        return " | ".join(map(str, (self.way, *more)))

    @property
    def looks(self) -> tuple[tuple[float | int, bool], ...]:
        """Factor and whether it is mirrored, of each look."""
        mirrored = (False, True) if self.flip else (False,)
        return tuple((factor, m) for factor in self.factors for m in mirrored)

    def problems(self, model: Network, where: str) -> list[str]:
        """Why the model cannot go over an image in this way, as messages."""
        shown = self.way.shown
        if model.sizes is None or (shown and {*shown} <= {*model.sizes}):
            return self.way.problems(model, where)
        other = next((size for size in shown if size not in model.sizes), "any size")
        return [
            f"{where}: {self.way} shows the network images of {other}, and it takes "
            f"{', '.join(map(str, model.sizes))} alone. Use {Buckets(model.sizes)}."
        ]


def parse(text: str, where: str = "protocol") -> Protocol:
    """The protocol that an op string names.

    Args:
      text: see the head of this file.
      where: what the text was given for, for messages.

    Raises:
      UserError: with every problem of the text.
    """
    ops = opstring.parse(text, PROTOCOLS, where)
    ways = [op for op in ops if isinstance(op, WAYS)]
    known = (
        "whole(), slide(height, width), tile(height, width, margin), "
        "buckets((height, width), ...)"
    )
    if len(ways) != 1 or ops[0] is not ways[0]:
        named = " and ".join(map(str, ways)) or "no way over the image"
        ill = (
            f"names {named}" if len(ways) != 1 else f"names {ways[0]} not as the first"
        )
        raise UserError(
            f"{where}={text!r}: {ill}; it begins with one of {known}, and has no "
            "other. Write it first, then | flip() or | scales(...)."
        )
    more = {type(op): op for op in ops[1:]}
    if len(more) < len(ops) - 1:
        raise UserError(
            f"{where}={text!r}: repeats flip() or scales(...); each may stand once. "
            "Write all factors into one scales(...)."
        )
    factors = more[Scales].factors if Scales in more else (1,)
    return Protocol(ways[0], Flip in more, tuple(factors))
