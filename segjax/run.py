"""The composition root of training: a config -> parts -> a run in its folder.

Order of a start: the config is checked, the cluster joined, the folder locked and
compared with the config, the data audited. Beside the audit the first state is made and
the step is compiled, as they depend on the content of no image.
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import os
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from segjax import checkpoint, config, guards, losses, optim, parallel, parts, process
from segjax.core import cache, heap
from segjax.core.errors import SegjaxError, Stopped, raise_problems
from segjax.core.state import TrainState
from segjax.data import datasets, pipeline, sampling, statistics
from segjax.data.audit import start as audit
from segjax.data.source import Source
from segjax.evaluate import measuring, words
from segjax.evaluate.pace import Pace
from segjax.evaluate.split import Evaluation
from segjax.metrics import scores
from segjax.nn import onednn
from segjax.optim import fused
from segjax.report import count, energy, page, panel, record
from segjax.report.journal import Journal, Silent
from segjax.train import compiled, cost, init, lock, loop, memory, signals, trace
from segjax.train.program import Program
from segjax.train.window import Window

AUGMENTED = 12
"""Augmented samples in the picture of the first batches."""


def train(
    settings: Mapping | ConfigDict,
    *,
    workdir: Path,
    cluster: tuple,
    argv: list[str],
    stop_at: int | None = None,
    validation: Mapping | None = None,
    facts: Mapping | None = None,
) -> int:
    """Train to the end or until a signal; returns the exit code.

    The same call resumes a run that was stopped or killed. While it trains, a run is
    validated, and its best weights are chosen, by what the network says; the steps of
    `config.evaluate.postprocess` stand behind the best weights alone.

    Args:
      settings: the config, a ConfigDict or plain dicts.
      workdir: the run folder, made if absent.
      cluster: coordinator, number of processes, this process's number; None to detect.
      argv: the command line, for the record.
      stop_at: a step at which to stop as if SIGTERM had come.
      validation: the section `evaluate` while it trains; None for the config's own.
      facts: more to keep in the record of this start.

    Raises:
      SegjaxError: see `core.errors` for the kinds and their exit codes.
    """
    begin = time.monotonic()
    process.prepare()
    checked = config.resolve(settings)
    onednn.build_ahead()
    fused.build_ahead()
    parallel.initialize(parallel.cluster(os.environ, *cluster))
    writer = parallel.process_index() == 0
    held = lock.hold(workdir) if writer else contextlib.nullcontext()
    with held, energy.Meter() as meter:
        guards.refuse_other_config(workdir, checked)
        code, reason, job = 0, "done", None
        try:
            job = _Run(checked, workdir, writer, begin, validation)
            job.train(argv, stop_at, facts or {})
        except SegjaxError as error:
            code, reason = error.exit_code, str(error)
            raise
        except BaseException as error:
            code, reason = 1, repr(error)
            raise
        finally:
            if job is not None and job.recorded:
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                seconds = time.monotonic() - begin
                taken = meter.facts(jax.default_backend() == "gpu", jax.process_count())
                ended = job.ended() | {"energy": taken}
                record.finish(workdir, code, reason, seconds, peak, **ended)
                page.write(workdir)
    return code


class _Run:
    """The parts of a training run and what connects them."""

    def __init__(
        self,
        checked: config.Config,
        workdir: Path,
        writer: bool,
        begin: float,
        section: Mapping | None = None,
    ):
        self.config, self.workdir = checked, workdir
        self.writer, self.begin, self.section = writer, begin, section
        self.stages: dict[str, float] = {}  # what was done when, in seconds
        self.compiled_before = compiled.counts()
        self.recorded = False  # whether this start stands in the record
        self.newest: Evaluation | None = None
        self.pace: Pace | None = None  # of the last evaluation, if it is a further one
        self.ledger: checkpoint.Ledger | None = None  # of weights from elsewhere
        options = {"split": checked.train_split, **checked.data}
        self.training: Source = datasets.make(**options)
        self.validation: Source = datasets.make(
            **{**options, "split": checked.val_split}
        )
        measuring.refuse_stills(checked.measures, self.validation)
        self.checks = (workdir / "checks", cache.shared())
        self.parts = parts.make(checked, self.training.info)
        K = self.parts.info.num_classes
        raise_problems(losses.problems(checked.loss, checked.task, num_classes=K))
        self.tx, self.schedule = optim.make(
            num_steps=checked.train.num_steps, **checked.optim
        )
        self.first_state = init.FirstState(
            checked,
            self.parts.model,
            self.tx,
            channels=self.parts.info.pixels.channels,
            folder=workdir / "checkpoints",
        )
        self.draw, self.program = None, None
        late = self.parts.normalize.from_data or checked.sampler is not None
        if self.first_state.ahead and not late:
            self.program = self._program()
        self.class_weights = losses.class_weights(checked.loss, self._audit())
        self.loss = losses.make(checked.loss, checked.task, self.class_weights)
        self._mark("audited")
        known, options = (
            (self.training, self.checks),
            {"threads": checked.input.threads},
        )
        normalize = statistics.filled(self.parts.normalize, *known, **options)
        self.parts = dataclasses.replace(self.parts, normalize=normalize)
        self.draw = self._draw()
        self.judge = self.parts.evaluated(section, postprocess="")
        self.predict = self.judge.predict(self.loss)

    def train(self, argv: list[str], stop_at: int | None, facts: Mapping) -> None:
        """From the newest checkpoint, or from nothing, to the end."""
        options = self.config.train
        guards.refuse_disagreement(self.config, self.training, self.validation)
        folder = self.workdir / "checkpoints"
        with (
            checkpoint.Checkpoints(folder, keep=options.keep) as checkpoints,
            concurrent.futures.ThreadPoolExecutor(1) as beside,
        ):
            target = self.first_state.target
            done = checkpoints.latest() == options.num_steps
            if done and record.ever_finished(self.workdir):  # not killed in its report
                checkpoints.restore(None, target, meta=self.parts.meta)  # does it fit?
                last = f"finished at step {options.num_steps}"
                print(f"{self.workdir}: {last}; nothing to do.")
                return
            program = self.program or self._program()
            state, window = self._start(checkpoints, target)
            start, first = int(state.step), trace.first(self._batches, AUGMENTED)
            if self.writer:
                traced = trace.facts(first, state, program.lowered)
                macs = cost.facts(self.parts.model, target, first[0])
                self._write_record(argv, state, trace=traced, gmac=macs, **facts)
            drawn = beside.submit(self._draw_batches, first)
            step = memory.watched(program.given(self.class_weights))
            heap.give_back()
            # A signal before this ends the process at once: there is nothing to save.
            with signals.catch() as stop_requested, self._journal(start) as journal:
                try:
                    state = loop.run(
                        state,
                        step=step,
                        batches=functools.partial(
                            self._batches, workers=self.config.input.workers
                        ),
                        evaluate=functools.partial(self._evaluate, journal),
                        save=functools.partial(self._save, journal, checkpoints),
                        poll=checkpoints.poll,
                        journal=journal,
                        learning_rate=self.schedule,
                        stop_requested=stop_requested,
                        name=self.training.name,
                        window=window,
                        mesh=program.mesh,
                        batch_size=self.config.input.batch_size,
                        num_steps=options.num_steps,
                        log_every=options.log_every,
                        eval_every=options.eval_every,
                        save_every=options.save_every,
                        max_skipped_steps=options.max_skipped_steps,
                        stop_at=stop_at,
                    )
                except Stopped:
                    checkpoints.wait()
                    raise
                checkpoints.wait()
            drawn.result()
            self._report(checkpoints, state)

    def _audit(self) -> np.ndarray:
        """The pixels of each class in the training masks, and what to know of them."""
        with count.shown("auditing the data") as update:
            found = audit.run(
                (self.training, self.validation),
                **dataclasses.asdict(self.config.audit),
                cache=self.checks,
                threads=self.config.input.threads,
                progress=update,
            )
        for line in found.lines if self.writer else ():
            print(line)
        return found.surveys[0].pixel_counts()

    def _draw(self) -> sampling.Draw | None:
        """Which training examples come more often than others."""
        if (sampler := self.config.sampler) is None:
            return None
        present = sampling.presence(self.training, self.checks)
        return sampling.Draw.of(sampler.weights(present))

    def _batches(self, start: int, **options):
        """This process's part of the training batches from step `start` on."""
        return pipeline.train_batches(
            self.training,
            self.config.train_ops[0],
            seed=self.config.seed,
            batch_size=self.config.input.batch_size,
            start_step=start,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
            draw=self.draw,
            **{"threads": self.config.input.threads, **options},
        )

    def _program(self) -> Program:
        """The step, begun to be compiled."""
        mesh = parallel.make_mesh()
        guards.refuse_batch_size(self.config.input.batch_size, mesh.size)
        process.keep_compiled()
        begun = Program(
            self.parts,
            self.tx,
            mesh=mesh,
            read=lambda: trace.first(self._batches, 1, threads=1, prefetch=1)[0],
            target=lambda: self.first_state.target,
        )
        begun.compiled.add_done_callback(lambda _: self._mark("compiled"))
        return begun

    def _start(self, checkpoints, target: TrainState) -> tuple[TrainState, Window]:
        """The state to train from, and what an interrupted run had not logged."""
        window = Window(self.parts.info.num_classes)
        if checkpoints.latest() is not None:
            state, notes, at = checkpoints.restore(None, target, meta=self.parts.meta)
            window.from_json(notes["window"])
            print(f"resuming at step {at} of {self.config.train.num_steps}")
        else:
            state, self.ledger = self.first_state.fresh(self.parts.meta)
            if self.ledger:
                print(checkpoint.format_ledger(self.ledger))
        self._mark("state")
        return state, window

    def _draw_batches(self, first: list[trace.Batch]) -> None:
        """What the network sees first, as a picture."""
        if self.writer:
            picture = self.workdir / "pictures" / "augmented.png"
            panel.batches(first, AUGMENTED, self.parts.info, picture)

    def _evaluate(self, journal, state: TrainState, at: int) -> dict[str, float]:
        begin = time.monotonic()
        self.newest = result = self._score(self.judge, self.predict, state, at)
        summary = result.summary()
        each = scores.iou(result.counts)
        if self.writer:  # the newest; the best weights have the last word
            folder = self.workdir / "evaluation"
            self.judge.write_scores(folder, result, self.validation)
        names = self.parts.info.class_names
        rows = {f"iou/{name}": iou for name, iou in zip(names, each, strict=True)}
        journal.validation(at, summary | rows, time.monotonic() - begin)
        heap.give_back()
        return summary

    def _score(self, parts, predict, state: TrainState, at: int, progress=None):
        return parts.evaluate(
            predict,
            state.variables(),
            self.validation,
            split_name=self.config.val_split,
            step=at,
            progress=progress,
        )

    def _save(self, journal, checkpoints, at, state, summary, notes) -> None:
        journal.sync()
        checkpoints.save(at, state, summary, {**self.parts.meta, **notes})

    def _report(self, checkpoints, state: TrainState) -> None:
        """Print the table of the best weights and leave their pictures."""
        best = checkpoints.best()  # None if no evaluation gave a number
        at = best[0] if best else int(state.step)
        if at != int(state.step):
            state, _, _ = checkpoints.restore(at, state, which="best")
        predict, result = self.predict, self.newest
        if self.parts.config.evaluate != self.judge.config.evaluate:
            predict, result, self.pace = self.parts.predict(self.loss), None, Pace()
        if result is None or result.step != at:
            result = self._score(self.parts, predict, state, at, self.pace)
        if not self.writer:
            return
        self.parts.write_report(
            self.workdir, result, predict, state.variables(), self.validation
        )
        info, name = self.parts.info, self.config.val_split
        print(f"\n{name} of {info.name}, best weights (step {at}), by {result.way}:\n")
        print(words.tables(result, info))
        print(f"\nPictures and all else: {self.workdir / 'index.html'}")

    def _journal(self, start: int):
        if not self.writer:
            return Silent()
        return Journal(
            self.workdir,
            num_steps=self.config.train.num_steps,
            start_step=start,
            begin=self.begin,
            stages=self.stages,
        )

    def _mark(self, stage: str) -> None:
        self.stages[stage] = round(time.monotonic() - self.begin, 3)

    def ended(self) -> dict[str, Any]:
        """How often this run compiled, and the speed of what its config predicts by."""
        found = compiled.counts() - self.compiled_before
        facts = {"compilations": {name: found[name] for name in ("step", "forward")}}
        return facts | ({"images_per_s": self.pace.images_per_s} if self.pace else {})

    def _write_record(self, argv: list[str], state: TrainState, **facts) -> None:
        names = (self.config.train_split, self.config.val_split)
        sources = dict(zip(names, (self.training, self.validation), strict=True))
        run_id = record.write(
            self.workdir,
            config=self.config.plain,
            argv=argv,
            devices=parallel.visible_devices(),
            seeds={"seed": self.config.seed},
            dataset=record.dataset_entry(self.parts.info, sources),
            facts={
                "start_step": int(state.step),
                "processes": jax.process_count(),
                "cores": process.cores(),
                "convolutions": onednn.absent() or "oneDNN",
                **({"adam": fused.absent() or "one pass"} if self.tx.adam else {}),
                "parameters": init.count_parameters(state.params),
                "normalize": self.parts.normalize.numbers(),
                **({"class_weights": self.class_weights} if self.class_weights else {}),
                "running_statistics": init.count_parameters(state.batch_stats),
                **({"init_from": self.ledger.facts()} if self.ledger else {}),
                **({"validation": self.section} if self.section else {}),
                **facts,
            },
        )
        self.parts = dataclasses.replace(self.parts, run_id=run_id)
        self.judge = dataclasses.replace(self.judge, run_id=run_id)
        self.recorded = True
