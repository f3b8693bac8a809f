"""Ops on the frames of a clip, whose label is that of the last one."""

import dataclasses
from typing import Any

import grain
import numpy as np

from segjax.core.errors import UserError
from segjax.core.keys import IMAGE, INDEX, LABEL


@dataclasses.dataclass(frozen=True)
class ShufflePast(grain.transforms.Map):
    """Put the frames before the last in a wrong order, to see whether order matters.

    The order is a function of (seed, index of the example): the same in every epoch,
    in training and in evaluation. Two earlier frames change places; a still image, and
    a clip of one earlier frame, stay.

    Attributes:
      seed: another seed is other orders.
    """

    seed: int = 0

    def __post_init__(self):
        if self.seed < 0:
            raise UserError(f"seed={self.seed}: must be 0 or more.")

    def map(self, example: dict[str, Any]) -> dict[str, Any]:
        """`(T, H, W, C)` with `0 .. T-2` in another order than that of time.

        Raises:
          UserError: earlier frames have labels, which would be shuffled nowhere.
        """
        if LABEL in example and example[LABEL].ndim > 2:
            raise UserError(
                "shuffle_past: the earlier frames have labels of their own; a clip "
                "labelled at its last frame is allowed. Use data.labelled='last'."
            )
        image = example[IMAGE]
        if image.ndim < 4 or len(image) < 3:
            return dict(example)
        past = len(image) - 1
        rng = np.random.default_rng((self.seed, int(example[INDEX])))
        order = rng.permutation(past)
        while np.array_equal(order, np.arange(past)):
            order = rng.permutation(past)
        return {**example, IMAGE: image[[*order, past]]}
