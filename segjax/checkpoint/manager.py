"""The checkpoints of one run: saving in the background, finding, verifying, choosing.

```
checkpoints/
  latest/00000400/   the newest `keep`: what a run resumes from
    arrays/          orbax's files
    manifest.json    written last; see `manifest`
  best/00000300/     a copy of the one with the highest score: what is evaluated
  quarantine/        damaged ones, moved aside
```
"""

import contextlib
import dataclasses
import json
import logging
import math
import shutil
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax

from segjax import parallel
from segjax.checkpoint import arrays, compare, folder, leaves, manifest, shelf
from segjax.checkpoint.manifest import Damaged, Manifest
from segjax.core.errors import EnvironmentFault, SegjaxError, UserError, raise_problems

SETS = ("latest", "best")
_LISTEN = -9  # below all that process 0 may tell

_log = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints in a folder, each of them committed as a whole or not at all.

    A save returns as soon as the state is safe in memory. A background thread waits
    for orbax, hashes the files, writes the manifest, brings all to the disk and renames
    the folder: without that last step a checkpoint does not exist. If it fails, the
    next call raises.

    With several processes all of them make the same calls; process 0 commits, verifies
    and chooses the step.

    Args:
      directory: `<workdir>/checkpoints`, on a disk that all processes share. Hold the
        lock of the workdir, unless `read_only`: what a killed run left is tidied here.
      keep: how many of the newest to keep; at least 1.
      async_save: False to have `save` return after the commit.
      metric: name of the score, higher is better, that chooses the best.
      read_only: never write, move or delete; for evaluation beside a live run.

    Raises:
      UserError: `keep` is not positive.
      EnvironmentFault: the folder cannot be made.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        keep: int = 2,
        async_save: bool = True,
        metric: str = "miou",
        read_only: bool = False,
    ):
        if keep < 1:
            raise UserError(
                f"checkpoints: keep={keep}; at least 1 is allowed. Raise it."
            )
        self.directory = Path(directory).absolute()
        self.keep, self.metric, self.read_only = keep, metric, read_only
        self._async = async_save
        self._primary = jax.process_index() == 0
        self._orbax = arrays.make_checkpointer()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pending: Future | None = None
        self._saving: int | None = None  # the step of the last save of this process
        if self._primary and not read_only:
            try:
                for which in SETS:
                    (self.directory / which).mkdir(parents=True, exist_ok=True)
                    folder.clean(self.directory / which)
                self._promote_late()
            except OSError as error:
                raise shelf.fault(
                    self.directory, "cannot be prepared", error
                ) from error

    def save(
        self,
        step: int,
        state: Any,
        metrics: Mapping[str, float],
        meta: Mapping[str, Any],
    ) -> None:
        """Start to save `state`, which may be donated as soon as this returns.

        Saving a step again is allowed if the state is the same; it adds the scores.

        Args:
          step: steps taken; not below that of an earlier save.
          state: a tree of arrays.
          metrics: scores of this state; with `self.metric` among them it may become the
            best.
          meta: plain data to keep beside the arrays; see `compare.MUST_AGREE`.

        Raises:
          UserError: a later step is already saved.
          EnvironmentFault: this save could not start, or the one before it failed.
        """
        self._join()
        if self._saving is None:
            self._saving = self._newest()
        if step < self._saving:
            raise UserError(
                f"{self.directory}: step {step} is to be saved, and step "
                f"{self._saving} is there already; steps must rise. Resume from the "
                "newest checkpoint or use another workdir."
            )
        job = self._save_again if step == self._saving else self._commit
        facts = Manifest(
            step,
            {name: float(value) for name, value in metrics.items()},
            json.loads(json.dumps(dict(meta))),  # as it will be read; lists, not tuples
            {},
        )
        host = leaves.host_arrays(state) if self._primary else {}
        if job == self._commit:
            temporary = self._temporary(step)
            try:
                if self._primary:
                    shutil.rmtree(temporary, ignore_errors=True)
                    temporary.mkdir(parents=True)
                arrays.write(self._orbax, temporary, state)
            except OSError as error:
                raise shelf.fault(
                    self.directory, f"step {step} could not be saved", error
                ) from error
        self._saving = step
        self._pending = self._thread.submit(job, facts, host)
        if not self._async:
            self.wait()

    def poll(self) -> None:
        """Raise if a save failed in the background; never waits. Once a step.

        Raises:
          EnvironmentFault: the last save failed.
        """
        if self._pending is not None and self._pending.done():
            self._join()

    def wait(self) -> None:
        """Return when everything is committed, in all processes.

        Raises:
          EnvironmentFault: the last save failed, here or in another process.
        """
        failure = None
        try:
            self._join()
        except SegjaxError as error:
            failure = error
        anywhere = parallel.agree(int(failure is not None))
        if failure is not None:
            raise failure
        if anywhere:
            raise EnvironmentFault(
                f"{self.directory}: another process could not save step "
                f"{self._saving}; its message says why. Start again: the run resumes."
            )

    def close(self) -> None:
        """Wait for the last save and end the background threads.

        Raises:
          EnvironmentFault: the last save failed.
        """
        try:
            self._join()
        finally:
            self._thread.shutdown()
            try:
                self._orbax.close()
            except arrays.FAULTS as error:  # told by the save that it belongs to
                _log.debug("orbax: %s", arrays.first_line(error))

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            self.close()
        except SegjaxError as late:
            if error is None:
                raise
            _log.error("%s", late)  # does not hide what ended the run

    def latest(self) -> int | None:
        """Step of the newest checkpoint to resume from; None for a new run.

        Raises:
          UserError: there are only damaged ones.
        """
        step = self._newest()
        if step == shelf.DAMAGED:
            raise UserError(self._all_damaged("latest"))
        return None if step == shelf.NONE else step

    def best(self) -> tuple[int, float] | None:
        """Step and score of the best checkpoint; None if none was evaluated."""
        found = shelf.committed(self.directory / "best")
        scored = [
            (m.metrics[self.metric], step)
            for step, m in found.items()
            if self.metric in m.metrics
        ]
        if not scored:
            return None
        value, step = max(scored)
        return step, value

    def restore(
        self,
        step: int | None,
        target: Any,
        *,
        meta: Mapping[str, Any] | None = None,
        which: str = "latest",
    ) -> tuple[Any, dict[str, Any], int]:
        """Read a checkpoint whose files and arrays are, bit for bit, what was saved.

        Without `step` a damaged one is moved to `quarantine/`, said in a warning, and
        the one before it is taken.

        Args:
          step: the step, or None for the newest.
          target: tree of arrays or `jax.ShapeDtypeStruct`s; the arrays come back in
            this tree, with the shardings that it names, on any number of devices.
          meta: the run's own; what it shares with the saved one must agree with it.
          which: "latest" or "best".

        Returns:
          (state, saved meta, step).

        Raises:
          UserError: there is none, all are damaged, or it does not fit `target`.
          EnvironmentFault: the disk cannot be read.
        """
        self._join()
        self._saving = None  # what is newest may change below
        wanted = leaves.flatten(target)
        rejected: set[int] = set()
        while True:
            chosen = self._choose(step, which, rejected)
            path = self.directory / which / folder.name(chosen)
            saved = manifest.read(path)
            raise_problems(
                compare.meta_problems(str(path), saved.meta, meta or {})
                + compare.leaf_problems(str(path), saved.leaves, leaves.shapes(target))
            )
            found = arrays.read(path, wanted)
            damage = compare.damage(saved.leaves, found)
            if not parallel.agree(int(damage is not None)):
                treedef = jax.tree.structure(target)
                state = jax.tree.unflatten(treedef, found.values())
                return state, saved.meta, chosen
            rejected.add(chosen)
            if self._primary:
                shelf.discard(
                    path,
                    damage or "arrays: differ in another process",
                    read_only=self.read_only,
                )

    # What the background thread does.

    def _commit(self, facts: Manifest, host: dict[str, Any]) -> None:
        """Turn what orbax stored into a checkpoint, then drop the oldest."""
        temporary, final = self._temporary(facts.step), self._final(facts.step)
        try:
            self._orbax.wait_until_finished()
            if not self._primary:
                return
            facts = dataclasses.replace(facts, leaves=leaves.describe(host))
            manifest.write(temporary, facts)
            if final.exists():  # not committed here, or `save` had seen it
                shelf.discard(final, "its manifest is not valid")
            folder.publish(temporary, final)
        except BaseException:
            if self._primary:
                shutil.rmtree(temporary, ignore_errors=True)
            raise
        shelf.note(self.directory, facts)
        _log.info("%s: committed", final)
        self._promote(facts)
        for step in list(shelf.committed(final.parent))[self.keep :]:
            folder.remove(self._final(step))
        shelf.warn_of_full_disk(final)

    def _save_again(self, facts: Manifest, host: dict[str, Any]) -> None:
        """A step that is already there: it must be the same; it may be the best."""
        if not self._primary:
            return
        facts = dataclasses.replace(facts, leaves=leaves.describe(host))
        if manifest.read(self._final(facts.step)).leaves != facts.leaves:
            raise UserError(
                f"{self._final(facts.step)}: holds another state of this step; the run "
                "is not the one that wrote it. Use another workdir."
            )
        self._promote(facts)

    def _promote(self, facts: Manifest) -> None:
        """Copy the newest checkpoint to the best one, if it has a higher score."""
        score = facts.metrics.get(self.metric, math.nan)
        best = self.best()
        if math.isnan(score) or (best is not None and score <= best[1]):
            return
        final = self.directory / "best" / folder.name(facts.step)
        temporary = final.with_name(final.name + folder.TEMPORARY)
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.copytree(self._final(facts.step), temporary)
            manifest.verify(temporary)
            manifest.write(temporary, facts)
            if final.exists():
                folder.remove(final)
            folder.publish(temporary, final)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        for step in shelf.committed(self.directory / "best"):
            if step != facts.step:
                folder.remove(final.parent / folder.name(step))

    def _promote_late(self) -> None:
        """Do what a run that was killed between commit and promotion had left to do."""
        for facts in shelf.committed(self.directory / "latest").values():
            with contextlib.suppress(Damaged):  # `restore` will find it
                self._promote(facts)

    # How a checkpoint is found.

    def _newest(self) -> int:
        """The newest committed step, the same in all processes."""
        latest = self.directory / "latest"
        return parallel.agree(shelf.newest(latest) if self._primary else _LISTEN)

    def _choose(self, step: int | None, which: str, rejected: set[int]) -> int:
        """The newest whole step, or `step` if whole, the same in all processes."""
        room, mine = self.directory / which, _LISTEN
        if self._primary:
            try:
                mine = shelf.first_whole(room, step, rejected, read_only=self.read_only)
            except OSError as error:
                raise shelf.fault(self.directory, "cannot be read", error) from error
        chosen = parallel.agree(mine)
        if chosen == shelf.DAMAGED and step is None:
            raise UserError(self._all_damaged(which))
        if chosen < 0:
            there = sorted(set(folder.steps(room)) - rejected)
            raise UserError(
                f"{room}: holds no {'whole ' * (chosen == shelf.DAMAGED)}checkpoint"
                f"{'' if step is None else f' of step {step}'}; there "
                f"{f'are steps {there}' if there else 'is none'}. Check the path."
            )
        return chosen

    def _final(self, step: int) -> Path:
        return self.directory / "latest" / folder.name(step)

    def _temporary(self, step: int) -> Path:
        return self.directory / "latest" / (folder.name(step) + folder.TEMPORARY)

    # How trouble is told.

    def _join(self) -> None:
        """Wait for the save in the background and raise what it raised."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        try:
            pending.result()
        except (*arrays.FAULTS, Damaged) as error:
            step, self._saving = self._saving, None
            raise shelf.fault(
                self.directory, f"step {step} could not be saved", error
            ) from error

    def _all_damaged(self, which: str) -> str:
        return (
            f"{self.directory / which}: every checkpoint is damaged; see the warnings "
            f"and {self.directory / folder.QUARANTINE}. Start in another workdir, from "
            "the weights of another checkpoint or from scratch."
        )
