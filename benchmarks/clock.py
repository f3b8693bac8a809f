"""Taking turns, and what a series of times says.

Contestants run alternately, round by round, and every second round in the opposite
order, so that a slow spell of the machine, or a drift, falls on all alike. Two of them
are compared round by round, where they met the same machine.
"""

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class Spread:
    """Of some numbers: the middle, the quartiles, the ends and how many they are."""

    median: float
    low: float
    high: float
    least: float
    most: float
    p90: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Quartiles and 90 per cent are interpolated between neighbours."""
        ordered = sorted(values)
        return cls(
            median=statistics.median(ordered),
            low=quantile(ordered, 0.25),
            high=quantile(ordered, 0.75),
            least=ordered[0],
            most=ordered[-1],
            p90=quantile(ordered, 0.9),
            count=len(ordered),
        )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the ordered numbers lies, interpolated."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = math.ceil(place)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def alternate(
    turns: Mapping[str, Callable[[], Sequence[float]]], rounds: int
) -> dict[str, list[list[float]]]:
    """Call every turn once a round; contestant -> its seconds, one list a round."""
    names = list(turns)
    taken: dict[str, list[list[float]]] = {name: [] for name in names}
    for i in range(rounds):
        for name in names if i % 2 == 0 else reversed(names):
            taken[name].append(list(turns[name]()))
    return taken


def pooled(rounds: Iterable[Sequence[float]]) -> Spread:
    """The spread of all times, whatever the round."""
    return Spread.of(seconds for times in rounds for seconds in times)


def ratios(
    theirs: Sequence[Sequence[float]], ours: Sequence[Sequence[float]]
) -> Spread:
    """How many times longer theirs takes than ours, from medians of paired rounds."""
    pairs = zip(theirs, ours, strict=True)
    return Spread.of(statistics.median(a) / statistics.median(b) for a, b in pairs)


def fastest(taken: Mapping[str, Sequence[Sequence[float]]]) -> str:
    """The contestant with the least median."""
    return min(taken, key=lambda name: pooled(taken[name]).median)
