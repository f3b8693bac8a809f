"""For which sizes of images there are programs: a rule, and the text of a user.

Sizes are those of images behind the evaluation ops, padded to sides that the model
takes, both as the images are and turned by a right angle, as people turn cameras. One
window holds all that are wide and one all that are high, but neither more than
`MOST_PIXELS`: a larger image goes in windows. Further ones, up to `MOST` in all, are
those that spare the most padding, as long as each spares `WORTH` of what is computed.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from segjax.core.errors import UserError
from segjax.core.keys import IMAGE
from segjax.core.network import Network
from segjax.core.pixels import Pixels

MOST = 4
MOST_PIXELS = 1024 * 2048
WORTH = 0.1

TURNED = 0.01
"""What an image that is turned counts beside one that is there."""

Size = tuple[int, int]


def of(text: str) -> tuple[Size, ...]:
    """`192x256,384x512` as pairs of height and width.

    Raises:
      UserError: it is no list of sizes.
    """
    found = []
    for part in text.split(","):
        try:
            height, width = map(int, part.lower().split("x"))
        except ValueError:
            raise UserError(
                f"--sizes={text}: {part!r} is no size; write HEIGHTxWIDTH, several "
                "with commas between them: 192x256,384x512."
            ) from None
        found.append((height, width))
    return tuple(found)


def choose(
    images: Iterable[Size], ops: Sequence[Any], pixels: Pixels, model: Network
) -> tuple[Size, ...]:
    """The sizes of programs for images of these sizes, the smallest first.

    Args:
      images: as they are; what comes often counts more.
      ops: of evaluation, on the host.
      pixels: of the images.
      model: tells which sides it takes.
    """
    counted = Counter(images)
    for (height, width), times in list(counted.items()):
        counted[width, height] += TURNED * times
    padded = Counter()
    for size, weight in counted.items():
        seen = _behind(ops, size, pixels)
        padded[tuple(map(model.input_side, seen))] += weight
    wide = [size for size in padded if size[1] >= size[0]]
    chosen = []
    for group in (wide, [size for size in padded if size not in wide]):
        if group:
            largest = tuple(max(sides) for sides in zip(*group, strict=True))
            chosen.append(_bounded(largest, model))
    chosen = _without_held(chosen)
    candidates = {_bounded(size, model) for size in padded}
    while len(chosen) < MOST:
        cost = _cost(padded, chosen)
        rest = sorted(candidates - {*chosen})
        spared = {size: cost - _cost(padded, [*chosen, size]) for size in rest}
        best = max(rest, key=spared.__getitem__, default=None)
        if best is None or spared[best] < WORTH * cost:
            break
        chosen.append(best)
    return tuple(sorted(chosen, key=lambda size: (size[0] * size[1], size)))


def _behind(ops: Sequence[Any], size: Size, pixels: Pixels) -> Size:
    """The size of an image behind the evaluation ops."""
    example = {IMAGE: np.zeros((*size, pixels.channels), pixels.depth)}
    for op in ops:
        example = op.map(example)
    return example[IMAGE].shape[:2]


def _bounded(size: Size, model: Network) -> Size:
    """A size of at most `MOST_PIXELS` with the same proportions, or nearly."""
    height, width = size
    while height * width > MOST_PIXELS:
        shrink = (MOST_PIXELS / (height * width)) ** 0.5
        height, width = (
            _legal_below(min(side - 1, int(side * shrink)), model)
            for side in (height, width)
        )
    return height, width


def _legal_below(side: int, model: Network) -> int:
    covered = next(
        n
        for n in itertools.count(side - 2 * model.margin, -1)
        if n < 1 or model.input_side(n) <= side
    )
    return model.input_side(max(1, covered))


def _without_held(sizes: Sequence[Size]) -> list[Size]:
    """Without those that another one holds."""
    return [
        a
        for a in sizes
        if not any(a != b and a[0] <= b[0] and a[1] <= b[1] for b in sizes)
    ]


def _cost(padded: Counter, chosen: Sequence[Size]) -> float:
    """Pixels that the network computes, larger images as if they were in one window."""
    total = 0.0
    for (height, width), weight in padded.items():
        holding = [a * b for a, b in chosen if height <= a and width <= b]
        total += weight * min(holding, default=height * width)
    return total
