"""Which numbers the fields of the models may have, under one name in all of them."""

import dataclasses
from typing import Any

ONE = ("1 or more", lambda x: x >= 1)
ZERO = ("0 or more", lambda x: x >= 0)
ODD = ("1, 3, 5 ..", lambda x: x >= 1 and x % 2 == 1)
ABOVE_ZERO = ("above 0", lambda x: x > 0)
SHARE = ("0 up to, not including, 1", lambda x: 0 <= x < 1)

RANGES = {
    "backbone_width": ABOVE_ZERO,
    "bins": ONE,
    "blocks": ONE,
    "branch_features": ZERO,
    "coarse": ONE,
    "convolutions": ONE,
    "decoder_widths": ONE,
    "depth": ONE,
    "drop_path": SHARE,
    "dropout": SHARE,
    "dropouts": SHARE,
    "end_width": ONE,
    "fc_width": ZERO,
    "features": ONE,
    "first": ONE,
    "fusions": ZERO,
    "growth": ONE,
    "kernel": ODD,
    "layers": ONE,
    "low_features": ONE,
    "multi_grid": ONE,
    "num_outputs": ONE,
    "patch": ONE,
    "plain": ZERO,
    "rate": ONE,
    "rates": ONE,
    "stem": ONE,
    "steps": ONE,
    "units": ONE,
    "up_widths": ONE,
    "width": ONE,
    "widths": ONE,
}
"""Field -> what is allowed, in words and as a test; of a tuple, for each of its one or
more numbers. None always stands for a default."""


def range_problems(model: Any) -> list[str]:
    """The fields of a model, a dataclass, that are out of their ranges, as messages."""
    problems = []
    for field in (f.name for f in dataclasses.fields(model) if f.name in RANGES):
        value, (allowed, holds) = getattr(model, field), RANGES[field]
        if value is None or (value == () and field in model.may_be_empty):
            continue
        each = "each " if isinstance(value, tuple | list) else ""
        numbers = value if each else (value,)
        if not numbers or not all(map(holds, numbers)):
            problems.append(
                f"config.model.{field}={value}: {each}{allowed} is allowed."
            )
    return problems


def count_problems(model: Any, field: str, count: int, each: str) -> list[str]:
    """A message if a tuple has not `count` numbers; `each` says what they are for."""
    value = getattr(model, field)
    if len(value) == count:
        return []
    return [
        f"config.model.{field}={value}: {len(value)} numbers; {count} are needed, "
        f"{each}."
    ]
