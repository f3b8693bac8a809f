"""How a question is answered: jobs in processes of their own, called in turns."""

import contextlib
import dataclasses
import functools
import itertools
import os
import pathlib
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence

from benchmarks import clock, contest
from benchmarks.contestant import Contestant
from benchmarks.forms import Form

FIRST_FULL = "first start, full audit"
FIRST_MASKS = "first start, audit of masks"
SECOND = "second start"
BATCH = "first batch alone"

LOSS_BYTES = 4 * 64
"""Room for the sums of loss terms, the norm and the flag of a step."""


@dataclasses.dataclass(frozen=True)
class Pace:
    """How long it is measured.

    Attributes:
      rounds: turns of each value.
      seconds: that a turn of steps should take; it is at least one step.
    """

    rounds: int = 7
    seconds: float = 0.3


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came out.

    Attributes:
      found: name of a series -> for each value what was measured, once a round, or
        once if it is counted; empty where there is nothing to measure.
      checks: `(statement, whether it holds)`.
      notes: sentences for the reader.
    """

    found: Mapping[str, Sequence[Sequence[float]]]
    checks: Sequence[tuple[str, bool]] = ()
    notes: Sequence[str] = ()


def steps(
    made: Mapping[str, Mapping[int, Form]], pace: Pace, count: bool = True
) -> Answer:
    """Train steps of several variants, in turns, in one process.

    Args:
      made: the variant's name, put before those of its series -> value -> form.
      pace: how long.
      count: whether operations are wanted.
    """
    forms = {(name, n): form for name, row in made.items() for n, form in row.items()}
    with _surroundings(), Contestant("benchmarks.growth.steps:Steps", {}) as job:
        facts = {key: job("prepare", key, form, count) for key, form in forms.items()}
        rounds = job("measure", pace.rounds, pace.seconds)
    taken = {key: list(itertools.chain(*times)) for key, times in rounds.items()}
    found, notes = {}, []
    for name, row in made.items():
        found[f"{name}step"] = [taken[name, n] for n in row]
        for what in ("memory", "operations")[: 1 + count]:
            found[name + what] = [[facts[name, n][what]] for n in row]
        rates = (
            f"{form.batch / statistics.median(taken[name, n]):.1f} at {n:,}"
            for n, form in row.items()
        )
        unit = "clips" if any(f.frames > 1 for f in row.values()) else "images"
        notes.append(f"{name}{unit}/s: {', '.join(rates)}.")
    return Answer(found, notes=notes)


def devices(form: Form, counts: Sequence[int]) -> Answer:
    """What a step is compiled to for so many devices, at its size and at half of it."""
    half = dataclasses.replace(form, size=tuple(n // 2 for n in form.size))
    whole, small = [], []
    for count in counts:
        flags = f"--xla_force_host_platform_device_count={count}"
        job = Contestant
        with (
            _surroundings(XLA_FLAGS=f"{os.environ.get('XLA_FLAGS', '')} {flags}"),
            job("benchmarks.growth.devices:Split", {"count": count}) as split,
        ):
            whole.append(split("facts", form))
            small.append(split("facts", half))
    found = {
        "operations a device": [[row["operations"]] for row in whole],
        "memory a device": [[row["memory"]] for row in whole],
        "bytes in collectives": [
            [row["bytes"]] if row["bytes"] else [] for row in whole
        ],
    }
    return Answer(found, *_sound(form, counts, whole, small))


def _sound(form, counts, whole, small) -> tuple[list[tuple[str, bool]], list[str]]:
    """Checks of what devices say to each other, and what it is."""
    last, first = whole[-1], whole[0]
    P, S, K = last["parameters"], last["statistics"], form.classes
    allowed = 4 * (P + 3 * S + K * K) + LOSS_BYTES
    shares = [n * row["operations"] / first["operations"] for n, row in
              zip(counts, whole, strict=True)]  # fmt: skip
    sides = [f"{n}x{m}" for n, m in (form.size, (form.size[0] // 2,) * 2)]
    checks = [
        (
            f"as many bytes in collectives at {sides[0]} as at {sides[1]}",
            all(a["bytes"] == b["bytes"] for a, b in zip(whole, small, strict=True)),
        ),
        (
            f"at most 4 bytes a parameter, 12 a running statistic and the confusion "
            f"matrix: {last['bytes']:,} of {allowed:,} allowed",
            last["bytes"] <= allowed,
        ),
        (
            f"the devices together do what one does: "
            f"{', '.join(f'{share:.3f}' for share in shares)} times",
            max(shares) < 1.1 and min(shares) > 0.9,
        ),
    ]
    kinds = ", ".join(f"{n} {kind}" for kind, n in last["kinds"].items())
    notes = [
        f"{P:,} parameters, {S:,} running statistics; {kinds or 'no collectives'} at "
        f"{counts[-1]} devices, {last['bytes'] / P:.2f} bytes a parameter, "
        f"{last['looped']:,} bytes of them in loops."
    ]
    return checks, notes


def starts(values: Sequence[int], pace: Pace) -> Answer:
    """From a folder on disk to the first batch, each time in a new process."""
    from benchmarks.growth.starts import draw
    from segjax.data.audit.start import LARGEST

    found = {name: {n: [] for n in values} for name in
             (FIRST_FULL, FIRST_MASKS, SECOND, BATCH)}  # fmt: skip
    parts: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        roots = draw(place / "drawn", values)

        def start(n: int, turn: list[int]) -> list[float]:
            turn.append(n)
            cache = place / f"cache{n}-{len(turn)}"
            first = functools.partial(_start, roots[n])
            if n <= LARGEST:
                found[FIRST_FULL][n].append(first(cache / "full", "full")["all"])
            found[FIRST_MASKS][n].append(first(cache / "masks", "masks")["all"])
            again = first(cache / "masks", "masks")
            found[SECOND][n].append(again["all"])
            found[BATCH][n].append(again["first batch"])
            if n == max(values):
                for what, seconds in again.items():
                    parts.setdefault(what, []).append(seconds)
            return [again["all"]]

        _start(roots[min(values)], place / "unused", "full")  # the disk warms up
        turns = {str(n): functools.partial(start, n, []) for n in values}
        clock.alternate(turns, min(3, pace.rounds))
    of = (f"{what} {statistics.median(seconds):.2f}" for what, seconds in parts.items())
    notes = [
        f"The second start with {max(values):,} examples, in s: {', '.join(of)}. "
        "Importing is left out.",
        f"Above {LARGEST:,} examples a run audits masks alone.",
    ]
    rows = {name: list(row.values()) for name, row in found.items()}
    return Answer({name: row for name, row in rows.items() if any(row)}, notes=notes)


def _start(root: str, cache: pathlib.Path, depth: str) -> dict[str, float]:
    maker = "benchmarks.growth.starts:Start"
    with Contestant(maker, {"root": root, "cache": str(cache)}) as job:
        return job("seconds", depth)


@contextlib.contextmanager
def _surroundings(**more: str) -> Iterator[None]:
    """The environment of a child: a CPU, nothing compiled before."""
    wanted = {"JAX_PLATFORMS": "cpu", **contest.SURROUNDINGS, **more}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
