"""What `launch.py` does with a config that has sweeps."""

import importlib.util
import inspect
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from ml_collections import ConfigDict

from segjax.core.errors import UserError, raise_problems
from segjax.core.tables import unknown
from segjax.report.files import plain
from segjax.study import folder, local, points, preview, single, submit, table
from segjax.study.folder import OVER, Study
from segjax.study.sweep import Sweep

PREFIX = "get_sweep"
ARRAY = "SLURM_ARRAY_TASK_ID"
EXECUTORS = ("local", "print", "slurm")


def start(
    settings: ConfigDict,
    *,
    file: str,
    sweep: str = "",
    workdir: str | None = None,
    index: str | None = None,
    dry_run: bool = False,
    predict: bool = True,
    executor: str = "local",
    jobs: int = 1,
    slurm: Sequence[str] = (),
    overridden: Mapping[str, Any] | None = None,
    argv: Sequence[str] = (),
) -> int:
    """Run a sweep, or one point of it, or say what it would run.

    Args:
      settings: the base config, with the overrides of the command line.
      file: the config file, with `:variant` behind it where one was asked for.
      sweep: NAME of its function `get_sweep_NAME`; empty for `get_sweep`.
      workdir: folder of the study; by default `runs/` and the names of config, variant
        and sweep.
      index: of the one point to run here; `slurm` for that of an array job.
      dry_run: check all configs and print the points; nothing is written.
      predict: in a dry run, the time and the memory of each arm, too.
      executor: a name of `EXECUTORS`.
      jobs: points at a time.
      slurm: what a job asks of the cluster; see `submit.OPTIONS`.
      overridden: fields that the command line has set.
      argv: the command line.

    Returns:
      The exit code: see `local.run` and `single.run`.

    Raises:
      UserError: with all problems of all points, or the folder is of another study.
    """
    if executor not in EXECUTORS:
        name = f"--executor={executor}"
        raise UserError(unknown("executor", executor, EXECUTORS, name))
    if jobs < 1:
        raise UserError(f"--jobs={jobs}: must be 1 or more.")
    study = _study(settings, file, sweep, workdir, overridden or {})
    if dry_run:
        folder.refuse_other(study)
        print(preview.show(study, predict=predict))
        return 0
    at = None if index is None else _index(index)
    folder.write(study)
    if at is not None:
        return single.run(study.folder, at, argv)
    if executor == "print":
        print(commands(study))
        return 0
    if executor == "slurm":
        numbers = submit.run(study, slurm, jobs=jobs)
        what = f"jobs {', '.join(numbers)}" if numbers else "nothing is left to do"
        print(f"{study.folder}: {what}. To see how it stands: --sweep --dry_run")
        return 0
    code = local.run(study, jobs=jobs)
    print(table.results(study))
    print(_advice(study))
    return code


def load(file: str, name: str, variant: str = "") -> Sweep:
    """The points that the sweep `name` of a config file returns.

    `get_sweep(arg)` may take what stands behind the colon of `--config=FILE:arg`.

    Raises:
      UserError: the file has no such sweep.
    """
    known = {
        word.removeprefix(PREFIX).removeprefix("_"): function
        for word, function in vars(module(file)).items()
        if word.startswith(PREFIX) and callable(function)
    }
    if name not in known:
        if not known:
            raise UserError(
                f"--sweep: {file} has no sweep; it needs a function {PREFIX}() that "
                "returns a list of points. See segjax/study/sweep.py."
            )
        names = [word for word in known if word]
        also = (
            " Without a name, --sweep is the file's usual one." if "" in known else ""
        )
        raise UserError(unknown("sweep", name, names, f"--sweep={name}") + also)
    function = known[name]
    return function(variant) if inspect.signature(function).parameters else function()


def module(file: str) -> ModuleType:
    """A config file as a module."""
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def commands(study: Study) -> str:
    """A shell command for each point that is not over, one a line."""
    return "\n".join(
        shlex.join(["python", *single.command(study.folder, point.index)[1:]])
        for point in study.points
        if folder.ended(study.place(point)) not in OVER
    )


def _study(
    settings: ConfigDict,
    file: str,
    sweep: str,
    workdir: str | None,
    overridden: Mapping[str, Any],
) -> Study:
    path, _, variant = file.partition(":")
    base = settings.to_dict() if hasattr(settings, "to_dict") else dict(settings)
    found = load(path, sweep, variant)
    raise_problems(_lost(found, overridden))
    name = "_".join(filter(None, [Path(path).stem, variant, sweep]))
    return Study(
        folder=Path(workdir or Path("runs") / name),
        name=name,
        question=_question(module(path)),
        config=file,
        base=plain(base),
        points=points.make(found, base),
    )


def _question(config: ModuleType) -> str:
    """The first paragraph of a config's docstring, in one line."""
    return " ".join((config.__doc__ or "").strip().split("\n\n")[0].split())


def _lost(found: Sweep, overridden: Mapping[str, Any]) -> list[str]:
    """Overrides of the command line that the sweep would undo without a word."""
    swept = {field for point in found for field in point}
    return [
        f"--config.{field}: the sweep sets {by}, so it would be lost. Remove the flag "
        "or change the sweep."
        for field in overridden
        for by in sorted(swept)
        if f"{field}.".startswith(f"{by}.") or f"{by}.".startswith(f"{field}.")
    ]


def _index(text: str) -> int:
    if text == "slurm":
        if ARRAY not in os.environ:
            raise UserError(
                f"--index=slurm: {ARRAY} is not set; this is no job of an array. Use "
                "sbatch --array=0-8, or give a number."
            )
        text = os.environ[ARRAY]
    if not text.isdecimal():
        raise UserError(f"--index={text}: is no number of a point. Use 0, 1, ...")
    return int(text)


def _advice(study: Study) -> str:
    states = [folder.ended(study.place(point)) for point in study.points]
    if all(state in OVER for state in states):
        return f"\nTo compare: segjax compare {study.folder}"
    again = " ".join(sys.argv)
    return f"\nNot all points are over; to go on: python {again}"
