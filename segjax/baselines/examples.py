"""What a baseline is fitted on, and what comes of it."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Real, UInt8

from segjax.core.errors import raise_problems
from segjax.core.info import DatasetInfo
from segjax.core.keys import IMAGE, LABEL

Progress = Callable[[int, int], None] | None
"""Called with (examples done, examples in all)."""

Image = Real[np.ndarray, "H W C"]
"""As a data set reads it, in the depth and the channels of its `Pixels`."""


@runtime_checkable
class Examples(Protocol):
    """A training split; see `core.keys` for what an example holds."""

    info: DatasetInfo

    def __len__(self) -> int:
        """How many examples there are."""
        ...

    def __getitem__(self, i: int) -> dict[str, Any]:
        """Example `i`."""
        ...

    def name(self, i: int) -> str:
        """A stable name of example `i`."""
        ...


@runtime_checkable
class Fitted(Protocol):
    """A baseline that has seen its training split.

    Attributes:
      facts: what it learnt that a person can read, for the record.
    """

    facts: dict[str, Any]

    def __call__(self, image: Image) -> UInt8[np.ndarray, "H W"]:
        """The class of every pixel, at the image's own size."""
        ...


@dataclasses.dataclass(frozen=True)
class Limited:
    """Some examples of a split, chosen by a hash of their names.

    A larger limit keeps the examples of a smaller one, and neither the order of the
    files nor further ones move the choice.

    Attributes:
      source: the split.
      limit: how many examples, at most.
      seed: another seed is another choice.
    """

    source: Examples
    limit: int
    seed: int = 0

    def __post_init__(self):
        raise_problems(low(self, limit=1))
        names = [self.source.name(i) for i in range(len(self.source))]
        order = sorted(range(len(names)), key=lambda i: _hash(self.seed, names[i]))
        object.__setattr__(self, "_chosen", sorted(order[: self.limit]))

    @property
    def info(self) -> DatasetInfo:
        """The split's own."""
        return self.source.info

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, i: int) -> dict[str, Any]:
        return self.source[self._chosen[i]]

    def name(self, i: int) -> str:
        """The name that the split has for it."""
        return self.source.name(self._chosen[i])


def each(
    source: Examples, progress: Progress = None
) -> Iterator[tuple[Image, UInt8[np.ndarray, "H W"]]]:
    """Image and label of each example; of a clip those of its last frame."""
    total = len(source)
    for i in range(total):
        yield frame(source[i])
        if progress:
            progress(i + 1, total)


def frame(example: dict[str, Any]) -> tuple[Image, UInt8[np.ndarray, "H W"]]:
    """Image and label of an example; of a clip those of its last frame."""
    image, label = example[IMAGE], example[LABEL]
    image = image[-1] if image.ndim == 4 else image
    return image, label[-1] if label.ndim == 3 else label


def low(options: Any, **least: float | int) -> list[str]:
    """A message for each of the options that is below its least value."""
    name = type(options).__name__
    return [
        f"{name}: {field}={getattr(options, field)}: must be {value} or more."
        for field, value in least.items()
        if getattr(options, field) < value
    ]


def _hash(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}/{name}".encode()).digest()
