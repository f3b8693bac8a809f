"""Ways over an image: at once, in overlapping windows, in tiles, in windows to choose.

Each way of windows has `windows(model, size)`: where they lie on an image of that size.
"""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any, ClassVar, Literal

import numpy as np

from segjax.core.errors import UserError, raise_problems
from segjax.core.network import Network
from segjax.core.shapes import Float32

LEAST_WEIGHT = 1e-3
"""Of a pixel of a window, beside 1 in its middle."""

SHARED = 64
"""Labels of whole images in buckets are padded to multiples of so many pixels."""

Size = tuple[int, int]
"""Height and width, in pixels after the evaluation ops."""


@dataclasses.dataclass(frozen=True)
class Windows:
    """Where windows lie and what is taken of them; rows first, columns second.

    Attributes:
      seen: sides of what the network gets.
      margin: pixels at each border of it that are not answered.
      step: from the begin of what a window answers to that of the next one.
      moved_back: whether the last window ends at the border of the image, if it fits.
      bell: whether pixels in the middle of a window weigh more.
    """

    seen: tuple[int, int]
    margin: int
    step: tuple[int, int]
    moved_back: bool
    bell: bool

    @property
    def weights(self) -> Float32[np.ndarray, "h w"]:
        """Of the pixels that a window answers."""
        return _weights(*(n - 2 * self.margin for n in self.seen), self.bell)

    def starts(self, axis: int, side: int) -> list[int]:
        """Where on an image's `side` each window's answer begins, in order."""
        last = max(0, side - self.weights.shape[axis])
        if not self.moved_back:
            return list(range(0, side, self.step[axis]))
        return [*range(0, last, self.step[axis]), last]


@dataclasses.dataclass(frozen=True)
class Whole:
    """The image at once, padded by mirroring to sides that the model takes."""

    shown: ClassVar[tuple[Size, ...]] = ()
    """The sizes of all images that the network sees; nothing if they may be any."""

    def __str__(self) -> str:
        return "whole()"

    def problems(self, model: Network, where: str) -> list[str]:
        """None: any image is padded to legal sides."""
        del model, where
        return []

    def seen(self, model: Network, size: Size) -> Size:
        """What the network sees of an image: the next legal sides."""
        return tuple(map(model.input_side, size))

    def shared(self, model: Network, size: Size) -> Size:
        """To what a label is padded, so that those of several sizes share a program."""
        return tuple(model.input_side(n) - 2 * model.margin for n in size)


@dataclasses.dataclass(frozen=True)
class Slide:
    """Overlapping windows; their logits are weighted, summed and divided.

    The last window of a row or column is moved back to end at the border. An image
    smaller than the window is padded by mirroring.

    Source: Chen et al., MMSegmentation (software), 2020, `slide_inference`: where the
      windows lie, the mean of logits; Isensee et al., nnU-Net, 2021, arXiv 1904.08128:
      Gaussian weights of sigma = side / 8, here with the least weight of 1e-3 that
      Cardoso et al., MONAI, 2022, arXiv 2211.02701, gives its corners.
    Differs: the overlap is a share of the window and not a stride in pixels.

    Attributes:
      height: of the window that the network sees, in pixels after the evaluation ops.
      width: the same.
      overlap: share of a window that the next one covers too, from 0 up and below 1.
      weights: of a window's pixels: `gaussian`, more in its middle, or `uniform`.
    """

    height: int
    width: int
    overlap: float | int = 0.5
    weights: Literal["gaussian", "uniform"] = "gaussian"

    def __post_init__(self):
        found = _low(self, height=1, width=1)
        if not 0 <= self.overlap < 1:
            found.append(f"overlap={self.overlap}: must be from 0 up and below 1.")
        raise_problems(found)

    def __str__(self) -> str:
        size = f"{self.height}, {self.width}"
        return f'slide({size}, overlap={self.overlap:g}, weights="{self.weights}")'

    @property
    def shown(self) -> tuple[Size, ...]:
        """The size of all images that the network sees."""
        return ((self.height, self.width),)

    def problems(self, model: Network, where: str) -> list[str]:
        """The sides of the window that the model does not take, as messages."""
        return _illegal(self, (self.height, self.width), model, where)

    def windows(self, model: Network, size: Size) -> Windows:
        """Where the windows lie; what the model loses by itself is not answered."""
        del size
        sides = [n - 2 * model.margin for n in (self.height, self.width)]
        return Windows(
            seen=(self.height, self.width),
            margin=model.margin,
            step=tuple(max(1, round(n * (1 - self.overlap))) for n in sides),
            moved_back=True,
            bell=self.weights == "gaussian",
        )


