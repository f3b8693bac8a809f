"""The two kinds of steps, by what they change."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from segjax.core.shapes import Float32, UInt8

Image = UInt8[np.ndarray, "H W 3"]
Ids = UInt8[np.ndarray, "H W"]
Shares = Float32[np.ndarray, "H W K"]
"""Probabilities of the classes of each pixel; of a binary task both."""


@dataclasses.dataclass(frozen=True)
class Step:
    """What steps share; a step is a frozen dataclass that derives from a kind below."""

    of_image: ClassVar[bool] = False
    """Whether it looks at the image; else it is given none."""

    def __str__(self) -> str:
        """The call that makes it: what has no default by place, what differs by name.

        The name is that of the class: `SplitMerge` is `split_merge`.
        """
        words = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.default is dataclasses.MISSING:
                words.append(_literal(value))
            elif value != field.default:
                words.append(f"{field.name}={_literal(value)}")
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()
        return f"{name}({', '.join(words)})"

    def problems(self, num_classes: int) -> list[str]:
        """Why it cannot be a step of so many classes, as messages."""
        del num_classes
        return []


@dataclasses.dataclass(frozen=True)
class OfShares(Step):
    """A step that changes probabilities."""

    def shares(self, shares: Shares, image: Image | None) -> Shares:
        """The new probabilities; the old ones stay as they are."""
        raise NotImplementedError(f"{type(self).__name__} lacks the method shares.")


@dataclasses.dataclass(frozen=True)
class OfIds(Step):
    """A step that changes class ids."""

    def ids(self, ids: Ids, image: Image | None, num_classes: int) -> Ids:
        """The new ids; the old ones stay as they are."""
        raise NotImplementedError(f"{type(self).__name__} lacks the method ids.")


def class_problems(classes: Sequence[int] | None, num_classes: int) -> list[str]:
    """Why `classes` are none of `num_classes`, as messages."""
    beyond = [k for k in classes or () if not 0 <= k < num_classes]
    return [
        f"has no class {k}; the classes are 0 to {num_classes - 1}." for k in beyond
    ]


def _literal(value: Any) -> str:
    """A number as short as it can be, `2.0` as `2`; all else as Python writes it."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return repr(value)
