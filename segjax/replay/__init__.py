"""A run once more, from its record, and what is not as it was.

The run is started again in a folder of its own, from the first step or from one of its
checkpoints, and stopped some steps on. Both folders then tell the same story in the
same files, which are compared: the samples and pixels of the first batches, the state
at the start, every line of the log, the state at every step that was saved. What else
the two records say (code, versions, devices, data, config) explains a difference.
"""

import contextlib
import dataclasses
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segjax import config as configs
from segjax import parallel, process, run
from segjax.checkpoint import folder, shelf
from segjax.core.errors import Stopped, UserError
from segjax.data import datasets
from segjax.replay.facts import Difference, differences, known
from segjax.replay.numbers import Unequal, rows, unequal_batches, unequal_rows
from segjax.report import metrics_log, record
from segjax.report.files import digest, plain


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a replay found.

    Attributes:
      run_id: of the run; empty if it kept none.
      start: the step that the replay began after.
      end: the last step that could be compared.
      first: the first difference in numbers; None if all are equal.
      lines: lines of the log that were compared.
      states: steps at which the whole states were compared; `start` among them.
      batches: first batches that were compared.
      differences: what else is not as it was.
      unknown: facts that one of the two did not keep.
    """

    run_id: str
    start: int
    end: int
    first: Unequal | None
    lines: int
    states: tuple[int, ...]
    batches: int
    differences: tuple[Difference, ...]
    unknown: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether every number that both have is the same."""
        return self.first is None

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        moving = [d.what for d in self.differences if not d.inert]
        if self.first is None:
            steps = self.end - self.start
            whole = any(step > self.start for step in self.states)
            kind = "equal bits" if whole else "equal lines of the log"
            though = f", though these differ: {', '.join(moving)}" if moving else ""
            return f"{kind} for {steps} steps{though}"
        what, at = self.first.what, self.first.step
        where = f"first difference at step {at}" if at else "different from the start"
        values = f"{what} {_short(self.first.then)} against {_short(self.first.now)}"
        if not moving:
            return (
                f"{where}: {values}; nothing else that is recorded differs: the device "
                "or a library does not repeat itself, or a file changed unseen"
            )
        return f"{where}: {values}; what differs: {', '.join(moving)}"


def again(
    workdir: Path,
    *,
    steps: int,
    start: int = 0,
    root: str | None = None,
    out: Path | None = None,
) -> Verdict:
    """Run `workdir` again for some steps and compare; `workdir` is only read.

    Args:
      workdir: a run folder, finished or not.
      steps: how many, cut to what the run did.
      start: 0, or a step of which the run has a checkpoint.
      root: where the data are, if not where they were.
      out: an empty folder to keep the second run in; else it goes.

    Raises:
      UserError: there is no such run or checkpoint, nothing could be compared after so
        few steps, or the run cannot be started as it was.
      SegjaxError: as `run.train` raises.
    """
    written = _recorded(workdir)
    settings = _settings(workdir, root)
    end = _end(workdir, start, steps)
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"--out={out}: is there already; name a new or empty folder.")
    with contextlib.ExitStack() as stack:
        if out is None:
            made = tempfile.TemporaryDirectory(prefix="segjax-replay-")
            out = Path(stack.enter_context(made))
        if start:
            _carry(workdir, out, start)
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        with contextlib.suppress(Stopped):  # at `end`, unless the run ends there
            run.train(
                settings,
                workdir=out,
                cluster=(None, None, None),
                argv=["segjax", "replay", str(workdir)],
                stop_at=end,
                validation=written["attempts"][-1].get("validation"),
            )
        return _compared(written, workdir, out, start, end)


def surroundings(workdir: Path, *, root: str | None = None) -> Verdict:
    """Compare what is recorded beside the numbers with what is here; nothing runs.

    Raises:
      UserError: there is no such run, or its data are not here.
    """
    written = _recorded(workdir)
    settings = _settings(workdir, root)
    process.prepare()
    checked = configs.resolve(settings)
    options = {k: v for k, v in checked.data.items() if k != "name"}
    sources = {
        split: datasets.make(checked.data["name"], split, **options)
        for split in (checked.train_split, checked.val_split)
    }
    info = sources[checked.train_split].info
    attempt = record.surroundings(parallel.visible_devices()) | {
        "cores": process.cores(),
        "processes": 1,
        "seeds": {"seed": checked.seed},
    }
    here = {"dataset": record.dataset_entry(info, sources), "attempts": [attempt]}
    then = known(written, record.read_config(workdir), written["attempts"])
    now = known(here, plain(checked.plain), here["attempts"])
    found, unknown = differences(then, now)
    found = (*_edited(workdir, written), *found)
    end = max(a.get("start_step", 0) for a in written["attempts"])
    return Verdict(record.run_id(written), 0, end, None, 0, (), 0, found, unknown)


