"""Joules that the machine takes while a run works, where the machine tells.

====  =============================================  ==================================
what  told by                                        over what
====  =============================================  ==================================
GPUs  `nvidia-smi`: the power, every few seconds     the boards of the listed GPUs
CPU   RAPL: counters of energy in `/sys`, which      the packages and their memory, all
      newer kernels show to root alone               that runs on them included
====  =============================================  ==================================

Source: Linux kernel, Documentation/power/powercap; David et al., "RAPL: Memory Power
  Estimation and Capping", 2010.
"""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Any

POWERCAP = pathlib.Path("/sys/class/powercap")
EVERY_S = 5.0
"""Seconds between two looks; a counter of RAPL runs over after some minutes."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """What was taken.

    Attributes:
      joules: of all that `of` names; None where nothing tells.
      of: what was measured and by what, or why it is not known.
    """

    joules: float | None
    of: str


class Meter(contextlib.AbstractContextManager):
    """Adds up energy while its `with` block lasts."""

    def __init__(self):
        self._smi = shutil.which("nvidia-smi")
        self._counters = _counters()
        self._last = {path: _number(path) or 0 for path in self._counters}
        self._power, self._then = self._watts(), time.monotonic()
        self._cpu = self._gpu = 0.0
        self._over, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="energy", daemon=True)

    def __enter__(self) -> "Meter":
        if self._counters or self._power:
            self._thread.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def read(self, gpus: bool = False) -> Reading:
        """What was taken since the beginning.

        Args:
          gpus: whether NVIDIA's GPUs did the work, and count too.
        """
        if gpus and not self._power:
            return Reading(None, "not known: the GPUs tell none")
        if not gpus and not self._counters:
            return Reading(None, "not known: this machine tells none")
        with self._lock:
            self._look()
            joules = self._cpu + self._gpu * gpus
        number = len(self._power)
        words = [f"{number} GPU{'s' * (number > 1)} by nvidia-smi"] * gpus
        words += ["CPU and memory by RAPL" if self._counters else "without the CPU"]
        return Reading(round(joules, 3), ", ".join(words))

    def facts(self, gpus: bool = False, processes: int = 1) -> dict[str, Any]:
        """What a record says: `read`, if one process did all the work."""
        if processes > 1:
            several = Reading(None, "not known: the run has several processes")
            return dataclasses.asdict(several)
        return dataclasses.asdict(self.read(gpus))

    def _watch(self) -> None:
        while not self._over.wait(EVERY_S):
            with self._lock:
                self._look()

    def _look(self) -> None:
        """Add what was taken since the last look."""
        for path, most in self._counters.items():
            now = _number(path)
            if now is None:
                continue
            passed = now - self._last[path]
            self._cpu += (passed % most if most else max(0, passed)) / 1e6
            self._last[path] = now
        if self._power:
            watts, now = self._watts() or self._power, time.monotonic()
            mean = (sum(self._power) + sum(watts)) / 2
            self._gpu += mean * (now - self._then)
            self._power, self._then = watts, now

    def _watts(self) -> Sequence[float]:
        """The power of each GPU that this process may use; empty where none tells."""
        if self._smi is None:
            return ()
        query = ["--query-gpu=power.draw", "--format=csv,noheader,nounits"]
        listed = os.environ.get("CUDA_VISIBLE_DEVICES")
        query += [f"--id={listed}"] if listed else []
        try:
            done = subprocess.run(
                [self._smi, *query],
                capture_output=True,
                text=True,
                timeout=EVERY_S,
                check=True,
            )
            return [float(line) for line in done.stdout.split()]
        except (OSError, subprocess.SubprocessError, ValueError):
            return ()


def _counters() -> dict[pathlib.Path, int | None]:
    """RAPL's counters that may be read -> where each runs over, in microjoules.

    Packages, and memory where it has a counter of its own; the cores of a package are
    in its own counter, and that of the whole machine would count all twice.
    """
    found = {}
    for zone in sorted(POWERCAP.glob("intel-rapl:*")):
        try:
            name = (zone / "name").read_text().strip()
        except OSError:
            continue
        path = zone / "energy_uj"
        if name.startswith(("package", "dram")) and _number(path) is not None:
            found[path] = _number(zone / "max_energy_range_uj")
    return found


def _number(path: pathlib.Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
