"""The points of a study as jobs of a SLURM array, through submitit.

A job runs its point in a process of its own. When its time runs out, the point is told
to save its state, and the job is queued again and goes on.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segjax.core.errors import EnvironmentFault, UserError, raise_problems
from segjax.core.tables import unknown
from segjax.study import claim, single
from segjax.study.folder import LOG, OVER, Study, ended, read

JOBS = "jobs"
POLL_S = 0.2
TIMES = 100
"""How often a job whose time is over is queued again."""

OPTIONS = {
    "account": ("slurm_account", str),
    "constraint": ("slurm_constraint", str),
    "cpus": ("cpus_per_task", int),
    "gb": ("mem_gb", int),
    "gpus": ("gpus_per_node", int),
    "minutes": ("timeout_min", int),
    "partition": ("slurm_partition", str),
    "qos": ("slurm_qos", str),
}
"""Word of `--slurm=WORD=VALUE,...` -> what submitit calls it, and its type."""


def run(
    study: Study, options: Sequence[str], *, jobs: int, cluster: str = "slurm"
) -> list[str]:
    """Submit each point that is not over as a job of one array; returns their numbers.

    Args:
      study: its `study.json` is written.
      options: `WORD=VALUE` each; the words are those of `OPTIONS`.
      jobs: how many may run at a time.
      cluster: of submitit; `local` runs them on this machine.

    Raises:
      UserError: an option is wrong, or there is no SLURM.
    """
    parameters = _parameters(options)
    if cluster == "slurm" and not shutil.which("sbatch"):
        raise UserError(
            "--executor=slurm: there is no sbatch; jobs are submitted on a login node "
            "of a cluster. Use --executor=print or local elsewhere."
        )
    import submitit

    points = [p for p in study.points if ended(study.place(p)) not in OVER]
    if not points:
        return []
    home = study.folder.resolve()
    executor = submitit.AutoExecutor(
        folder=home / JOBS, cluster=cluster, slurm_max_num_timeout=TIMES
    )
    path = shlex.quote(single.environment()["PYTHONPATH"])
    executor.update_parameters(
        name=study.name,
        slurm_array_parallelism=jobs,
        slurm_setup=[f"export PYTHONPATH={path}"],
        **parameters,
    )
    with executor.batch():  # one array, whose jobs are known when the block has ended
        found = [executor.submit(Task(str(home), point.index)) for point in points]
    return [job.job_id for job in found]


class Task:
    """One point as a job; submitit keeps it in a file until the job starts.

    Args:
      folder: of the study.
      index: of the point.
    """

    def __init__(self, folder: str, index: int):
        self.folder, self.index = folder, index
        self.process: subprocess.Popen | None = None

    def __call__(self) -> str:
        """Run the point to its end; returns how it ended.

        Raises:
          EnvironmentFault: the point failed; so has the job.
        """
        study = read(Path(self.folder))
        place = study.place(study.points[self.index])
        place.mkdir(parents=True, exist_ok=True)
        for _ in range(2):  # trouble of the machine is worth a second try
            with open(place / LOG, "ab") as log:
                self.process = subprocess.Popen(
                    single.command(study.folder, self.index),
                    env=single.environment(),
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            code = self._wait()
            if not single.is_trouble(code) or claim.is_held(place):
                break
        if ended(place) in OVER or claim.is_held(place):
            return ended(place)
        raise EnvironmentFault(f"{place}: ended with {code}. See {place / LOG}.")

    def checkpoint(self) -> Any:
        """The time of the job runs out: save the state, and be queued again."""
        import submitit

        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            # Not `_wait`: this is called from a signal handler, and the `poll` that it
            # may have interrupted holds a lock.
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
        return submitit.helpers.DelayedSubmission(Task(self.folder, self.index))

    def _wait(self) -> int:
        # Not `wait`: a signal may reach another thread, which does not wake this one.
        while self.process.poll() is None:
            time.sleep(POLL_S)
        return self.process.returncode


def _parameters(options: Sequence[str]) -> dict[str, Any]:
    found, problems = {}, []
    for option in options:
        word, _, value = option.partition("=")
        if word not in OPTIONS:
            problems.append(unknown("option", word, OPTIONS, f"--slurm={option}"))
            continue
        name, kind = OPTIONS[word]
        if kind is int and not value.isdecimal():
            problems.append(f"--slurm={option}: must be a whole number.")
        elif not value:
            problems.append(f"--slurm={option}: has no value; write {word}=VALUE.")
        else:
            found[name] = kind(value)
    raise_problems(problems)
    return found
