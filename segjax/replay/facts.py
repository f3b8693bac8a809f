"""What two records say of two starts, beside their numbers, and where they differ."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from segjax import guards
from segjax.report import record
from segjax.report.files import digest

INERT = (
    *(f"config.{field}" for field in guards.INERT),
    "config.data.root",
    *(f"environment.SLURM_{name}" for name in ("JOB_ID", "ARRAY_TASK_ID")),
    "environment.SLURM_RESTART_COUNT",
    "environment.SEGJAX_DATA",
    "environment.JAX_COMPILATION_CACHE_DIR",
)
"""Facts that may differ and move no number."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """One fact that is not as it was.

    Attributes:
      what: its name: `versions.jaxlib`, `data.train`, `config.seed`.
      then: what the run's record says; of several starts, each in turn.
      now: what is found now.
      inert: whether it moves no number.
    """

    what: str
    then: str
    now: str
    inert: bool = False


def known(
    written: Mapping[str, Any],
    config: Mapping[str, Any],
    attempts: Sequence[Mapping[str, Any]],
) -> dict[str, tuple[str, ...]]:
    """Name of a fact -> its value in each start, without what equals the one before.

    Args:
      written: a record.
      config: the plain config that goes with it.
      attempts: those of its starts that count.
    """
    data = written.get("dataset", {})
    shared = {f"config.{k}": v for k, v in record.flat(config).items()}
    shared |= {
        f"data.{split}": entry["fingerprint"]
        for split, entry in data.get("splits", {}).items()
    }
    shared["data.classes"] = data.get("class_digest")
    found = {name: (_text(v),) for name, v in shared.items() if v is not None}
    for attempt in attempts:
        for name, value in _flat_attempt(attempt).items():
            before = found.get(name, ())
            if before[-1:] != (value,):
                found[name] = (*before, value)
    return found


def _flat_attempt(attempt: Mapping[str, Any]) -> dict[str, str]:
    kept = ("platform", "cpu", "cores", "devices", "processes")
    kept += ("normalize", "class_weights")
    facts = {k: attempt[k] for k in kept if k in attempt}
    for section in ("versions", "seeds"):
        facts |= {f"{section}.{k}": v for k, v in attempt.get(section, {}).items()}
    for name in record.ENVIRONMENT:  # those not set are recorded by their absence
        if "environment" in attempt:
            facts[f"environment.{name}"] = attempt["environment"].get(name, "not set")
    code = attempt.get("code") or {}
    facts |= {f"code.{k}": v for k, v in code.items()}
    if code:
        facts["code.diff_digest"] = code.get("diff_digest", "no changes")
    if "init_from" in attempt:
        facts["first weights"] = attempt["init_from"].get("sha256")
    if "program" in attempt.get("trace", {}):
        facts["program"] = attempt["trace"]["program"]
    return {name: _text(value) for name, value in facts.items()}


def differences(
    then: Mapping[str, tuple[str, ...]], now: Mapping[str, tuple[str, ...]]
) -> tuple[tuple[Difference, ...], tuple[str, ...]]:
    """Facts that differ, and those that only one of the two has."""
    found, unknown = [], []
    for name in sorted(then.keys() | now.keys()):
        of_config = name.startswith("config.")
        if not of_config and (name not in then or name not in now):
            unknown.append(name)
            continue
        old, new = then.get(name, ("absent",)), now.get(name, ("absent",))
        if old != new:
            words = (", later ".join(old), ", later ".join(new))
            found.append(Difference(name, *words, inert=name in INERT))
    return tuple(found), tuple(unknown)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _joined(value)


def _joined(value: Any) -> str:
    if isinstance(value, Sequence) and all(isinstance(v, str) for v in value):
        return ", ".join(value) or "none"
    if isinstance(value, Mapping | Sequence) and len(str(value)) > 80:
        return digest(value)
    return str(value)