@dataclasses.dataclass(frozen=True)
class Tile:
    """Tiles side by side; the network sees a margin about each, which is thrown away.

    The margin is real image, and mirrored image beyond the borders. What is answered
    equals the answer for the whole image, but for pixels near the borders of the image,
    if four things hold: the margin is no less than the radius of the receptive field;
    no layer looks at the whole image (global pooling, attention, instance or group
    norm); the margin and the sides of the tile divide by the model's stride; and the
    model computes the same for any size.

    Source: Ronneberger et al., U-Net, 2015, arXiv 1505.04597, figure 2: the
      overlap-tile strategy.

    Attributes:
      height: of what a tile answers, in pixels after the evaluation ops; the network
        sees `2 * margin` more.
      width: the same.
      margin: pixels about a tile, at least those that the model loses by itself.
    """

    height: int
    width: int
    margin: int

    def __post_init__(self):
        raise_problems(_low(self, height=1, width=1, margin=0))

    def __str__(self) -> str:
        return f"tile({self.height}, {self.width}, margin={self.margin})"

    @property
    def shown(self) -> tuple[Size, ...]:
        """The size of all images that the network sees."""
        return ((self.height + 2 * self.margin, self.width + 2 * self.margin),)

    def problems(self, model: Network, where: str) -> list[str]:
        """A margin or sides that the model does not take, as messages."""
        if self.margin < model.margin:
            return [
                f"{where}: {self} has the margin {self.margin} and the model of "
                f"config.model loses {model.margin} pixels at each border by itself. "
                f"Use margin={model.margin} or more."
            ]
        more, sides = 2 * self.margin, (self.height, self.width)
        margins = range(self.margin, self.margin + model.stride)
        fits = [m for m in margins if all(_legal(n + 2 * m, model) for n in sides)]
        wider = f"margin={fits[0]}, or the {{}} " if fits else ""
        return [
            f"{where}: {self} shows the network the {name} {side} + 2 x {self.margin} "
            f"= {side + more} and the model of config.model does not take such a side. "
            f"Use {wider.format(name)}"
            f"{_either(n - more for n in _near(side + more, model) if n > more)}."
            for name, side in zip(("height", "width"), sides, strict=True)
            if not _legal(side + more, model)
        ]

    def windows(self, model: Network, size: Size) -> Windows:
        """Where the tiles lie: side by side, the last ones reaching over the border."""
        del model, size
        sides = (self.height, self.width)
        return Windows(
            seen=tuple(n + 2 * self.margin for n in sides),
            margin=self.margin,
            step=sides,
            moved_back=False,
            bell=False,
        )


