"""The two kinds of steps, by what they change."""

from typing import ClassVar

import numpy as np

from segjax.core.shapes import Float32, UInt8

Image = UInt8[np.ndarray, "H W 3"]
Ids = UInt8[np.ndarray, "H W"]
Shares = Float32[np.ndarray, "H W K"]
"""Probabilities of the classes of each pixel; of a binary task both."""


class Step:
    """What steps share; a step is a frozen dataclass that derives from a kind below."""

    of_image: ClassVar[bool] = False
    """Whether it looks at the image; else it is given none."""

    def problems(self, num_classes: int) -> list[str]:
        """Why it cannot be a step of so many classes, as messages."""
        del num_classes
        return []


class OfShares(Step):
    """A step that changes probabilities."""

    def shares(self, shares: Shares, image: Image | None) -> Shares:
        """The new probabilities; the old ones stay as they are."""
        raise NotImplementedError(f"{type(self).__name__} lacks the method shares.")


class OfIds(Step):
    """A step that changes class ids."""

    def ids(self, ids: Ids, image: Image | None, num_classes: int) -> Ids:
        """The new ids; the old ones stay as they are."""
        raise NotImplementedError(f"{type(self).__name__} lacks the method ids.")
