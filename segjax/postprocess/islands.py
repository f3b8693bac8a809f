"""Islands and holes: regions too small to be believed, given to what is about them."""

import dataclasses

import numpy as np

from segjax.core.errors import raise_problems
from segjax.postprocess import regions
from segjax.postprocess.regions import Connectivity
from segjax.postprocess.step import Ids, Image, OfIds, class_problems


@dataclasses.dataclass(frozen=True)
class _Small(OfIds):
    """What drops regions by their area."""

    def __post_init__(self):
        problems = []
        name = dataclasses.fields(self)[0].name
        if (area := getattr(self, name)) < 1:
            problems.append(f"{name}={area}: must be 1 or more.")
        if self.connectivity not in (4, 8):
            problems.append(f"connectivity={self.connectivity}: must be 4 or 8.")
        if self.classes is not None and not self.classes:
            problems.append("classes=(): names no class. Leave it out for all.")
        raise_problems(problems)

    def problems(self, num_classes: int) -> list[str]:
        """Classes that there are not."""
        return class_problems(self.classes, num_classes)


@dataclasses.dataclass(frozen=True)
class Components(_Small):
    """Regions of fewer than `min_area` pixels take the class that surrounds them most.

    That is the class of most neighbours of their pixels, each pair of neighbours
    counted; of several the lowest. A small region that touches others that are dropped,
    too, does not ask them: those that touch a region that stays are settled first, all
    at once, then those that touch these, and so on. Where no region stays nothing is
    changed. In a binary task islands are dropped and holes are filled.

    Doing it twice changes nothing more.

    Attributes:
      min_area: pixels of the smallest region that stays.
      connectivity: 4 or 8, whether pixels that share but a corner hang together; both
        for what a region is and for what it touches.
      classes: whose regions are dropped; None for those of all.
    """

    min_area: int
    connectivity: Connectivity = 8
    classes: tuple[int, ...] | None = None

    def ids(self, ids: Ids, image: Image | None, num_classes: int) -> Ids:
        """The map without small regions."""
        del image
        found = regions.find(ids, self.connectivity)
        small = found.areas < self.min_area
        if self.classes is not None:
            small &= np.isin(found.classes, self.classes)
        if not small.any() or small.all():
            return ids.copy()
        classes, open_ = found.classes.copy(), small.copy()
        here, there, number = _borders(found.labels, small, self.connectivity)
        while open_.any():
            asks = open_[here] & ~open_[there]
            at = here[asks].astype(np.int64) * num_classes + classes[there[asks]]
            votes = np.bincount(at, number[asks], len(small) * num_classes)
            votes = votes.reshape(len(small), num_classes)
            heard = votes.any(1)
            classes[heard] = votes[heard].argmax(1)
            open_ &= ~heard
        return classes[found.labels]


def _borders(
    labels: np.ndarray, small: np.ndarray, connectivity: Connectivity
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Small regions, what each of them touches, and by how many pairs of pixels."""
    pairs = []
    for one, other in regions.neighbours(connectivity):
        a, b = labels[one].ravel(), labels[other].ravel()
        meet = (a != b) & (small[a] | small[b])
        pairs += [(a[meet], b[meet]), (b[meet], a[meet])]
    here, there = (np.concatenate(side) for side in zip(*pairs, strict=True))
    keys = here.astype(np.int64) * len(small) + there
    keys, number = np.unique(keys, return_counts=True)
    here, there = np.divmod(keys, len(small))
    return here[small[here]], there[small[here]], number[small[here]]


@dataclasses.dataclass(frozen=True)
class Holes(_Small):
    """Holes of at most `max_area` pixels in the regions of a class take that class.

    A hole is what hangs together, is not of the class and does not reach the border of
    the image. The classes are treated one after another, from the lowest up, each on
    what the one before has left.

    Doing it twice changes nothing more where there is one class.

    Attributes:
      max_area: pixels of the largest hole that is filled.
      connectivity: of the class's own pixels; those of a hole hang together by the
        other one, so that a ring closes what is in it.
      classes: whose holes are filled; None for the foreground of a binary task, and for
        those of all classes elsewhere.
    """

    max_area: int
    connectivity: Connectivity = 8
    classes: tuple[int, ...] | None = None

    def ids(self, ids: Ids, image: Image | None, num_classes: int) -> Ids:
        """The map with its holes filled."""
        del image
        every = (1,) if num_classes == 2 else tuple(range(num_classes))
        found = ids.copy()
        for k in sorted(set(self.classes or every)):
            _fill(found, k, self.max_area, 12 - self.connectivity)
        return found


def _fill(ids: np.ndarray, k: int, max_area: int, connectivity: Connectivity) -> None:
    """Fill the holes of one class, in place."""
    outside = regions.find((ids != k).astype(np.uint8), connectivity, (1,))
    fill = outside.areas <= max_area
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        reached = outside.labels[edge]
        fill[reached[reached >= 0]] = False
    fill = np.append(fill, False)  # for -1, the class itself
    ids[fill[outside.labels]] = k
