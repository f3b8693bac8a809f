"""What a study would run: its points, their size, and the time and memory they need."""

import dataclasses
import sys

import jax
import optax

from segjax import config, parts, process
from segjax.core.info import DatasetInfo
from segjax.data import datasets
from segjax.report.files import digest
from segjax.study import points, shared
from segjax.study.folder import OVER, Point, Study, standing
from segjax.study.sweep import SEED
from segjax.study.table import columns
from segjax.train import init, plan

TIMED_STEPS = 3


@dataclasses.dataclass(frozen=True)
class Need:
    """What a run of an arm needs; None where it was not asked for.

    Attributes:
      parameters: trained numbers.
      gflop: 1e9 floating-point operations of a train step.
      train_bytes: peak memory of a train step on a device, by XLA; on a CPU of the
        whole process.
      seconds: of compiling and all steps, without evaluations.
    """

    parameters: int
    gflop: float | None = None
    train_bytes: int | None = None
    seconds: float | None = None


def show(study: Study, *, predict: bool = True) -> str:
    """The points of a study in a table, what its arms change, and the time of it all.

    Nothing is written.

    Args:
      study: not necessarily written yet.
      predict: compile and time the step of each arm, which takes from seconds to
        minutes an arm; else time and memory are left out.

    Raises:
      UserError: the data of a point are not there.
    """
    process.prepare()
    needs: dict[str, Need] = {}
    for point in study.points:
        if point.arm not in needs:
            needs[point.arm] = need(study, point, predict=predict)
    head = ["point", "arm", "seed", "parameters"]
    head += ["GFLOP a step", "MiB", "minutes"] * predict + ["state"]
    rows, left = [], 0.0
    for point in study.points:
        its, at = needs[point.arm], standing(study, point)
        trains = shared.siblings(study, point)[0] == point
        row = [str(point.index), point.arm, str(point.seed), f"{its.parameters:,}"]
        if predict:
            row += [f"{its.gflop:,.3g}", f"{its.train_bytes / 2**20:,.0f}"]
            row.append(f"{its.seconds / 60:.1f}" if trains else "shared")
            left += its.seconds * (trains and at.state not in OVER)
        rows.append([*row, at.state])
    words = [f"{study.name}: {study.question}", f"{len(rows)} points, {study.folder}"]
    words += ["", columns(head, rows), "", "What each arm changes:"]
    words += [f"  {arm}: {_changes(study, arm)}" for arm in needs]
    if predict:
        words.append(
            f"\n{left / 60:.0f} minutes of steps are left, one run at a time on this "
            "machine, as it is now; start-up and evaluations come on top."
        )
    return "\n".join(words)


def need(study: Study, point: Point, *, predict: bool) -> Need:
    """What the run of a point needs, on this machine."""
    checked = config.resolve(points.settings(study.base, point))
    info = _info(checked)
    if not predict:
        return Need(_parameters(checked, info))
    print(f"compiling and timing {point.arm} ...", file=sys.stderr, flush=True)
    found = plan.of(checked, info, time_steps=TIMED_STEPS)
    whole = found.resident
    needed = whole.total + whole.kept if whole else found.train_bytes
    return Need(found.parameters, found.gflop, needed, found.total_seconds)


_known: dict[str, DatasetInfo] = {}
"""Class tables by the digest of their data's section: finding all files takes time."""


def _info(checked: config.Config) -> DatasetInfo:
    key = digest([checked.data, checked.train_split])
    if key not in _known:
        source = datasets.make(split=checked.train_split, **checked.data)
        _known[key] = source.info
    return _known[key]


def _parameters(checked: config.Config, info: DatasetInfo) -> int:
    """Trained numbers of the model, from shapes alone."""
    model, channels = parts.make(checked, info).model, info.pixels.channels
    state = jax.eval_shape(
        lambda: init.fresh(model, optax.identity(), seed=0, channels=channels)
    )
    return init.count_parameters(state.params)


def _changes(study: Study, arm: str) -> str:
    point = next(p for p in study.points if p.arm == arm)
    changes = {k: v for k, v in point.overrides.items() if k != SEED}
    return ", ".join(f"{k}={v!r}" for k, v in changes.items()) or "nothing"
