"""What devices say to each other, read from the text of a compiled program.

    %all-reduce.7 = (f32[8]{0}, f32[3,3,4,8]{3,2,1,0}) all-reduce(%a, %b), ...

Counted are the bytes of the results: what a device holds afterwards. A ring of N
devices sends `2 (N - 1) / N` times as many for an all-reduce. What stands in a loop
counts as often as the loop runs.
"""

import dataclasses
import math
import re
from collections.abc import Iterable

KINDS = (
    *("all-reduce", "all-gather", "reduce-scatter", "all-to-all"),
    *("ragged-all-to-all", "collective-permute", "collective-broadcast"),
)

_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) .*\{$")
_COLLECTIVE = re.compile(rf" = (.+?) ({'|'.join(KINDS)})(?:-done)?\(")
_SHAPE = re.compile(r"\b(pred|[a-z]+\d+\w*)\[([\d,]*)\]")
_CALLED = re.compile(
    r"\b(?:body|condition|calls|to_apply|\w+_computation)=%?([\w.\-]+)"
)
_BRANCHES = re.compile(r"\bbranch_computations=\{([^}]*)\}")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


@dataclasses.dataclass(frozen=True)
class Collective:
    """One instruction.

    Attributes:
      kind: of `KINDS`.
      arrays: `(dtype, shape)` of each result.
      times: how often a step runs it.
    """

    kind: str
    arrays: tuple[tuple[str, tuple[int, ...]], ...]
    times: int

    @property
    def bytes(self) -> int:
        """Of all results, in all runs."""
        each = (_width(dtype) * math.prod(shape) for dtype, shape in self.arrays)
        return round(self.times * sum(each))


def read(text: str) -> list[Collective]:
    """The collectives of a program, in the order of its text.

    Args:
      text: of `compiled.as_text()`.

    Raises:
      ValueError: one stands in a loop whose length the text does not say.
    """
    entry, lines = _computations(text)
    times = dict.fromkeys(lines, 0)
    for name, runs in _runs(entry, lines, 1):
        times[name] += runs
    found = []
    for name, body in lines.items():
        for line in body:
            if not (match := _COLLECTIVE.search(line)):
                continue
            if math.isnan(times[name]):
                raise ValueError(f"a loop of unknown length has {line.strip()[:200]}")
            arrays = (
                (dtype, tuple(int(n) for n in sides.split(",") if n))
                for dtype, sides in _SHAPE.findall(match[1])
            )
            found.append(Collective(match[2], tuple(arrays), times[name]))
    return found


def _computations(text: str) -> tuple[str, dict[str, list[str]]]:
    """The name of the first computation, and name -> lines of all."""
    entry, here, lines = "", [], {}
    for line in text.splitlines():
        if match := _COMPUTATION.match(line):
            here = lines.setdefault(match[2], [])
            entry = match[2] if match[1] else entry
        else:
            here.append(line)
    return entry, lines


def _runs(name: str, lines: dict, times: float) -> Iterable[tuple[str, float]]:
    """`(computation, how often)` for each call, from `name` down."""
    yield name, times
    for line in lines.get(name, ()):
        inner = times
        if " while(" in line:
            trips = _TRIPS.search(line)
            inner = times * (int(trips[1]) if trips else math.nan)
        called = _CALLED.findall(line)
        for branches in _BRANCHES.findall(line):
            called += [n.strip().lstrip("%") for n in branches.split(",")]
        for callee in called:
            yield from _runs(callee, lines, inner)


def _width(dtype: str) -> float:
    """Bytes of a number."""
    return 1 if dtype == "pred" else int(re.search(r"\d+", dtype)[0]) / 8
