"""Where an exported model comes from: its run, its data, its code, without anybody's
paths and secrets.
"""

import datetime
import os
import re
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from segjax.parts import Parts
from segjax.report import record

ROOT = "DIR"
"""In place of the folder of the data, which commands are told by --root."""

ROOTS = ("data_dir", "root")
"""Fields of a config's section `data` that name folders."""

HIDDEN = "***"


def of_run(parts: Parts, written: Mapping[str, Any], step: int) -> dict[str, Any]:
    """What a manifest says of the run.

    Args:
      parts: of the run.
      written: its `record.json`.
      step: of the weights.
    """
    attempts = written.get("attempts") or [{}]
    first, last = attempts[0], attempts[-1]
    config = parts.config
    data = written.get("dataset", {})
    return {
        "run_id": parts.run_id,
        "step": step,
        "config_digest": last.get("config_digest", ""),
        "code": _commit(last.get("code")),
        "versions": last.get("versions", {}),
        "devices": last.get("devices", []),
        "seeds": last.get("seeds", {}),
        "started": first.get("start", ""),
        "starts": len(attempts),
        "wall_seconds": sum(a.get("wall_seconds", 0) for a in attempts),
        "splits": {
            name: _split(data.get("splits", {}), split)
            for name, split in (
                ("train", config.train_split),
                ("val", config.val_split),
            )
        },
    }


def of_export() -> dict[str, Any]:
    """What a manifest says of the export itself: time, code and versions.

    The time is that of `SOURCE_DATE_EPOCH` where it is set, so that equal runs give
    equal files.
    """
    versions = record.versions()
    return {
        "time": _now(),
        "code": _commit(record.code_version()),
        "versions": {k: versions[k] for k in ("segjax", "jax", "jaxlib", "numpy")},
    }


def cleaned(config: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved config as it may be given away.

    Folders of the data become `DIR`, of every other absolute path the last part stays,
    and what is called a token, a password or the like becomes `***`.
    """
    found = _cleaned(config)
    data = dict(found.get("data", {}))
    data |= {name: ROOT for name in ROOTS if name in data}
    return {**found, "data": data}


def _cleaned(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        return {k: _cleaned(v, k) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cleaned(v, name) for v in value]
    if isinstance(value, str):
        return HIDDEN if value and record.SECRET.search(name) else _without_place(value)
    return value


def _without_place(text: str) -> str:
    """The last part of an absolute path, or of one that leads out; else the text."""
    if re.match(r"[A-Za-z]:[\\/]|\\\\", text):
        return PureWindowsPath(text).name
    if text.startswith(("/", "~")) or ".." in PurePosixPath(text).parts:
        return PurePosixPath(text).name
    return text


def _split(splits: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    return {"name": name, **splits[name]} if name in splits else None


def _commit(code: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Without the names of files that are not in git."""
    return code and {key: code[key] for key in ("commit", "dirty") if key in code}


def _now() -> str:
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    now = datetime.datetime.now(datetime.UTC)
    if epoch.isdigit():
        now = datetime.datetime.fromtimestamp(int(epoch), datetime.UTC)
    return now.isoformat(timespec="seconds")
