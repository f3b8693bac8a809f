"""The command line that the contests share: which networks, which sides, how long."""

import dataclasses
import time
from collections.abc import Mapping, Sequence

from absl import app, flags

from benchmarks import contest, sheet
from benchmarks.forms import FORMS
from segjax.core import heap
from segjax.core.errors import UserError, raise_problems
from segjax.core.tables import unknown

MODELS = flags.DEFINE_list("models", None, "Names of the preset; all if not given.")
PRESET = flags.DEFINE_enum("preset", "cpu", list(FORMS), "Sizes and networks.")
DTYPE = flags.DEFINE_enum(
    "dtype", None, ["float32", "bfloat16"], "Of the computation, in the form's place."
)
VS = flags.DEFINE_enum("vs", "torch", ["torch", "none"], "The other side.")
WAYS = flags.DEFINE_list("ways", None, "Of running PyTorch; the preset's if not given.")
ROUNDS = flags.DEFINE_integer("rounds", 7, "Turns of each side.", lower_bound=1)
SECONDS = flags.DEFINE_float("seconds", 2.0, "Of a turn; at least one call.")
BUDGET = flags.DEFINE_float("budget", None, "Seconds after which no network starts.")
DRY = flags.DEFINE_bool("dry_run", False, "Tiny forms and two rounds: does it run?")
OUT = flags.DEFINE_string("out", None, "JSON file for all figures.")

DRY_PACE = contest.Pace(rounds=2, seconds=0.0, side=64, mib=1)
PEAKS = {"cpu": dict(side=2048, mib=256), "gpu": dict(side=8192, mib=2048)}


def start(task: str, kinds: Sequence[str], ways: Mapping[str, Sequence[str]]) -> None:
    """Parse the flags, measure, print; a user's mistake ends in a line and code 2.

    Args:
      task: `Train` or `Predict`.
      kinds: of turns, a table each.
      ways: preset -> ways of running PyTorch.
    """

    def main(_: list[str]) -> int:
        try:
            results = measure(task, kinds, WAYS.value or ways[PRESET.value])
        except UserError as error:
            print(error)
            return 2
        print("\n".join(["", *map(sheet.notes, results)]))
        return 0

    heap.large_pages()  # as a run does; the other side's process gets them, too
    app.run(main)


def measure(task: str, kinds: Sequence[str], ways: Sequence[str]) -> list[dict]:
    """Contest after contest, printed as they end.

    Raises:
      UserError: a name is not known, or a contest cannot be trusted.
    """
    known = FORMS[PRESET.value]
    names = MODELS.value or list(known)
    raise_problems([unknown("model", n, known) for n in names if n not in known])
    pace = contest.Pace(ROUNDS.value, SECONDS.value, **PEAKS[PRESET.value])
    made = contest.sides(VS.value, ways, task)
    begin, results = time.monotonic(), []
    print(sheet.HEAD, flush=True)
    for name in names:
        if BUDGET.value and time.monotonic() - begin > BUDGET.value:
            print(f"| {name} | not measured: the budget is spent |", flush=True)
            continue
        form = known[name].dry() if DRY.value else known[name]
        if DTYPE.value:
            form = dataclasses.replace(form, dtype=DTYPE.value)
        result = contest.run(name, form, made, DRY_PACE if DRY.value else pace)
        results.append(result)
        for kind in kinds:
            print("\n".join(sheet.rows(result, kind)), flush=True)
        if OUT.value:
            sheet.write(OUT.value, results)
    return results
