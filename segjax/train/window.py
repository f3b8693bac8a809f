"""What happened since the last log line: sums of scalars and of confusion counts.

It is part of a checkpoint, so that a run stopped between two log lines and resumed
writes the line that an uninterrupted run would have written.
"""

import math
from typing import Any

import numpy as np

from segjax.metrics import confusion, scores


class Window:
    """Accumulates the scalars of steps; floats in float64, counts in int64."""

    def __init__(self, num_classes: int):
        self._num_classes = num_classes
        self.reset()

    def reset(self) -> None:
        """Forget all."""
        self._steps = 0
        self._skipped = 0
        self._sums: dict[str, float] = {}
        self._counts = confusion.empty(self._num_classes)

    def add(self, scalars: dict[str, Any]) -> None:
        """Add one step's scalars; of a skipped step, its counts alone."""
        self._counts += np.asarray(scalars["counts"], np.int64)
        if not scalars["finite"]:
            self._skipped += 1
            return
        self._steps += 1
        for name, value in scalars.items():
            if name not in ("counts", "finite"):
                self._sums[name] = self._sums.get(name, 0.0) + float(value)

    def means(self) -> dict[str, float]:
        """Mean of each scalar over the good steps, train mIoU, skipped steps if any."""
        steps = self._steps or math.nan
        means = {name: total / steps for name, total in self._sums.items()}
        means["miou"] = scores.summary(self._counts, "union")["miou"]
        if self._skipped:
            means["skipped"] = self._skipped
        return means

    def to_json(self) -> dict[str, Any]:
        """Plain data; floats survive JSON exactly."""
        return {
            "steps": self._steps,
            "skipped": self._skipped,
            "sums": dict(self._sums),
            "counts": self._counts.tolist(),
        }

    def from_json(self, data: dict[str, Any]) -> None:
        """Take up what `to_json` gave."""
        self._steps = data["steps"]
        self._skipped = data["skipped"]
        self._sums = dict(data["sums"])
        self._counts = np.asarray(data["counts"], np.int64)
