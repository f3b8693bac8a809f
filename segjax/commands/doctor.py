"""Check this machine: packages, devices, memory, disk, cluster.

Each line is OK, WARN or FAIL, and says what to do. The exit code is 75 if the device
does not run, else 0.

examples:
  segjax doctor
  srun --ntasks=2 segjax doctor --json
"""

import argparse
import dataclasses
import glob
import importlib.metadata
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from segjax.commands import answer
from segjax.core import ram
from segjax.core.errors import EnvironmentFault

GIB = 2**30
MIN_PYTHON = (3, 11)
MIN_MEMORY = 2 * GIB
MIN_SHM = 1 * GIB
MIN_DISK = 5 * GIB


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of the report: `status` is OK, WARN or FAIL; `advice` what to do."""

    name: str
    status: str
    value: str
    advice: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`segjax doctor` has no arguments of its own."""


def run(args: argparse.Namespace) -> int:
    """Check and print; returns the exit code."""
    findings = []
    for name, check in CHECKS.items():
        findings += _guarded(name, check)
    words = [
        f"{f.status:4}  {f.name:9}  {f.value}"
        + (f"\n      -> {f.advice}" * bool(f.advice))
        for f in findings
    ]
    runs = all(f.status != "FAIL" for f in findings if f.name == "device")
    code = 0 if runs else EnvironmentFault.exit_code
    document = {
        "findings": [dataclasses.asdict(f) for f in findings],
        "exit_code": code,
    }
    answer.give(args, "\n".join(words), document)
    return code


def _python() -> Iterator[Finding]:
    value = f"{platform.python_version()} at {sys.executable}, {platform.platform()}"
    old = sys.version_info < MIN_PYTHON
    least = ".".join(map(str, MIN_PYTHON))
    yield Finding(
        "python", "FAIL" if old else "OK", value, f"Use {least} or newer." * old
    )


def _packages() -> Iterator[Finding]:
    pins = _pins()
    if not pins:
        yield Finding(
            "packages",
            "WARN",
            "the pinned versions are not known",
            "Install with `pip install -e .`, or run in the folder of the source.",
        )
        return
    wrong = []
    for name, pinned in pins.items():
        try:
            here = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            here = "absent"
        if here != pinned:
            wrong.append(f"{name} {here} (pinned {pinned})")
    fit = f"{len(pins) - len(wrong)} of {len(pins)} as pinned"
    if wrong:
        advice = "pip install -r requirements.txt -c constraints.txt"
        yield Finding("packages", "WARN", f"{fit}; {', '.join(wrong)}", advice)
    else:
        yield Finding("packages", "OK", fit)


def _code() -> Iterator[Finding]:
    import segjax
    from segjax.report import record

    folder = Path(segjax.__file__).parent
    version = record.code_version()
    value = f"segjax {segjax.__version__} in {folder}"
    if version is not None:
        value += f", commit {version['commit'][:12]}"
        value += " with changes" * version["dirty"]
    yield Finding("code", "OK", value)


def _device() -> Iterator[Finding]:
    import jax
    import jax.numpy as jnp

    from segjax.nn import onednn
    from segjax.optim import fused

    devices = jax.devices()
    kinds = sorted({d.device_kind for d in devices})
    backend, value = jax.default_backend(), f"{len(devices)} x {', '.join(kinds)}"
    hardware = glob.glob("/dev/nvidia[0-9]*") + glob.glob("/dev/accel*")
    if backend == "cpu" and hardware and not os.environ.get("JAX_PLATFORMS"):
        yield Finding(
            "device",
            "WARN",
            f"cpu, {value}, though the machine has {', '.join(hardware[:4])}",
            "Install JAX for it: pip install 'jax[cuda12]' or 'jax[tpu]'.",
        )
    else:
        yield Finding("device", "OK", f"{backend}, {value}")
    if backend == "cpu":
        for what, reason, by, longer in (
            ("convolutions are", onednn.absent(), "oneDNN", "up to twice as long"),
            ("Adam's update is", fused.absent(), "one pass", "up to a tenth longer"),
        ):
            lacks = any(n in reason for n in ("compiler", "installed", "fails"))
            yield Finding(
                "device",
                "WARN" if lacks else "OK",
                f"{what} computed by {f'XLA: {reason}' if reason else by}",
                f"Training on this CPU takes {longer}: see BUILD.md, On a CPU." * lacks,
            )
    product = jax.jit(lambda a: a @ a.T)
    begin = time.perf_counter()
    total = float(product(jnp.ones((256, 256), jnp.float32)).sum())
    first = time.perf_counter() - begin
    begin = time.perf_counter()
    product(jnp.ones((256, 256), jnp.float32)).block_until_ready()
    again = time.perf_counter() - begin
    value = (
        f"256x256 matmul: {first:.2f} s compiled and run, {1e3 * again:.2f} ms again"
    )
    if total != 256**3:
        value = f"256x256 matmul of ones sums to {total}, not {256**3}"
        advice = "The device computes wrongly: try another, or another driver."
        yield Finding("device", "FAIL", value, advice)
    else:
        yield Finding("device", "OK", value)


