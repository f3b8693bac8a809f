"""The points of a study, written as lists of changes to a base config.

A **sweep** is a list of points, a point a flat dict from a dotted field of the config
to its value. Combinators make large sweeps of small ones::

    product(seeds(3), arms({"ce": {"loss": {"cross_entropy": {}}}, ...}))

A field may be a whole section, `"model": dict(name="segnet")`: then nothing of the
base's section stays. `"arm"` is no field, but the name of the point in tables; points
of one arm differ in the seed alone. Plain Python, so that a config may import it.
"""

import importlib.util
import itertools
import pathlib
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from segjax.core.errors import UserError

ARM = "arm"
SEED = "seed"

Sweep = list[dict[str, Any]]
"""Points, in the order in which they are run."""


def product(*sweeps: Sequence[Mapping[str, Any]]) -> Sweep:
    """Every point of the first with every point of the next; the last moves fastest.

    Put `seeds` first: then every arm has run once before any runs twice, and a study
    can be given more seeds later.

    Raises:
      UserError: two sweeps set the same field.
    """
    return [_joined(points) for points in itertools.product(*sweeps)]


def grid(fields: Mapping[str, Sequence[Any]]) -> Sweep:
    """Every combination of the values: `grid({"model.width": (8, 16), ...})`."""
    return product(*([{name: v} for v in values] for name, values in fields.items()))


def zipped(*sweeps: Sequence[Mapping[str, Any]]) -> Sweep:
    """The first points of all sweeps as one point, the second ones, and so on.

    Raises:
      UserError: the sweeps are not equally long, or set the same field.
    """
    lengths = [len(points) for points in sweeps]
    if len(set(lengths)) > 1:
        raise UserError(
            f"zipped: has sweeps of {lengths} points; all must be equally long. Use "
            "product(...) for every combination."
        )
    return [_joined(points) for points in zip(*sweeps, strict=True)]


def chained(*sweeps: Sequence[Mapping[str, Any]]) -> Sweep:
    """The points of the first sweep, then those of the next."""
    return [dict(point) for points in sweeps for point in points]


def over(field: str, values: Sequence[Any]) -> Sweep:
    """A point a value of one field."""
    return [{field: value} for value in values]


def seeds(count: int, first: int = 0) -> Sweep:
    """`count` seeds from `first` up. Splits of the data have seeds of their own."""
    return over(SEED, range(first, first + count))


def arms(changes: Mapping[str, Mapping[str, Any]]) -> Sweep:
    """A named point each: name -> what it changes, `{}` for the base itself."""
    return [{ARM: name, **fields} for name, fields in changes.items()]


def sibling(file: str, path: str) -> ModuleType:
    """The config file at `path`, which is relative to the config file `file`.

    `sibling(__file__, "../streets_unet.py").get_config()` is a base to build on.

    Raises:
      UserError: there is no such file.
    """
    place = (pathlib.Path(file).parent / path).resolve()
    if not place.is_file():
        raise UserError(f"{file}: builds on {path}, which does not exist. Correct it.")
    spec = importlib.util.spec_from_file_location(place.stem, place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _joined(points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Several points as one; their names are joined by `_`."""
    found: dict[str, Any] = {}
    for point in points:
        for field, value in point.items():
            if field == ARM and ARM in found:
                value = f"{found[ARM]}_{value}"
            elif field in found:
                raise UserError(
                    f"sweep: {field} is set twice, to {found[field]!r} and to "
                    f"{value!r}; a point has one value a field. Remove one."
                )
            found[field] = value
    return found
