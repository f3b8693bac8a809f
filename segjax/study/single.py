"""One point of a study, run in this process."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from absl import logging

from segjax.core.errors import EnvironmentFault, SegjaxError, UserError
from segjax.study import claim
from segjax.study import folder as folders


def run(folder: Path, index: int, argv: Sequence[str]) -> int:
    """Run point `index` of the study in `folder` to its end; returns the exit code.

    A point that is over is left as it is; one that was stopped or killed goes on. One
    that trains as a finished one takes over its training, see `shared`.

    Args:
      folder: of the study.
      index: of the point, from 0.
      argv: the command line, for the record of the run.

    Raises:
      UserError: there is no such study or point.
      EnvironmentFault: another process runs the point.
      SegjaxError: as `run.train` does.
    """
    study = folders.read(folder)
    if not 0 <= index < len(study.points):
        raise UserError(
            f"--index={index}: {study.name} has the points 0 to "
            f"{len(study.points) - 1}. Name one of these."
        )
    point = study.points[index]
    place = study.place(point)
    with claim.hold(place):  # before JAX: who comes too late is sent away at once
        from segjax import run as runs
        from segjax.study import points, shared

        state = folders.ended(place)
        if state in folders.OVER:
            print(f"point {index}, {point}: {state}; nothing to do.")
            return 0
        facts = shared.take_over(study, point)
        if facts:
            trained = facts["taken_over"]["folder"]
            print(f"point {index}, {point}: takes over what {trained} has trained.")
        return runs.train(
            points.settings(study.base, point),
            workdir=place,
            cluster=(None, None, None),
            argv=list(argv),
            validation=shared.validation(study, point),
            facts=facts,
        )


def command(folder: Path, index: int) -> list[str]:
    """The command line that runs a point in a process of its own."""
    return [sys.executable, "-m", "segjax.study", str(folder), str(index)]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of such a process: this one's, and where segjax lies."""
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **(more or {})}


def is_trouble(code: int) -> bool:
    """Whether such a process ended by trouble of the machine or was killed.

    Then it is worth another try. One that was asked to stop is left.
    """
    asked = (-signal.SIGINT, -signal.SIGTERM)
    return code == EnvironmentFault.exit_code or (code < 0 and code not in asked)


def main(argv: Sequence[str]) -> int:
    """`python -m segjax.study FOLDER INDEX`; returns the exit code."""
    # SLURM sends the signal of a job whose time runs out to all of its processes. It is
    # for the one that started this one, which then sends SIGTERM.
    for signum in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(signum, signal.SIG_IGN)
    logging.set_verbosity(logging.WARNING)  # orbax tells every file at INFO
    try:
        if len(argv) != 3 or not argv[2].isdecimal():
            raise UserError("segjax.study: give FOLDER INDEX, the number of a point.")
        return run(Path(argv[1]), int(argv[2]), argv)
    except SegjaxError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted before training began", file=sys.stderr)
        return 130