def _cores() -> Iterator[Finding]:
    total = os.cpu_count() or 0
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else total
    value, few = f"{usable} of {total} usable", usable < 2
    advice = "Decoding and training share one core: ask for more." * few
    yield Finding("cores", "WARN" if few else "OK", value, advice)


def _memory() -> Iterator[Finding]:
    import psutil

    machine, limit = psutil.virtual_memory(), ram.limit()
    free = machine.available
    value = f"{_gib(free)} of {_gib(machine.total)} available"
    if limit is not None and limit < machine.total:
        value, free = f"{value}; this container may use {_gib(limit)}", min(free, limit)
    low = free < MIN_MEMORY
    advice = f"Under {_gib(MIN_MEMORY)}: end other programs or ask for more." * low
    yield Finding("memory", "WARN" if low else "OK", value, advice)


def _shm() -> Iterator[Finding]:
    if not os.path.isdir("/dev/shm"):
        yield Finding("/dev/shm", "OK", "not on this system")
        return
    total = shutil.disk_usage("/dev/shm").total
    low = total < MIN_SHM
    advice = (
        "Batches of input.workers > 0 pass through it: docker run --shm-size=8g, or "
        "workers=0."
    ) * low
    yield Finding("/dev/shm", "WARN" if low else "OK", _gib(total), advice)


def _disk() -> Iterator[Finding]:
    free = shutil.disk_usage(".").free
    low, writable = free < MIN_DISK, os.access(".", os.W_OK)
    advice = f"Under {_gib(MIN_DISK)}: checkpoints may not fit." * low
    if not writable:
        advice = "This folder cannot be written: give --workdir and --out elsewhere."
    status = "OK" if writable and not low else "WARN"
    yield Finding("disk", status, f"{_gib(free)} free in {os.getcwd()}", advice)


def _caches() -> Iterator[Finding]:
    from segjax.core import cache

    home = os.path.expanduser("~")
    places = {
        "JAX_COMPILATION_CACHE_DIR": None,
        "SEGJAX_CACHE": str(cache.shared().parent),
        "XDG_CACHE_HOME": os.path.join(home, ".cache"),
        "MPLCONFIGDIR": os.path.join(home, ".config", "matplotlib"),
    }
    for name, default in places.items():
        place = os.environ.get(name) or default
        if place is None:
            where = "on a CPU every start compiles anew; else in SEGJAX_CACHE"
            yield Finding("cache", "OK", f"{name} is not set: {where}")
            continue
        there = place
        while not os.path.exists(there):
            there = os.path.dirname(os.path.abspath(there))
        bad = not os.access(there, os.W_OK)
        advice = f"It cannot be written: set {name} to a folder that can." * bad
        yield Finding("cache", "WARN" if bad else "OK", f"{name}: {place}", advice)


def _settings() -> Iterator[Finding]:
    from segjax.report.record import ENVIRONMENT

    names = [n for n in ENVIRONMENT if n in os.environ]
    yield Finding(
        "settings", "OK", " ".join(f"{n}={os.environ[n]!r}" for n in names) or "none"
    )


def _cluster() -> Iterator[Finding]:
    from segjax import parallel

    found = parallel.cluster(os.environ)
    if found is None:
        value = "none: a single process"
    elif not found:
        value = "found; JAX reads the address and the number of processes itself"
    else:
        value = ", ".join(f"{k}={v}" for k, v in found.items())
    yield Finding("cluster", "OK", value)


CHECKS = {
    "python": _python,
    "packages": _packages,
    "code": _code,
    "device": _device,
    "cores": _cores,
    "memory": _memory,
    "/dev/shm": _shm,
    "disk": _disk,
    "cache": _caches,
    "settings": _settings,
    "cluster": _cluster,
}
"""Name of a check -> its function, in the order of the report."""


def _guarded(name: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """The findings of a check; one that breaks is a finding, too, and no end."""
    findings = []
    try:
        for finding in check():
            findings.append(finding)
    except Exception as error:  # a broken installation raises anything
        first = (str(error).strip().splitlines() or [""])[0]
        status = "FAIL" if name == "device" else "WARN"
        advice = "Put right what the message names, then run `segjax doctor` again."
        if name == "device":
            advice = (
                "Check the driver (nvidia-smi), the jax package and JAX_PLATFORMS; "
                "JAX_PLATFORMS=cpu runs without the device."
            )
        value = f"{type(error).__name__}: {first}"
        findings.append(Finding(name, status, value, advice))
    return findings


def _pins() -> dict[str, str]:
    """Package -> version, from the installed metadata or from requirements.txt."""
    try:
        lines = importlib.metadata.requires("segjax") or []
    except importlib.metadata.PackageNotFoundError:
        lines = []
    beside = Path(__file__).parents[2] / "requirements.txt"
    if not lines and beside.is_file():
        lines = beside.read_text().splitlines()
    found = (re.match(r"([A-Za-z0-9._-]+)\s*==\s*([^\s;#]+)", line) for line in lines)
    return {m[1]: m[2] for m in found if m}


def _gib(amount: int) -> str:
    return f"{amount / GIB:.1f} GiB"
