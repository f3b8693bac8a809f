"""What ran: `config.json` and `record.json`, enough to run it again and to doubt it.

`record.json` holds the data set (class table, fingerprint of each split) and one entry
per start of the run in `attempts`, the newest last: time, command line, code, versions,
devices, seeds, and how it ended. An entry without `end` was killed or is still running.
`run_id` is made at the first start and stays; it stands in every file of scores, too.
Both files are plain JSON: reading a run folder never executes anything.
"""

import datetime
import hashlib
import importlib.metadata
import os
import platform
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import segjax
from segjax.core.info import DatasetInfo
from segjax.core.pixels import Pixels
from segjax.report.files import digest, plain, read_json, write_json

CONFIG = "config.json"
RECORD = "record.json"

PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "grain",
    "numpy",
    "onednn-cpu-gomp",
    "pillow",
    "opencv-python-headless",
    "scikit-image",
    "scikit-learn",
    "scipy",
)
"""Distributions whose versions can change a result."""

ENVIRONMENT = (
    "CUDA_VISIBLE_DEVICES",
    "JAX_COMPILATION_CACHE_DIR",
    "JAX_DEFAULT_MATMUL_PRECISION",
    "JAX_ENABLE_X64",
    "JAX_PLATFORMS",
    "LIBTPU_INIT_ARGS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "SEGJAX_DATA",
    "SEGJAX_KEEP_FREED",
    "SEGJAX_ONEDNN",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_JOB_ID",
    "SLURM_RESTART_COUNT",
    "XLA_FLAGS",
    "XLA_PYTHON_CLIENT_MEM_FRACTION",
    "XLA_PYTHON_CLIENT_PREALLOCATE",
)
"""The only environment variables that are ever recorded."""

SECRET = re.compile(r"token|secret|passw|credential|api[_-]?key|access[_-]?key", re.I)
_DIFF_BYTES = 16 * 2**20


def write(
    workdir: str | Path,
    *,
    config: Mapping[str, Any],
    argv: Sequence[str],
    devices: Sequence[str],
    seeds: Mapping[str, Any],
    dataset: Mapping[str, Any],
    facts: Mapping[str, Any] | None = None,
) -> str:
    """Record a start: append an attempt to `record.json`, write `config.json`.

    Args:
      workdir: the run folder.
      config: the resolved config.
      argv: the command line; values of secret-looking flags are blanked.
      devices: one string a device: "cpu", "NVIDIA H200".
      seeds: each seed of the run by name.
      dataset: what `dataset_entry` returns.
      facts: more to keep with the attempt: start step, number of parameters.

    Returns:
      The id of the run.

    Raises:
      UserError: if a file of an earlier start is damaged or a value is not data.
      EnvironmentFault: if the disk refuses.
    """
    workdir = Path(workdir)
    record = read(workdir)
    attempts = record.get("attempts", [])
    new = plain(config)
    old = read_config(workdir) if (workdir / CONFIG).exists() else new
    attempt = {
        "start": _now(),
        "argv": _without_secrets(argv),
        **surroundings(devices),
        "seeds": dict(seeds),
        "config_digest": digest(new),
        "config_changes": config_changes(old, new),
        **(facts or {}),
    }
    write_config(workdir, new)
    own = [attempt["config_digest"], attempt["start"], platform.node(), os.getpid()]
    record = {
        "run_id": run_id(record) or digest([*own, time.monotonic_ns()])[:12],
        "dataset": dict(dataset),
        "attempts": [*attempts, attempt],
    }
    write_json(workdir / RECORD, record)
    return record["run_id"]


