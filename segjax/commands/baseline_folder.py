"""The folder of a baseline: like that of a run, and kept while nothing changes."""

import contextlib
import dataclasses
import hashlib
import resource
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from segjax import baselines
from segjax.commands import answer
from segjax.config import Config
from segjax.core.errors import UserError
from segjax.data.annotators import Annotated
from segjax.data.source import Source
from segjax.evaluate import files
from segjax.evaluate import split as evaluate
from segjax.predict import ids
from segjax.report import count, energy, page, record
from segjax.report.files import plain, read_json, write_json

KIND = "baseline"
"""`kind` in the record; that of a training run has none."""

SHARED = ("seed", "task", "data", "evaluate")
"""Sections of a config that a baseline takes too; its own stands as `model`."""


def row(
    folder: Path,
    method: Any,
    *,
    checked: Config,
    training: Source,
    fitted_on: int,
    validation: Source,
    second: Annotated | None,
) -> dict[str, Any]:
    """What a table says of a baseline, which is made if it is not there yet.

    Args:
      folder: of this baseline, named as it is.
      method: an entry of `BASELINES` with its options; None for the annotator.
      checked: the config.
      training: the split to fit on.
      fitted_on: how many of its images.
      validation: the split to score.
      second: the second annotations, for the annotator.

    Raises:
      UserError: the data cannot be read, or a method cannot take them.
    """
    if method is None:
        split, source, sources = second.split, second.source, {}
    else:
        split, source = checked.val_split, validation
        sources = {checked.train_split: training}
    made_from = {
        "kind": KIND,
        "name": folder.name,
        "arguments": dataclasses.asdict(method) if method else {},
        "fitted_on": fitted_on,
        "seed": checked.seed,
        "split": split,
        "convention": checked.evaluate.convention,
        "code_digest": _code_digest(),
        "dataset": record.dataset_entry(training.info, {**sources, split: source}),
        "versions": record.versions(),
    }
    made_from = plain(made_from)
    kept = _is_made(folder, made_from)
    if not kept:
        reply = _annotator(second) if method is None else None
        job = _Job(folder, made_from, checked, source)
        job.make(lambda progress: reply or _fit(method, training, made_from, progress))
    facts = record.read(folder)["attempts"][-1]
    scores = read_json(folder / "evaluation" / f"{split}.json")
    return {
        "name": folder.name,
        "kept": kept,
        "folder": folder,
        **{k: scores[k] for k in ("split", "num_images", "summary", "classes")},
        "convention_sentence": scores["convention_sentence"],
        **{k: facts[k] for k in ("fit_seconds", "predict_seconds", "peak_rss_mb")},
        "learnt": facts["learnt"],
    }


def refuse_other(folder: Path) -> None:
    """Refuse a folder that holds something else than a baseline.

    Raises:
      UserError: naming it.
    """
    answer.raise_unless_folder("--out", folder)
    empty = not folder.exists() or not any(folder.iterdir())
    if not empty and record.read(folder).get("kind") != KIND:
        raise UserError(
            f"{folder}: holds something else than a baseline, which would be written "
            "over. Name another --out."
        )


@dataclasses.dataclass(frozen=True)
class _Reply:
    """What answers an example, and what it learnt before."""

    ids: ids.Reply
    learnt: Mapping[str, Any]


def _annotator(second: Annotated) -> _Reply:
    return _Reply(lambda e: second.second(int(e["index"])), {"who": second.who})


def _fit(method: Any, training: Source, made_from: Mapping, progress) -> _Reply:
    limited = baselines.Limited(training, made_from["fitted_on"], made_from["seed"])
    fitted = method.fit(limited, seed=made_from["seed"], progress=progress)
    return _Reply(lambda e: fitted(baselines.frame(e)[0]), fitted.facts)


@dataclasses.dataclass(frozen=True)
class _Job:
    """What makes a folder."""

    folder: Path
    made_from: dict[str, Any]
    checked: Config
    source: Source

    def make(self, fit: Callable[[Any], _Reply]) -> None:
        """Fit, predict each image once, write all files; the record says how it ended.

        Args:
          fit: from a progress to what answers.
        """
        for stale in ("evaluation", "pictures"):
            shutil.rmtree(self.folder / stale, ignore_errors=True)
        model = {"name": self.made_from["name"], **self.made_from["arguments"]}
        known = self.checked.plain
        begin = time.monotonic()
        record.write(
            self.folder,
            config={k: known[k] for k in SHARED if k in known} | {"model": model},
            argv=sys.argv,
            devices=["cpu"],
            seeds={"seed": self.made_from["seed"]},
            dataset=self.made_from["dataset"],
        )
        path = self.folder / record.RECORD
        write_json(path, {**record.read(self.folder), **self.made_from})
        code, reason, facts = 1, "", {}
        _forget_peak()
        try:
            facts = self._score(fit)
            code, reason = 0, "done"
        except SystemExit as stopped:  # by a signal
            code, reason = stopped.code, "stopped"
            raise
        except BaseException as error:
            code, reason = getattr(error, "exit_code", 1), str(error) or repr(error)
            raise
        finally:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            seconds = time.monotonic() - begin
            record.finish(self.folder, code, reason, seconds, peak, **facts)
        page.write(self.folder)

    def _score(self, fit: Callable[[Any], _Reply]) -> dict[str, Any]:
        name, split = self.made_from["name"], self.made_from["split"]
        info = self.source.info
        begin = time.monotonic()
        with count.shown(f"fitting {name}") as update, energy.Meter() as meter:
            reply = fit(update)
            taken = meter.facts()
        fitted = time.monotonic()
        predict = ids.make_predict(reply.ids, info.num_classes)
        with count.shown(f"{name} on {split}") as update:
            result = evaluate.run(
                predict,
                None,
                self.source,
                (),
                split=split,
                step=0,
                num_classes=info.num_classes,
                convention=self.checked.evaluate.convention,
                threads=self.checked.input.threads,
                progress=update,
            )
        predicted = time.monotonic()
        files.write_scores(self.folder / "evaluation", result, self.source, info)
        files.draw(
            self.folder / "pictures",
            result,
            self.source,
            info,
            predict=predict,
            variables=None,
            host_ops=(),
            rows=self.checked.evaluate.pictures,
        )
        return {
            "fit_seconds": round(fitted - begin, 3),
            "predict_seconds": round(predicted - fitted, 3),
            "energy": taken,
            "learnt": dict(reply.learnt),
        }


def _is_made(folder: Path, made_from: Mapping[str, Any]) -> bool:
    """Whether the folder holds the result of just this."""
    known = record.read(folder)
    return (
        {key: known.get(key) for key in made_from} == made_from
        and known["attempts"][-1].get("exit_code") == 0
        and (folder / "evaluation" / f"{made_from['split']}.json").exists()
    )


def _code_digest() -> str:
    """sha256 over the methods' own code: another commit may leave it as it is."""
    digest = hashlib.sha256()
    for path in sorted(Path(baselines.__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _forget_peak() -> None:
    """Count the peak of memory anew, where the system can; else since the start."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
