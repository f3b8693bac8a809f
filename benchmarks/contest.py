"""One contest: the same form by every side, in turns, with all that is claimed of it.

The order is: each side starts and is made ready, alone; a refusal if the parameters
differ; the timed rounds; the peaks of memory; the machine's own peaks; and the numbers
of PyTorch's network in segjax's, whose logits must be equal.
"""

import contextlib
import dataclasses
import importlib.util
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import clock
from benchmarks.contestant import Contestant
from benchmarks.forms import Form
from segjax.core.errors import UserError, raise_problems

OURS = "segjax"
PARAMETERS = 1e-3
"""Largest relative difference of the numbers of parameters."""

LOGITS = 1e-3
"""Difference of logits in float32, over the largest; see `benchmarks.ours.differ`."""

SURROUNDINGS = {
    # several processes share a GPU: none may take all of its memory at the start
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    # a first call is one with everything to compile
    "JAX_ENABLE_COMPILATION_CACHE": "false",
    "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1",
}
"""Environment of the sides."""


@dataclasses.dataclass(frozen=True)
class Pace:
    """How long it is measured.

    Attributes:
      rounds: turns of each side.
      seconds: that a turn should take; it is at least one call.
      side: of the matrices whose product is the machine's peak.
      mib: of the array whose copy is.
    """

    rounds: int = 7
    seconds: float = 2.0
    side: int = 2048
    mib: int = 256


def sides(vs: str, ways: Sequence[str], task: str) -> dict[str, tuple[str, dict]]:
    """Name -> who makes its job, and the arguments beside the form.

    Args:
      vs: `torch`, or `none`.
      ways: of running PyTorch; see `benchmarks.rivals.side.MODES`.
      task: `Train` or `Predict`.

    Raises:
      UserError: PyTorch is asked for and not installed.
    """
    found = {OURS: (f"benchmarks.ours:{task}", {})}
    if vs == "torch":
        need_torch()
        for way in ways:
            found[f"torch {way}"] = f"benchmarks.rivals.side:{task}", {"way": way}
    return found


def need_torch() -> None:
    """Refuse to go on without PyTorch.

    Raises:
      UserError: it is not installed.
    """
    for package in ("torch", "torchvision"):
        if importlib.util.find_spec(package) is None:
            raise UserError(
                f"--vs=torch: {package} is not installed; install the "
                "requirements-oracles.txt, or give --vs=none."
            )


def run(
    name: str,
    form: Form,
    made: dict[str, tuple[str, dict]],
    pace: Pace,
    start: Callable = Contestant,
) -> dict:
    """Measure one form by all sides; returns plain data.

    Args:
      name: of the form, for messages and the table.
      form: what is measured.
      made: side -> who makes its job, and the arguments beside the form; see `sides`.
      pace: how long.
      start: `(maker, arguments) ->` a job in a `with`, called by a method's name.

    Raises:
      UserError: the sides are not of the same network, or a loss is not finite.
    """
    os.environ.update(SURROUNDINGS)
    with contextlib.ExitStack() as stack:
        jobs, rows = {}, {}
        for side, (maker, more) in made.items():
            job = stack.enter_context(start(maker, {"form": form, **more}))
            rows[side] = {"ready": job("ready"), **job("facts")}
            jobs[side] = job
        raise_problems(_parameters(name, rows))
        kinds = {}
        for kind in jobs[OURS]("kinds_of_turns"):
            kinds[kind] = _rounds(kind, jobs, pace)
        for side, job in jobs.items():
            rows[side] |= {"memory": job("memory"), "value": job("value")}
        peaks = [
            {side: job("peaks", pace.side, pace.mib) for side, job in jobs.items()}
            for _ in range(2)
        ]
        for side in jobs:
            rows[side]["peaks"] = {
                what: max(p[side][what] for p in peaks) for what in ("flops", "bytes")
            }
        for kind, flops in jobs[OURS]("flops").items():
            rows[OURS]["programs"][kind]["flops"] = flops
        counted, error = None, None
        if rivals := [side for side in jobs if side != OURS]:
            counted = jobs[rivals[0]]("flops")
            error = jobs[OURS]("agrees", *jobs[rivals[0]]("answer", _probe(form)))
    raise_problems(_sound(name, rows, error))
    return {
        "name": name,
        "form": dataclasses.asdict(form),
        "pace": dataclasses.asdict(pace),
        "sides": rows,
        "kinds": kinds,
        "peak": {
            what: max(row["peaks"][what] for row in rows.values())
            for what in ("flops", "bytes")
        },
        "torch_flops": counted,
        "logits_differ": error,
    }


def _rounds(kind: str, jobs: dict[str, Contestant], pace: Pace) -> dict[str, Any]:
    """The timed rounds of one kind of turn, and what they say."""
    # the second call, for the first may still warm up
    once = {
        s: [job("turn", kind, 1)[0] for _ in range(2)][-1] for s, job in jobs.items()
    }
    calls = {s: max(1, math.ceil(pace.seconds / t)) for s, t in once.items()}
    turns = {s: lambda j=j, n=calls[s]: j("turn", kind, n) for s, j in jobs.items()}
    taken = clock.alternate(turns, pace.rounds)
    rivals = {side: times for side, times in taken.items() if side != OURS}
    best = clock.fastest(rivals) if rivals else None
    return {
        "calls": calls,
        "rounds": taken,
        "seconds": {s: dataclasses.asdict(clock.pooled(t)) for s, t in taken.items()},
        "times_ours": {
            side: dataclasses.asdict(clock.ratios(times, taken[OURS]))
            for side, times in rivals.items()
        },
        "best_rival": best,
    }


def _probe(form: Form) -> tuple[int, ...]:
    """The shape of a few small images for the comparison of logits."""
    sides = (min(64, n) for n in form.size)
    return (5, *form.shape[1:-3], *sides, 3)


def _parameters(name: str, rows: dict[str, dict]) -> list[str]:
    """Sides whose number of parameters is not ours."""
    ours = rows[OURS]["parameters"]
    return [
        f"{name}: {side} has {row['parameters']:,} parameters and segjax {ours:,}; at "
        f"most {100 * PARAMETERS:g} % may lie between them. Correct the rival."
        for side, row in rows.items()
        if abs(row["parameters"] - ours) > PARAMETERS * ours
    ]


def _sound(name: str, rows: dict[str, dict], error: float | None) -> list[str]:
    """What forbids to trust the figures."""
    problems = [
        f"{name}: the last value of {side} is {row['value']}; only finite ones are "
        "measured. Find out why."
        for side, row in rows.items()
        if not math.isfinite(row["value"])
    ]
    if error is not None and not error < LOGITS:
        problems.append(
            f"{name}: with the same numbers the logits differ by {error:.1e} of the "
            f"largest; at most {LOGITS:g} is allowed. Correct the rival."
        )
    return problems
