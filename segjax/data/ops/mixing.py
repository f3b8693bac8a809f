"""Ops that make one example out of several.

`mix(examples, rng)` gets the example whose turn it is and `partners` others, all of one
size and through the ops before, and returns a new one under the index of the first. The
pipeline draws the partners out of the epoch by the place of the first in the order of
examples, so a batch is as independent of threads, workers and hosts as without; they
are decoded once more for it. In a share `1 - p` of the examples nothing is mixed, and
nothing more is decoded.

In a clip all frames are mixed at the same pixels; the label is that of the last one.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool

from segjax.core.errors import UserError, raise_problems
from segjax.core.keys import IGNORE, IMAGE, LABEL
from segjax.data.ops.base import PROBABILITY, outside


class Mixing:
    """What the pipeline asks of an op that mixes."""

    partners: ClassVar[int]
    p: float

    def mix(
        self, examples: Sequence[dict[str, Any]], rng: np.random.Generator
    ) -> dict[str, Any]:
        """One new example of `1 + partners` of one size.

        Raises:
          UserError: the sizes differ.
        """
        sizes = sorted({e[IMAGE].shape[-3:-1] for e in examples})
        if len(sizes) > 1:
            shown = " and ".join(f"{h}x{w}" for h, w in sizes)
            raise UserError(
                f"config.input.train_ops: mixes images of {shown}; they must be equal. "
                "Put crop(height, width) or resize(height, width) before it."
            )
        return self.mixed(examples, rng)

    def mixed(self, examples, rng):
        """`mix` of examples whose sizes are known to be equal."""
        raise NotImplementedError(f"{type(self).__name__} lacks the method mixed.")


@dataclasses.dataclass(frozen=True)
class CutMix(Mixing):
    """Paste a random box of another example.

    Attributes:
      p: the probability.

    Source: Yun et al., CutMix, 2019, arXiv 1905.04899, section 3.1: the box has the
    shape of the image and an area uniform in 0..1 of it, its middle is uniform in the
    image, and what leaves the image is cut off.
    Differs: the labels are pasted by pixel, not averaged by area.
    """

    p: float | int = 0.5

    partners: ClassVar[int] = 1

    def __post_init__(self):
        raise_problems(outside(self, p=PROBABILITY))

    def mixed(self, examples, rng):
        """The first example with a box of the second."""
        shape = examples[0][IMAGE].shape[-3:-1]
        share = np.sqrt(rng.random())
        box = []
        for side in shape:
            middle, half = rng.uniform(0, side), share * side / 2
            start, stop = round(middle - half), round(middle + half)
            box.append(slice(max(start, 0), max(stop, 0)))
        mask = np.zeros(shape, bool)
        mask[tuple(box)] = True
        return paste(examples[0], examples[1], mask)


@dataclasses.dataclass(frozen=True)
class ClassMix(Mixing):
    """Paste all pixels of half of the classes of another example.

    Attributes:
      p: the probability.

    Source: Olsson, Tranheden, Pinto, Svensson, ClassMix, 2020, arXiv 2007.07936,
    section 3.1; of an odd number of classes the larger half.
    Differs: the classes are those of the label; there they are predictions on images
    that have none. Ignored pixels are no class and are never pasted. In a clip each
    frame is cut by its own label, or all by the last one's if there is no other.
    """

    p: float | int = 0.5

    partners: ClassVar[int] = 1

    def __post_init__(self):
        raise_problems(outside(self, p=PROBABILITY))

    def mixed(self, examples, rng):
        """The first example with classes of the second; both must have labels."""
        base, other = examples
        present = np.flatnonzero(np.bincount(other[LABEL].ravel(), minlength=256))
        present = present[present != IGNORE]
        table = np.zeros(256, bool)
        table[rng.permutation(present)[: (len(present) + 1) // 2]] = True
        return paste(base, other, table[other[LABEL]])


@dataclasses.dataclass(frozen=True)
class Mosaic(Mixing):
    """Windows of four examples meet at a random point.

    Attributes:
      spread: the point is uniform in the middle `spread` of the height and the width.
      p: the probability.

    Source: Bochkovskiy, Wang, Liao, YOLOv4, 2020, arXiv 2004.10934, section 3.3.
    Differs: each quarter is a random window of its example as the ops before have left
    it, so no scale is drawn here and no pixel stays empty.
    """

    spread: float | int = 0.5
    p: float | int = 0.5

    partners: ClassVar[int] = 3

    def __post_init__(self):
        raise_problems(outside(self, spread=(0, 1), p=PROBABILITY))

    def mixed(self, examples, rng):
        """The first example stays at the top left."""
        height, width = examples[0][IMAGE].shape[-3:-1]
        row, column = (
            round(side * rng.uniform(0.5 - self.spread / 2, 0.5 + self.spread / 2))
            for side in (height, width)
        )
        out = {
            k: v.copy() if k in (IMAGE, LABEL) else v for k, v in examples[0].items()
        }
        quarters = [
            (rows, columns)
            for rows in (slice(0, row), slice(row, height))
            for columns in (slice(0, column), slice(column, width))
        ]
        for example, (rows, columns) in zip(examples, quarters, strict=True):
            top = rng.integers(height - (rows.stop - rows.start) + 1)
            left = rng.integers(width - (columns.stop - columns.start) + 1)
            window = (
                slice(top, top + rows.stop - rows.start),
                slice(left, left + columns.stop - columns.start),
            )
            out[IMAGE][..., rows, columns, :] = example[IMAGE][..., *window, :]
            if LABEL in out:
                out[LABEL][..., rows, columns] = example[LABEL][..., *window]
        return out


def paste(
    base: dict[str, Any], other: dict[str, Any], mask: Bool[np.ndarray, "*T H W"]
) -> dict[str, Any]:
    """`base` with image and label of `other` where the mask, of a clip or of each of
    its frames, is set.
    """
    image = np.where(mask[..., None], other[IMAGE], base[IMAGE])
    out = {**base, IMAGE: image}
    if LABEL in base:
        out[LABEL] = np.where(mask, other[LABEL], base[LABEL])
    return out