def surroundings(devices: Sequence[str]) -> dict[str, Any]:
    """What a result may depend on beside config and data: code, versions, machine."""
    return {
        "code": code_version(),
        "versions": versions(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "devices": list(devices),
        "environment": {k: os.environ[k] for k in ENVIRONMENT if k in os.environ},
    }


def run_id(record: Mapping[str, Any]) -> str:
    """The id in what `read` gave; empty for a run from before there were any."""
    return record.get("run_id", "")


def finish(
    workdir: str | Path,
    exit_code: int,
    reason: str,
    wall_seconds: float | int,
    peak_rss_mb: float | int | None = None,
    **facts: Any,
) -> None:
    """Complete the newest attempt: how it ended, how long it took, what it needed.

    Raises:
      UserError: if no start was recorded.
      EnvironmentFault: if the disk refuses.
    """
    record = read_json(Path(workdir) / RECORD)
    record["attempts"][-1] |= {
        "end": _now(),
        "exit_code": exit_code,
        "reason": reason,
        "wall_seconds": round(wall_seconds, 3),
        "peak_rss_mb": peak_rss_mb,
        **facts,
    }
    write_json(Path(workdir) / RECORD, record)


def ever_finished(workdir: str | Path) -> bool:
    """Whether a start came to its end."""
    return any(a.get("exit_code") == 0 for a in read(workdir).get("attempts", []))


def read(workdir: str | Path) -> dict[str, Any]:
    """`record.json` as a dict; `{}` if the run never started."""
    path = Path(workdir) / RECORD
    return read_json(path) if path.exists() else {}


def pixels(workdir: str | Path) -> Pixels:
    """The kind of images that a run is for; 8-bit RGB where none is recorded."""
    return Pixels(**read(workdir).get("dataset", {}).get("pixels", {}))


def write_config(workdir: str | Path, config: Mapping[str, Any]) -> None:
    """The resolved config as sorted, plain JSON; tuples become lists."""
    write_json(Path(workdir) / CONFIG, config)


def read_config(workdir: str | Path) -> dict[str, Any]:
    """The config that `write_config` wrote, with lists for tuples.

    Raises:
      UserError: if the file is missing or damaged.
    """
    return read_json(Path(workdir) / CONFIG)


def dataset_entry(info: DatasetInfo, sources: Mapping[str, Any]) -> dict[str, Any]:
    """The data set's part of a record.

    Args:
      info: class table and provenance.
      sources: split name -> source (`__len__`, `fingerprint()`).
    """
    return {
        **info.plain(),
        "splits": {
            split: {"num_images": len(source), "fingerprint": source.fingerprint()}
            for split, source in sources.items()
        },
    }


def versions() -> dict[str, str]:
    """Versions of python, segjax and the libraries that can change a result."""
    found = {"python": platform.python_version(), "segjax": segjax.__version__}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def code_version(folder: str | Path | None = None) -> dict[str, Any] | None:
    """The git commit of segjax's source; None if it is not a git checkout.

    `dirty` says whether files differ from the commit or are new to git. `diff_digest`
    is the sha256 of the difference (its first 16 MiB; the text itself may hold
    anything and is not kept), `untracked` names new files (at most 20).
    """
    folder = Path(folder or Path(segjax.__file__).parent)
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None  # installed, though perhaps inside somebody else's checkout
    commit = _git(folder, "rev-parse", "HEAD")
    difference = _git(folder, "diff", "HEAD", "--no-ext-diff", "--binary")
    new = _git(folder, "ls-files", "--others", "--exclude-standard")
    if commit is None or difference is None or new is None:
        return None
    names = new.decode(errors="replace").split("\n")[:-1]
    version = {"commit": commit.decode().strip(), "dirty": bool(difference or names)}
    if names:
        version["untracked"] = names[:20]
    if difference:
        version["diff_digest"] = hashlib.sha256(difference[:_DIFF_BYTES]).hexdigest()
    return version


def config_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two plain configs: `["train.num_steps: 100 -> 200"]`."""
    before, after = flat(old), flat(new)
    return [
        f"{key}: {before.get(key, 'absent')} -> {after.get(key, 'absent')}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key, ...) != after.get(key, ...)
    ]


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"train.num_steps": 100}` from nested sections."""
    found = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _cpu() -> str:
    """The processor's name as the kernel tells it, else its architecture."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine()
    found = re.search(r"^model name\s*: (.*)$", text, re.M)
    return found.group(1) if found else platform.machine()


def _without_secrets(argv: Sequence[str]) -> list[str]:
    """`argv` with the values of secret-looking flags blanked."""
    shown, blank_next = [], False
    for word in argv:
        flag, equals, _ = word.partition("=")
        secret = flag.startswith("-") and bool(SECRET.search(flag))
        if blank_next and not word.startswith("-"):
            word = "***"
        elif secret and equals:
            word = f"{flag}=***"
        blank_next = secret and not equals
        shown.append(word)
    return shown


def _git(folder: Path, *args: str) -> bytes | None:
    """Output of a git command in `folder`, or None where git or the answer fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *args],
            capture_output=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
