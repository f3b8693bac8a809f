"""What ops share: the toss of `p`, and the ranges of their fields."""

import math
from typing import Any

import grain
import numpy as np

PROBABILITY = (0, 1)


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
