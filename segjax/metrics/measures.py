"""The table of measures, and the string that names some of them.

`"probabilities(bins=256) | boundary(2) | surface()"` asks for three. A measure sees
what was predicted by whatever protocol, in the same pass over the images as the
confusion counts.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from segjax.core import opstring
from segjax.core.errors import UserError
from segjax.core.tables import Table
from segjax.metrics import per_class
from segjax.metrics.boundary import Boundary
from segjax.metrics.measure import Measure, Result
from segjax.metrics.probabilities import Probabilities
from segjax.metrics.surface import Surface
from segjax.metrics.temporal import Temporal

MEASURES = Table(
    "measure",
    {
        "boundary": Boundary,
        "probabilities": Probabilities,
        "surface": Surface,
        "temporal": Temporal,
    },
)

_NAMES = {entry: name for name, entry in MEASURES.items()}
_COUNTED = ("edge_missed", "edge_invented")


def parse(text: str, where: str = "measures") -> dict[str, Measure]:
    """The measures that a string names, by name.

    Raises:
      UserError: with every problem in the string.
    """
    found = opstring.parse(text, MEASURES, where)
    names = [_NAMES[type(measure)] for measure in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(
            f"{where}={text!r}: names {', '.join(twice)} twice; each gives one result. "
            "Evaluate again for the other settings."
        )
    return dict(zip(names, found, strict=True))


def words(name: str, measure: Measure) -> str:
    """A measure as it would be written: `boundary(tolerance=2, width=0.02)`."""
    settings = dataclasses.asdict(measure)
    return f"{name}({', '.join(f'{k}={v!r}' for k, v in settings.items())})"


def tables(
    measures: Mapping[str, Measure],
    results: Mapping[str, Result],
    class_names: Sequence[str],
) -> list[str]:
    """A `table` of each measure."""
    return [
        table(words(name, measures[name]), result, class_names)
        for name, result in results.items()
    ]


def table(
    measure: str, result: Result, class_names: Sequence[str], width: int = 6
) -> str:
    """A measure's numbers as text: the whole in a line, the classes below.

    Args:
      measure: what it is called.
      result: its numbers.
      class_names: `K` names.
      width: columns of classes in one block.
    """
    lines = [measure, f"  {_line(result.summary)}"]
    columns = list(result.classes.items())
    for first in range(0, len(columns), width):
        block = dict(columns[first : first + width])
        rows = [["class", *(name.replace("_", " ") for name in block)]]
        for k, name in enumerate(class_names):
            rows.append([name, *(_number(c, v[k]) for c, v in block.items())])
        lines += [f"  {line}" for line in per_class.align(rows)]
    return "\n".join(lines + [f"  {note}" for note in result.notes])


def _line(summary: Mapping[str, float]) -> str:
    return "  ".join(
        f"{name.replace('_', ' ')} {_number(name, value)}"
        for name, value in summary.items()
    )


def _number(name: str, value: float | np.number) -> str:
    if np.isnan(value):
        return "-"
    return f"{value:.0f}" if name in _COUNTED else f"{value:.4f}"