def _recorded(workdir: Path) -> dict[str, Any]:
    written = record.read(workdir)
    if not written.get("attempts"):
        raise UserError(
            f"{workdir}: holds no run (no {record.RECORD}). Name the --workdir of a "
            "training run."
        )
    return written


def _edited(workdir: Path, written: dict[str, Any]) -> list[Difference]:
    """Whether `config.json` is another than the newest start wrote."""
    then = written["attempts"][-1].get("config_digest", "")
    now = digest(record.read_config(workdir))
    return [Difference("config.json", then, now)] if then not in ("", now) else []


def _settings(workdir: Path, root: str | None) -> dict[str, Any]:
    """The run's config, with its data at `root`."""
    settings = configs.tuples(record.read_config(workdir))
    if root is not None:
        if "root" not in settings["data"]:
            name = settings["data"]["name"]
            raise UserError(f"--root={root}: {name} has no files; leave it out.")
        settings["data"]["root"] = root
    return settings


def _end(workdir: Path, start: int, steps: int) -> int:
    """The last step to run: one of `steps` after `start` that left something.

    Raises:
      UserError: there is nothing between `start` and there.
    """
    done = _evidence(workdir, start)
    if not done:
        raise UserError(
            f"{workdir}: has no line of the log and no saved state after step {start}; "
            "a replay needs one to compare with. Begin earlier, by --from."
        )
    reached = [step for step in done if step <= start + steps]
    if not reached:
        raise UserError(
            f"--steps={steps}: the run logged or saved nothing from step {start + 1} "
            f"to {start + steps}; {min(done) - start} or more steps are needed."
        )
    return max(reached)


def _evidence(workdir: Path, start: int) -> set[int]:
    """Steps after `start` that left a line or the digest of a state."""
    lines = metrics_log.read(workdir / metrics_log.METRICS)
    steps = {row["step"] for row in lines} | set(shelf.noted(workdir / "checkpoints"))
    return {step for step in steps if step > start}


def _carry(workdir: Path, out: Path, start: int) -> None:
    """Give the new run the checkpoint that it begins from.

    Raises:
      UserError: the run has none of that step.
    """
    own, name = workdir / "checkpoints", folder.name(start)
    found = [own / s / name for s in ("latest", "best") if (own / s / name).is_dir()]
    if not found:
        steps = {n for s in ("latest", "best") for n in folder.steps(own / s)}
        raise UserError(
            f"--from={start}: {workdir} has no checkpoint of this step; there are "
            f"{', '.join(map(str, sorted(steps))) or 'none'}, and 0, the beginning."
        )
    shutil.copytree(found[0], out / "checkpoints" / "latest" / name)


def _compared(
    written: dict[str, Any], workdir: Path, out: Path, start: int, end: int
) -> Verdict:
    """The verdict over two run folders."""
    new = record.read(out)
    mine = _took_part(written["attempts"], start, end)
    then = known(written, record.read_config(workdir), mine)
    now = known(new, record.read_config(out), new["attempts"])
    others, unknown = differences(then, now)
    old_trace, new_trace = _trace(mine, start), new["attempts"][0]["trace"]
    pairs = list(zip(old_trace.get("batches", ()), new_trace["batches"], strict=False))
    pairs = [] if start else pairs[:end]
    logs = [rows(f / metrics_log.METRICS, start, end) for f in (workdir, out)]
    found = unequal_batches(pairs) + unequal_rows(*logs)
    old, fresh = shelf.noted(workdir / "checkpoints"), shelf.noted(out / "checkpoints")
    if "state" in old_trace:
        old[start] = old_trace["state"]
    fresh[start] = new_trace["state"]
    states = sorted(s for s in old.keys() & fresh.keys() if start <= s <= end)
    found += [
        Unequal(s, "state", old[s], fresh[s]) for s in states if old[s] != fresh[s]
    ]
    return Verdict(
        run_id=record.run_id(written),
        start=start,
        end=end,
        first=min(found, key=lambda u: u.step, default=None),
        lines=len(logs[0].keys() & logs[1].keys()),
        states=tuple(states),
        batches=len(pairs),
        differences=(*_edited(workdir, written), *others),
        unknown=unknown,
    )


def _took_part(
    attempts: Sequence[dict[str, Any]], start: int, end: int
) -> list[dict[str, Any]]:
    """The starts whose steps, or some of them, are those from `start` to `end`."""
    first = max(
        (i for i, a in enumerate(attempts) if a.get("start_step", 0) <= start),
        default=0,
    )
    later = [a for a in attempts[first + 1 :] if a.get("start_step", 0) < end]
    return [attempts[first], *later]


def _trace(attempts: Sequence[dict[str, Any]], start: int) -> dict[str, Any]:
    """What the first start left to compare; its state only if it began at `start`."""
    trace = dict(attempts[0].get("trace", {}))
    if attempts[0].get("start_step", 0) != start:
        trace.pop("state", None)
    return trace


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:12]}..."
