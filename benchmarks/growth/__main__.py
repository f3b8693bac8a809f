"""How the cost of work grows: with the image, batch, devices, clip, data and classes.

    python -m benchmarks.growth --out=runs/growth
    python -m benchmarks.growth --only=size,batch --model=segnet
    python -m benchmarks.growth --dry_run

Prints a table a question: the points, their slope on logarithmic axes by least squares,
and the slope that is expected. Below --out are `growth.json` with every round,
`growth.png` with all panels, and a PNG a question. Each question runs in processes of
its own; one that fails is said, and does not stop the others. The exit code is 1 where
one failed, or where a slope is not as expected.
"""

import os
import pathlib
import platform
import sys
import time
from importlib import metadata

from absl import app, flags

from benchmarks import alive
from benchmarks.contestant import Fault
from benchmarks.growth import answers, results
from benchmarks.growth.questions import QUESTIONS
from segjax.core.errors import SegjaxError, UserError, raise_problems
from segjax.core.tables import unknown
from segjax.report.files import write_json

ONLY = flags.DEFINE_list("only", None, "Questions; all if not given.")
MODEL = flags.DEFINE_string("model", "unet", "Of all questions but clip and data.")
ROUNDS = flags.DEFINE_integer("rounds", 7, "Turns of each value.", lower_bound=1)
SECONDS = flags.DEFINE_float("seconds", 0.3, "Of a turn; at least one step.")
DRY = flags.DEFINE_bool("dry_run", False, "Few values, one round: does it run?")
OUT = flags.DEFINE_string("out", None, "Folder for JSON and pictures.")


def main(_: list[str]) -> int:
    """Ask the questions one behind the other; returns the exit code."""
    names = ONLY.value or list(QUESTIONS)
    asked = [("question", n, QUESTIONS) for n in names]
    asked.append(("model", MODEL.value, alive.FORMS))
    try:
        raise_problems([unknown(*one) for one in asked if one[1] not in one[2]])
    except UserError as error:
        print(error)
        return 2
    pace = answers.Pace(ROUNDS.value, SECONDS.value)
    if DRY.value:
        pace = answers.Pace(rounds=1, seconds=0.0)
    found, failed = [], []
    for name in names:
        question, begin = QUESTIONS[name], time.monotonic()
        values = question.few if DRY.value else question.values
        try:
            answer = question.answer(values, MODEL.value, pace)
        except (Fault, SegjaxError) as error:
            failed.append(name)
            print(f"### {question.title}\n\nnot measured: {error}\n", flush=True)
            continue
        result = results.conclude(name, question, values, answer)
        result["seconds"] = round(time.monotonic() - begin, 1)
        found.append(result)
        print(f"{results.markdown(result)}\n", flush=True)
        if OUT.value:
            write(pathlib.Path(OUT.value), found)
    wrong = [result["name"] for result in found if not results.sound(result)]
    for what, which in (("failed", failed), ("not as expected", wrong)):
        if which:
            print(f"{what}: {', '.join(which)}")
    return 1 if failed or wrong else 0


def write(folder: pathlib.Path, found: list[dict]) -> None:
    """All that is known so far, below `folder`."""
    from benchmarks.growth import picture  # not needed by the processes that measure

    about = {
        "model": MODEL.value,
        "machine": {"platform": platform.platform(), "cores": os.cpu_count()},
        "versions": {name: metadata.version(name) for name in ("jax", "jaxlib")},
        "python": sys.version.split()[0],
        "dry_run": DRY.value,
    }
    write_json(folder / "growth.json", {**about, "questions": found})
    for result in found:
        picture.draw([result], folder / f"{result['name']}.png")
    picture.draw(found, folder / "growth.png")


if __name__ == "__main__":
    app.run(main)
