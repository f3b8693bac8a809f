"""What ops share: the toss of `p`, the images they take, the ranges of their fields."""

import math
from typing import Any, Literal

import grain
import numpy as np

from segjax.core.pixels import RGB, Pixels

PROBABILITY = (0, 1)

RANGES = {
    "all": "all images",
    "integers": "images of 8 and 16 bits",
    "rgb": "8-bit RGB images alone",
}
"""What `images` of an op says, in words."""


class Sometimes(grain.transforms.RandomMap):
    """An op that changes an example with probability `p`, a field of its own."""

    def random_map(
        self, example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """Tosses first, so that `p` does not move the other random numbers."""
        return self.change(example, rng) if rng.random() < self.p else example

    def change(
        self, example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """The changed example; the one that is given stays as it is."""
        raise NotImplementedError(f"{type(self).__name__} lacks the method change.")


def images(op: Any) -> Literal["all", "integers", "rgb"]:
    """Which images an op, or its class, takes; its own `IMAGES` says so."""
    return getattr(op, "IMAGES", "all")


def takes(op: Any, pixels: Pixels) -> bool:
    """Whether an op, or its class, takes images of such pixels."""
    if pixels == RGB or images(op) == "all":
        return True
    return images(op) == "integers" and pixels.depth != "float32"


def outside(op: Any, **allowed: tuple[float | int, float | int]) -> list[str]:
    """A message for each field of `op` that is not within its closed range."""
    found = []
    for name, (low, high) in allowed.items():
        value = getattr(op, name)
        if not low <= value <= high:  # nor is nan
            limits = f"{low} or more" if high == math.inf else f"in [{low}, {high}]"
            found.append(f"{name}={value}: must be {limits}.")
    return found


def disordered(op: Any, **allowed: tuple[float | int, float | int]) -> list[str]:
    """A message for each field that is no pair `(low, high)` within its range."""
    return [
        f"{name}={pair}: must be (low, high) with {low} <= low <= high <= {high}."
        for name, (low, high) in allowed.items()
        for pair in [getattr(op, name)]
        if not low <= pair[0] <= pair[1] <= high
    ]
