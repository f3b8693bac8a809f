"""Run a run again from its record, for some steps, and say what is not as it was.

The second run goes in a temporary folder; the first is only read. Compared are the
first batches, the state at the start, every line of the log and the state at every
saved step; and, to explain a difference, code, versions, machine, settings, data and
config. The exit code is 0 if all numbers are equal and 1 if not; with --env, which runs
nothing, 0 if nothing that can move a number differs and 1 if something does.

examples:
  segjax replay runs/demo --steps 50
  segjax replay runs/camvid_unet --steps 100 --from 5250 --root /data/CamVid
  segjax replay runs/camvid_unet --env
"""

import argparse
from pathlib import Path
from typing import Any

from segjax.commands import answer

DIFFERENT = 1
"""The exit code of a replay that did not give the same numbers."""

STEPS = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `segjax replay`."""
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of the run")
    parser.add_argument(
        "--steps",
        metavar="N",
        type=answer.positive,
        default=STEPS,
        help=f"how many; default: {STEPS}, or as many as the run has",
    )
    parser.add_argument(
        "--from",
        dest="start",
        metavar="STEP",
        type=_step,
        default=0,
        help="begin at a checkpoint of the run; default: 0, the beginning",
    )
    parser.add_argument(
        "--root", metavar="DIR", help="where the data are, if not where they were"
    )
    parser.add_argument(
        "--env",
        action="store_true",
        help="run nothing: compare code, versions, machine, settings, data, config",
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, help="keep the second run in this new folder"
    )


def run(args: argparse.Namespace) -> int:
    """Run again or look round, compare, print; returns the exit code."""
    from segjax import replay

    if args.env:
        found = replay.surroundings(args.run, root=args.root)
        moving = [d for d in found.differences if not d.inert]
        code = DIFFERENT if moving else 0
        sentence = _environment_sentence(moving)
    else:
        found = replay.again(
            args.run,
            steps=args.steps,
            start=args.start,
            root=args.root,
            out=args.out,
        )
        code, sentence = (0 if found.equal else DIFFERENT), found.sentence
    words = [_table(found.differences), _compared(found, args.env), sentence]
    document = {
        "run": args.run,
        "run_id": found.run_id,
        "equal": None if args.env else found.equal,
        "verdict": sentence,
        "steps": None if args.env else [found.start, found.end],
        "first_difference": found.first and vars(found.first),
        "compared": {
            "batches": found.batches,
            "log_lines": found.lines,
            "states": found.states,
        },
        "differences": [vars(d) for d in found.differences],
        "not_recorded": found.unknown,
        "exit_code": code,
    }
    answer.give(args, "\n\n".join(filter(None, words)), document)
    return code


def _environment_sentence(moving: list[Any]) -> str:
    if not moving:
        return "nothing that can move a number differs"
    return f"what differs: {', '.join(d.what for d in moving)}"


def _compared(found: Any, env: bool) -> str:
    """How much the verdict rests on."""
    lines = []
    if not env:
        states = ", ".join(map(str, found.states)) or "none"
        lines.append(
            f"compared: {found.batches} first batches, {found.lines} lines of the log, "
            f"the state at steps {states}"
        )
    if found.unknown:
        lines.append(f"not recorded on one side: {', '.join(found.unknown)}")
    return "\n".join(lines)


def _table(differences: Any) -> str:
    """What differs in columns; what moves no number last and marked."""
    if not differences:
        return ""
    rows = [("", "then", "now")]
    for d in sorted(differences, key=lambda d: d.inert):
        name = f"({d.what})" if d.inert else d.what
        rows.append((name, _cut(d.then), _cut(d.now)))
    widths = [max(len(row[k]) for row in rows) for k in range(2)]
    lines = [f"{a:{widths[0]}}  {b:{widths[1]}}  {c}".rstrip() for a, b, c in rows]
    if any(d.inert for d in differences):
        lines.append("In brackets: moves no number.")
    return "\n".join(lines)


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _step(text: str) -> int:
    return 0 if text == "0" else answer.positive(text)
