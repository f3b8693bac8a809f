"""What a measure is: how it looks at an image, and what it makes of all of them.

There are three kinds. Each finds arrays of fixed shapes in every image, `int32` or
`float32`, so that they can be gathered, stored and resampled like the confusion counts:

==========  ===================================  ====================================
kind        looks at                             finds
==========  ===================================  ====================================
`OnDevice`  logits, labels and decided ids, on   integers that add up over the pieces
            the device, before the next batch    of an image
`OnHost`    ids and label of a whole image, at   integers and floats of the image
            the label's own size
`OfVideos`  a frame and the one before it        integers of the pair
==========  ===================================  ====================================
"""

import abc
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Array, Shaped, UInt8

Layout = dict[str, tuple[tuple[int, ...], type]]
"""Name -> shape and dtype (`np.int32` or `np.float32`) of what an image gives."""

Found = Mapping[str, Shaped[np.ndarray, "N ..."]]
"""Name -> what every image gave."""

Count = Callable[[Array, Array, Array], Array]
"""`(logits (B, H, W, C), labels (B, H, W), ids (B, H, W)) -> integers (B, ...)`."""


@dataclasses.dataclass(frozen=True)
class Frame:
    """An image with what was said of it.

    Attributes:
      ids: the decided classes.
      label: the true ones, `IGNORE` where there is none.
      image: as a person would see it; None where no measure of videos asks.
    """

    ids: UInt8[np.ndarray, "H W"]
    label: UInt8[np.ndarray, "H W"]
    image: UInt8[np.ndarray, "H W 3"] | None = None


@dataclasses.dataclass(frozen=True)
class Result:
    """What a measure says of a split.

    Attributes:
      summary: one number each, NaN where it is undefined.
      classes: `K` numbers each.
      notes: sentences to be read with the numbers.
    """

    summary: dict[str, float]
    classes: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Measure(abc.ABC):
    """A measure of any kind; its fields are its settings."""

    @abc.abstractmethod
    def layout(self, num_classes: int) -> Layout:
        """What every image gives."""

    @abc.abstractmethod
    def result(self, found: Found, counts: np.ndarray) -> Result:
        """The numbers of a split, from what its images gave.

        Args:
          found: `(N, ...)` arrays, as `layout` names them.
          counts: `(N, K, K)` confusion counts of the same images.
        """

    def per_image(self, found: Found) -> dict[str, np.ndarray]:
        """Numbers of each image: `(N,)`, or `(N, K)` by class; NaN where undefined."""
        return {}


class OnDevice(Measure):
    """Counts pixels by their logits."""

    @abc.abstractmethod
    def counters(self, num_classes: int) -> dict[str, Count]:
        """The functions that find what `layout` names."""


class OnHost(Measure):
    """Looks at an image as a whole."""

    @abc.abstractmethod
    def look(self, frame: Frame, num_classes: int) -> dict[str, np.ndarray]:
        """What `layout` names, of one image."""


class OfVideos(Measure):
    """Looks at a frame of a video and the one before it."""

    @abc.abstractmethod
    def look(
        self, before: Frame | None, frame: Frame, num_classes: int
    ) -> dict[str, np.ndarray]:
        """What `layout` names, of one frame; `before` is None at a video's first."""


def mean_of_defined(values: Any, axis: int | None = None) -> np.ndarray:
    """The mean of what is not NaN, NaN of nothing."""
    values = np.asarray(values, np.float64)
    there = ~np.isnan(values)
    total = np.where(there, values, 0).sum(axis)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / there.sum(axis))
