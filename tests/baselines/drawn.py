"""Splits of a few drawn images, held in memory."""

import dataclasses
from typing import Any

import numpy as np

from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL
from segjax.core.pixels import FULL, Pixels

COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9))


@dataclasses.dataclass(frozen=True)
class Drawn:
    """Images and labels as they are given."""

    info: DatasetInfo
    images: tuple[np.ndarray, ...]
    labels: tuple[np.ndarray, ...]
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {IMAGE: self.images[i], LABEL: self.labels[i], INDEX: np.int64(i)}

    def name(self, i: int) -> str:
        return self.names[i] if self.names else str(i)

    def reversed(self) -> "Drawn":
        """The same files, listed the other way round."""
        names = tuple(self.name(i) for i in range(len(self)))
        both = self.images[::-1], self.labels[::-1]
        return dataclasses.replace(
            self, images=both[0], labels=both[1], names=names[::-1]
        )

    def with_labels(self, labels) -> "Drawn":
        return dataclasses.replace(self, labels=tuple(labels))


def info(classes: int, pixels: Pixels) -> DatasetInfo:
    names = tuple(f"class {k}" for k in range(classes))
    return DatasetInfo("drawn", names, COLOURS[:classes], pixels=pixels)


def shapes(
    classes: int = 2,
    pixels: Pixels | None = None,
    noise: float = 0.0,
    number: int = 4,
    size: tuple[int, int] = (24, 40),
) -> Drawn:
    """Blocks of a class each on class 0; each class has a brightness of its own.

    The first rows are ignored in every label.
    """
    pixels = pixels or Pixels()
    rng = np.random.default_rng(3)
    full = FULL[pixels.depth]
    images, labels = [], []
    for _ in range(number):
        label = np.zeros(size, np.uint8)
        for k in range(1, classes):
            top, left = rng.integers(4, size[0] - 8), rng.integers(0, size[1] - 10)
            label[top : top + 8, left : left + 10] = k
        image = (0.2 + 0.6 * label / (classes - 1))[..., None]
        image = image + noise * rng.standard_normal((*size, pixels.channels))
        values = (image.clip(0, 1) * full).astype(pixels.depth)
        label[:3] = IGNORE
        images.append(values)
        labels.append(label)
    return Drawn(info(classes, pixels), tuple(images), tuple(labels))


def noise(classes: int = 3) -> Drawn:
    """Labels that have nothing to do with the images; class 1 is the commonest."""
    rng = np.random.default_rng(5)
    shape = (3, 32, 48)
    images = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    labels = rng.choice(classes, shape, p=[0.1, 0.8, 0.1][:classes]).astype(np.uint8)
    return Drawn(info(classes, Pixels()), tuple(images), tuple(labels))
