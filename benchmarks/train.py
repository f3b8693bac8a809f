"""The train step beside PyTorch's: same network, batch, precision and optimiser.

    python -m benchmarks.train --models=unet,segnet,deeplab,convlstm_unet --vs=torch
    python -m benchmarks.train --preset=gpu --out=train.json
    python -m benchmarks.train --dry_run --vs=none

Each network is trained on one made-up batch that lies on the device as uint8: pixels
are normalised, cross-entropy leaves ignored pixels out, the gradient is clipped, AdamW
updates. See README.md beside this file for how to read the table.
"""

import time

from absl import app, flags

from benchmarks import contest, sheet
from benchmarks.forms import FORMS

MODELS = flags.DEFINE_list("models", None, "Names of the preset; all if not given.")
PRESET = flags.DEFINE_enum("preset", "cpu", list(FORMS), "Sizes and networks.")
VS = flags.DEFINE_enum("vs", "torch", ["torch", "none"], "The other side.")
WAYS = flags.DEFINE_list("ways", ["eager", "compiled"], "Of running PyTorch.")
ROUNDS = flags.DEFINE_integer("rounds", 7, "Turns of each side.", lower_bound=1)
SECONDS = flags.DEFINE_float("seconds", 2.0, "Of a turn; at least one step.")
BUDGET = flags.DEFINE_float("budget", None, "Seconds after which no network starts.")
DRY = flags.DEFINE_bool("dry_run", False, "Tiny forms and two rounds: does it run?")
OUT = flags.DEFINE_string("out", None, "JSON file for all figures.")


def main(_: list[str]) -> None:
    """Measure and print."""
    known = FORMS[PRESET.value]
    pace = contest.Pace(rounds=ROUNDS.value, seconds=SECONDS.value)
    if PRESET.value == "gpu":
        pace = contest.Pace(ROUNDS.value, SECONDS.value, side=8192, mib=2048)
    if DRY.value:
        pace = contest.Pace(rounds=2, seconds=0.0, side=64, mib=1)
    begin, results = time.monotonic(), []
    made = contest.sides(VS.value, WAYS.value, "Train")
    print(sheet.HEAD, flush=True)
    for name in MODELS.value or known:
        if BUDGET.value and time.monotonic() - begin > BUDGET.value:
            print(f"| {name} | not measured: the budget is spent |", flush=True)
            continue
        form = known[name].dry() if DRY.value else known[name]
        result = contest.run(name, form, made, pace)
        results.append(result)
        print("\n".join(sheet.rows(result, "step")), flush=True)
        if OUT.value:
            sheet.write(OUT.value, results)
    print()
    for result in results:
        print(sheet.notes(result, "step"))


if __name__ == "__main__":
    app.run(main)
