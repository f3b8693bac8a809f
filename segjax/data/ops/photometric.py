"""What the ops that change the image alone share: chance, ranges, frames.

The label stays the same object. A clip `(T, H, W, 3)` changes as one: what is drawn is
drawn once, so all frames have the same colours, blur and light. What falls or flickers
(noise, rain, snow) has one strength and direction for the clip and is drawn anew for
each frame: a pattern that stands still would be dirt on the lens, and a recurrent
model could learn to take it away.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import cv2
import grain
import numpy as np
from jaxtyping import Float32, Real, UInt8

from segjax.core.errors import UserError
from segjax.core.keys import IMAGE
from segjax.data.ops import base

Kind = Literal["all", "integers", "rgb"]
"""Which images an op takes; see `base.RANGES`."""

LEVELS = np.arange(256)
"""What a pixel's value can be."""


class Photometric(base.Sometimes):
    """A random op on the image alone: a frozen dataclass with `p` and `changed`.

    Attributes:
      IMAGES: which images `changed` takes; only those of 8-bit RGB, if not said.
    """

    p: float | int
    IMAGES: ClassVar[Kind] = "rgb"

    def __post_init__(self):
        refuse_outside(self, p=(0, 1))

    def change(
        self, example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """The image changes; its size stays."""
        image = example[IMAGE]
        frames = self.changed(image.reshape(-1, *image.shape[-3:]), rng)
        return {**example, IMAGE: frames.reshape(image.shape)}

    def changed(
        self, frames: UInt8[np.ndarray, "T H W 3"], rng: np.random.Generator
    ) -> UInt8[np.ndarray, "T H W 3"]:
        """New frames; an image is a clip of one."""
        raise NotImplementedError(f"{type(self).__name__} lacks the method changed.")


class FixedPhotometric(grain.transforms.Map):
    """An op on the image alone that draws nothing: a frozen dataclass, `changed`."""

    IMAGES: ClassVar[Kind] = "rgb"

    def map(self, example: dict[str, Any]) -> dict[str, Any]:
        """The image changes; its size stays."""
        image = example[IMAGE]
        frames = self.changed(image.reshape(-1, *image.shape[-3:]))
        return {**example, IMAGE: frames.reshape(image.shape)}

    def changed(
        self, frames: UInt8[np.ndarray, "T H W 3"]
    ) -> UInt8[np.ndarray, "T H W 3"]:
        """New frames; an image is a clip of one."""
        raise NotImplementedError(f"{type(self).__name__} lacks the method changed.")


def as_one(
    frames: Real[np.ndarray, "T H W C"], change: Callable[[np.ndarray], np.ndarray]
) -> Real[np.ndarray, "T H W C"]:
    """`change` of the clip as one tall picture, for what neighbours do not matter to.

    OpenCV knows pictures alone; and what is measured (mean, histogram) is the clip's.
    """
    return change(frames.reshape(-1, *frames.shape[2:])).reshape(frames.shape)


def each(
    frames: Real[np.ndarray, "T H W C"], change: Callable[[np.ndarray], np.ndarray]
) -> Real[np.ndarray, "T H W C"]:
    """`change` of each frame by itself; OpenCV's may drop the axis of one channel."""
    return np.stack([np.atleast_3d(change(frame)) for frame in frames])


def is_rgb(frames: Real[np.ndarray, "T H W C"]) -> bool:
    """Whether images are of 8-bit RGB, for which OpenCV is quick and tables are."""
    return frames.dtype == np.uint8 and frames.shape[-1] == 3


def kept(
    values: Real[np.ndarray, "T H W C"], dtype: np.dtype
) -> Real[np.ndarray, "T H W C"]:
    """Computed values as pixels: integers rounded and kept in range, floats as are."""
    if dtype.kind != "f":
        values = np.clip(np.round(values), 0, np.iinfo(dtype).max)
    return values.astype(dtype)


def toned(
    frames: Real[np.ndarray, "T H W C"],
    brightness: float | int,
    contrast: float | int,
) -> Real[np.ndarray, "T H W C"]:
    """Both factors on images of any kind, contrast about the mean of each channel."""
    scaled = brightness * frames.astype(np.float32)
    mean = scaled.mean(axis=(0, 1, 2), dtype=np.float64).astype(np.float32)
    return kept(mean + np.float32(contrast) * (scaled - mean), frames.dtype)


def blended(
    image: UInt8[np.ndarray, "H W 3"],
    other: UInt8[np.ndarray, "H W 3"] | tuple[int, int, int],
    weight: Float32[np.ndarray, "H W"],
) -> UInt8[np.ndarray, "H W 3"]:
    """`(1 - weight) * image + weight * other`; `other` may be one RGB colour."""
    if isinstance(other, tuple):
        other = np.broadcast_to(np.array(other, np.uint8), image.shape).copy()
    return cv2.blendLinear(image, other, 1 - weight, weight)


def table(levels: Real[np.ndarray, "256 ..."]) -> UInt8[np.ndarray, "256 ..."]:
    """A look-up table for `cv2.LUT`: `levels`, rounded once and kept in 0..255."""
    return np.clip(np.round(levels), 0, 255).astype(np.uint8)


def refuse_outside(op: Any, **limits: tuple[float | int, float | int]) -> None:
    """Check the fields of `op`; where it has `min` and `max`, also their order.

    Raises:
      UserError: with every field that is outside of its limits.
    """
    found = base.outside(op, **limits)
    if not found and "min" in limits and op.min > op.max:
        found = [f"min={op.min}, max={op.max}: must be min <= max."]
    if found:
        raise UserError(found)
