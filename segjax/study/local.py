"""All points of a study on this machine, a process each, some at a time.

A crash of one does not end the others. Several sweeps may work in one study: each
takes points that nobody runs, and the last one waits for what runs elsewhere.
"""

import contextlib
import dataclasses
import os
import signal
import subprocess
import time
from collections.abc import Iterator

from segjax.core.errors import UserError
from segjax.study import claim, shared, single
from segjax.study.folder import LOG, OVER, Point, Study, ended
from segjax.study.progress import Progress

POLL_S = 0.5
AGAIN = 75
STOPS = {130: 130, 143: 143, -signal.SIGINT: 130, -signal.SIGTERM: 143}
"""How a process ends that was asked to end -> exit code of the sweep."""


@dataclasses.dataclass
class _Job:
    """A process that runs a point; `slot` says which devices are its own."""

    point: Point
    process: subprocess.Popen
    slot: int


def run(study: Study, *, jobs: int = 1) -> int:
    """Run every point that is not over; returns the exit code of the sweep.

    Args:
      study: its `study.json` is written.
      jobs: processes at a time. Where `CUDA_VISIBLE_DEVICES` lists devices, they are
        dealt out evenly; else the processes share all that there is.

    Returns:
      0 if every point is over (finished or diverged); 1 if some failed; 130 or 143 if
      the sweep, or one of its points, was told to stop.

    Raises:
      UserError: the devices cannot be dealt out to so many jobs.
    """
    devices = _devices(jobs)
    sweep = _Sweep(study, devices)
    with _caught() as came:
        try:
            return sweep.run(came)
        finally:
            sweep.end(came[0] if came else signal.SIGTERM)


class _Sweep:
    """Which points are to be run, run here, and given up here."""

    def __init__(self, study: Study, devices: list[dict[str, str]]):
        self.study, self.devices = study, devices
        self.running: list[_Job] = []
        self.starts: dict[int, int] = {}
        self.failed: set[int] = set()
        self.progress = Progress(study, jobs=len(devices))

    def run(self, came: list[int]) -> int:
        """Until all points are over, given up, or the sweep is stopped."""
        while not came:
            for job in [j for j in self.running if j.process.poll() is not None]:
                self.running.remove(job)
                code = job.process.returncode
                if code in STOPS:
                    return STOPS[code]
                self._ended(job.point, code)
            left = self._left()
            if not left and not self.running:
                return 1 if self.failed else 0
            free = [p for p in left if self._is_free(p)]
            if free and len(self.running) < len(self.devices):
                self._start(free[0])
            self.progress.show([job.point for job in self.running], len(left))
            time.sleep(POLL_S)
        return 128 + came[0]

    def end(self, signum: int) -> None:
        """Tell what still runs to stop, and wait until it has saved its state."""
        for job in self.running:
            job.process.send_signal(signum)
        for job in self.running:
            job.process.wait()
        self.progress.close()

    def _left(self) -> list[Point]:
        """Points that are neither over nor run here nor given up here."""
        here = {job.point.index for job in self.running} | self.failed
        return [
            point
            for point in self.study.points
            if point.index not in here and ended(self.study.place(point)) not in OVER
        ]

    def _is_free(self, point: Point) -> bool:
        held = claim.is_held(self.study.place(point))
        here = [job.point for job in self.running]
        return not held and not shared.waits(self.study, point, here)

    def _start(self, point: Point) -> None:
        slot = min(set(range(len(self.devices))) - {job.slot for job in self.running})
        place = self.study.place(point)
        place.mkdir(parents=True, exist_ok=True)
        with open(place / LOG, "ab") as log:
            process = subprocess.Popen(
                single.command(self.study.folder, point.index),
                env=single.environment(self.devices[slot]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.running.append(_Job(point, process, slot))
        self.starts[point.index] = self.starts.get(point.index, 0) + 1
        self.progress.say(point, "starts", place / LOG)

    def _ended(self, point: Point, code: int) -> None:
        place = self.study.place(point)
        if code == AGAIN and claim.is_held(place):
            self.progress.say(point, "runs elsewhere")
            self.starts[point.index] -= 1
            return
        state = ended(place)
        if state in OVER:
            self.progress.say(point, state)
            return
        if single.is_trouble(code) and self.starts[point.index] < 2:
            self.progress.say(point, f"ended with {code}; is tried again")
            return
        self.failed.add(point.index)
        self.progress.say(point, f"failed with {code}: {_last_line(place / LOG)}")


@contextlib.contextmanager
def _caught() -> Iterator[list[int]]:
    """The signals that asked for an end, the first one first."""
    came: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {s: signal.signal(s, lambda n, _: came.append(n)) for s in signals}
    try:
        yield came
    finally:
        for signum, old in before.items():
            signal.signal(signum, old)


def _devices(jobs: int) -> list[dict[str, str]]:
    """The environment of each job: its share of the devices that are listed."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    if jobs == 1 or listed == [""]:
        return [{} for _ in range(jobs)]
    if len(listed) % jobs:
        raise UserError(
            f"--jobs={jobs}: CUDA_VISIBLE_DEVICES lists {len(listed)} devices, which "
            f"cannot be dealt out evenly. Use --jobs={len(listed)} or list others."
        )
    share = len(listed) // jobs
    return [
        {"CUDA_VISIBLE_DEVICES": ",".join(listed[k * share : (k + 1) * share])}
        for k in range(jobs)
    ]


def _last_line(path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