@dataclasses.dataclass(frozen=True)
class Buckets:
    """Each image in the smallest of some windows that holds it, padded by mirroring.

    A larger image goes in windows of the largest, as `slide` has them, with a quarter
    of overlap. So few shapes serve images of all sizes. An image that `whole` would pad
    to the size of its window is answered alike.

    Attributes:
      sizes: of the windows that the network sees, `(height, width)`.
    """

    sizes: tuple[tuple[int, int], ...]

    any_number: ClassVar[bool] = True

    def __post_init__(self):
        twice = {s for s in self.sizes if self.sizes.count(s) > 1}
        found = [f"{s}: a side must be 1 or more." for s in self.sizes if min(s) < 1]
        found += [f"{s}: is there twice; name each once." for s in sorted(twice)]
        raise_problems(found)
        if not self.sizes:
            raise UserError("no size; name at least one: buckets((256, 256)).")

    def __str__(self) -> str:
        return f"buckets({', '.join(map(str, self.sizes))})"

    @property
    def shown(self) -> tuple[Size, ...]:
        """The sizes of all images that the network sees."""
        return self.sizes

    def problems(self, model: Network, where: str) -> list[str]:
        """The sides of windows that the model does not take, as messages."""
        return [p for s in self.sizes for p in _illegal(self, s, model, where)]

    def windows(self, model: Network, size: Size) -> Windows:
        """One window, all of which counts, or those of a `slide`."""
        if holding := self._holding(model, size):
            return Slide(*holding[0], weights="uniform").windows(model, size)
        return Slide(*self._ordered[-1], overlap=0.25).windows(model, size)

    def seen(self, model: Network, size: Size) -> Size:
        """What the network sees of a whole image: the smallest that holds it.

        Raises:
          UserError: none of them does.
        """
        if holding := self._holding(model, size):
            return holding[0]
        raise UserError(
            f"a frame of {size[0]}x{size[1]}: {self} has no window that holds it, and "
            "a memory is of whole frames. Make the frames smaller, or name a larger "
            "window."
        )

    def shared(self, model: Network, size: Size) -> Size:
        """To what a label is padded, so that those of several sizes share a program."""
        del model
        return tuple(-(-n // SHARED) * SHARED for n in size)

    @property
    def _ordered(self) -> list[Size]:
        """The windows, the smallest first."""
        return sorted(self.sizes, key=lambda s: (s[0] * s[1], s))

    def _holding(self, model: Network, size: Size) -> list[Size]:
        """The windows whose answer covers an image, the smallest first."""
        height, width = (n + 2 * model.margin for n in size)
        return [s for s in self._ordered if height <= s[0] and width <= s[1]]


def _illegal(way: Any, size: Size, model: Network, where: str) -> list[str]:
    """The sides of a window of a way that the model does not take, as messages."""
    return [
        f"{where}: {way} has the {name} {side} and the model of config.model "
        f"does not take such a side. Use {_either(_near(side, model))}."
        for name, side in zip(("height", "width"), size, strict=True)
        if not _legal(side, model)
    ]


def _low(op: Any, **least: int) -> list[str]:
    """The fields that are below their least values, as messages."""
    return [
        f"{name}={getattr(op, name)}: must be {low} or more."
        for name, low in least.items()
        if getattr(op, name) < low
    ]


def _legal(side: int, model: Network) -> bool:
    """Whether a model takes such a side and answers some of it."""
    covered = side - 2 * model.margin
    return covered > 0 and model.input_side(covered) == side


def _near(side: int, model: Network) -> list[int]:
    """The legal sides next to one that is not: below, if there is one, and above."""
    above = model.input_side(max(1, side - 2 * model.margin))
    below = (n for n in range(side - 1, 0, -1) if _legal(n, model))
    return [*filter(None, [next(below, None)]), above]


def _either(numbers: Iterable[int]) -> str:
    return " or ".join(map(str, numbers))


@functools.lru_cache(maxsize=16)
def _weights(height: int, width: int, bell: bool) -> Float32[np.ndarray, "h w"]:
    if not bell:
        return np.ones((height, width), np.float32)
    weights = np.outer(_bell(height), _bell(width))
    return np.maximum(weights, LEAST_WEIGHT).astype(np.float32)


def _bell(side: int) -> np.ndarray:
    """Weights of a line of pixels: a Gaussian about its middle, sigma = side / 8."""
    away = np.arange(side) - (side - 1) / 2
    return np.exp(-0.5 * (away / (side / 8)) ** 2)
