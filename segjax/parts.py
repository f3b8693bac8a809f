"""What a checked config is made into: data, model, the way to predict and to score.

Training, evaluation and prediction share these parts, so the number in a table is the
behaviour of what ships.
"""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax

from segjax import checkpoint, parallel
from segjax import config as configs
from segjax.core.errors import UserError, raise_problems
from segjax.core.info import DatasetInfo
from segjax.data import datasets
from segjax.data.ops import Normalize
from segjax.data.source import Source
from segjax.evaluate import files, split
from segjax.evaluate.split import Evaluation
from segjax.metrics.measure import OnDevice
from segjax.predict import path
from segjax.predict import protocol as protocols
from segjax.predict.decide import Judge, make_judge
from segjax.predict.protocol import Protocol
from segjax.predict.refined import make_refined
from segjax.predict.stream import make_stream
from segjax.predict.whole import LossFn, PredictFn
from segjax.report import record


@dataclasses.dataclass(frozen=True)
class Parts:
    """A config, the class table that it is about, and the model.

    Attributes:
      config: the checked config.
      info: the class table.
      model: the network, without parameters.
      normalize: what pixels go through before the network; a config's `'data'` stands
        here as numbers, once they are known.
      run_id: of the run that they are the parts of; empty before it is recorded.
    """

    config: configs.Config
    info: DatasetInfo
    model: nn.Module
    normalize: Normalize
    run_id: str = ""

    @property
    def meta(self) -> dict[str, Any]:
        """What a checkpoint must share with the run that restores it."""
        return {
            "model": self.config.model["name"],
            "task": self.config.task,
            "class_names": list(self.info.class_names),
            "normalize": self.normalize.numbers(),
            "pixels": dataclasses.asdict(self.info.pixels),
        }

    def evaluated(self, **changes: Any) -> "Parts":
        """The same with other values of the config's section `evaluate`.

        Raises:
          UserError: they are none of this section, or not for these classes.
        """
        plain = self.config.plain
        section = {**plain.get("evaluate", {}), **changes}
        checked = configs.resolve({**plain, "evaluate": section})
        return dataclasses.replace(make(checked, self.info), **self._learnt())

    def _learnt(self) -> dict[str, Any]:
        """What does not come of the config alone."""
        return {"normalize": self.normalize, "run_id": self.run_id}

    def source(
        self, split: str, root: str | None = None, video: bool = False
    ) -> Source:
        """A split of the data set.

        Args:
          split: its name.
          root: folder of the data, if it is not the config's.
          video: every frame of its videos, in order, in place of clips.

        Raises:
          UserError: the files are not as they must be, or their classes are not those
            of the run.
        """
        options = {"split": split, **self.config.data}
        if root is not None:
            options["root"] = root
        if video:
            options["video"] = True
        if root is not None or video:
            kwargs = {k: v for k, v in options.items() if k not in ("name", "split")}
            raise_problems(
                datasets.DATASETS.problems("config.data", options["name"], kwargs)
            )
        source = datasets.make(**options)
        if source.info.class_names != self.info.class_names:
            raise UserError(_other_classes(source, self.info))
        if source.info.pixels != self.info.pixels:
            raise UserError(
                f"{source!r}: its images have {source.info.pixels}; the run learnt "
                f"from {self.info.pixels}. Name data of the same kind."
            )
        return source

    def protocol(self, text: str | None = None, where: str = "--protocol") -> Protocol:
        """How images are shown to the network: as `text` says, else as the config.

        Raises:
          UserError: the text is no protocol, or not one for this model.
        """
        if text is None:
            return self.config.protocol
        found = protocols.parse(text, where)
        raise_problems(found.problems(self.model, where))
        return found

    def predict(
        self,
        loss: LossFn | None = None,
        batch_size: int | None = None,
        protocol: Protocol | None = None,
        probabilities: bool = False,
    ) -> PredictFn:
        """The one path from images to classes; see `predict.path`.

        The config's steps of post-processing stand behind the network.

        Args:
          loss: computed of each image, where the protocol is `whole()`.
          batch_size: images or windows a step, in place of the config's.
          protocol: in place of the config's.
          probabilities: whether predictions have those of all classes, too.
        """
        predict = path.make(
            self.model,
            protocol or self.config.protocol,
            normalize=self.normalize,
            judge=self._judge(probabilities),
            batch_size=batch_size or self.config.evaluate.batch_size,
            task=self.config.task,
            loss=loss,
        )
        return self._refined(predict, probabilities)

    def stream(
        self,
        videos: Sequence[str],
        protocol: Protocol | None = None,
        probabilities: bool = False,
    ) -> PredictFn:
        """The path from the frames of videos to classes, with a memory.

        Args:
          videos: of each example the name of its video; see `predict.stream`.
          protocol: in place of the config's.
          probabilities: whether predictions have those of all classes, too.

        Raises:
          UserError: the model has no memory, or the protocol is another than
            `whole()`, as a memory is of whole frames.
        """
        name = (protocol or self.config.protocol).name
        if name != "whole()":
            raise UserError(
                f"--stream: shows whole frames, and the protocol is {name}. Add "
                "--protocol 'whole()', or leave --stream out."
            )
        predict = make_stream(
            self.model,
            normalize=self.normalize,
            judge=self._judge(probabilities),
            videos=videos,
        )
        return self._refined(predict, probabilities)

    def _refined(self, predict: PredictFn, probabilities: bool) -> PredictFn:
        """The same with the config's steps behind it."""
        chain = self.config.postprocess
        if not chain:
            return predict
        return make_refined(
            predict,
            chain,
            num_classes=self.info.num_classes,
            threshold=self.config.evaluate.threshold,
            keep=probabilities,
        )

    def _judge(self, probabilities: bool) -> Judge:
        """What is made of logits, by every way to predict."""
        K, counters = self.info.num_classes, {}
        for measure in self.config.measures.values():
            if isinstance(measure, OnDevice):
                counters |= measure.counters(K)
        return make_judge(
            self.config.task,
            K,
            self.config.evaluate.threshold,
            counters,
            probabilities or self.config.postprocess.of_shares,
        )

    def evaluate(
        self,
        predict: PredictFn,
        variables: Any,
        source: Source,
        *,
        split_name: str,
        step: int,
        protocol: Protocol | None = None,
        convention: str | None = None,
        by_video: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Evaluation:
        """A whole split, each image once; every process takes part.

        `protocol` is the one that `predict` was made with, if it is not the config's.
        """
        return split.run(
            predict,
            variables,
            source,
            self.config.eval_ops[0],
            split=split_name,
            step=step,
            num_classes=self.info.num_classes,
            protocol=(protocol or self.config.protocol).name,
            postprocess=str(self.config.postprocess),
            convention=convention or self.config.evaluate.convention,
            threads=self.config.input.threads,
            by_video=by_video,
            measures=self.config.measures,
            progress=progress,
        )

    def write_scores(
        self, folder: Path, evaluation: Evaluation, source: Source
    ) -> None:
        """`SPLIT.json` and `SPLIT_images.jsonl` in `folder`."""
        files.write_scores(folder, evaluation, source, self.info, run_id=self.run_id)

    def write_report(
        self,
        folder: Path,
        evaluation: Evaluation,
        predict: PredictFn,
        variables: Any,
        source: Source,
        by_video: bool = False,
    ) -> None:
        """Scores and rows of images under `evaluation/`; pictures.

        `pictures/` is of the validation split; that of another split is in
        `evaluation/SPLIT_pictures/`.
        """
        self.write_scores(folder / "evaluation", evaluation, source)
        split = evaluation.split
        validation = split == self.config.val_split
        place = "pictures" if validation else f"evaluation/{split}_pictures"
        files.plot(folder / place, evaluation, self.info)
        files.draw(
            folder / place,
            evaluation,
            source,
            self.info,
            predict=predict,
            variables=variables,
            host_ops=self.config.eval_ops[0],
            rows=self.config.evaluate.pictures,
            by_video=by_video,
        )


def make(checked: configs.Config, info: DatasetInfo) -> Parts:
    """The parts of a config.

    Raises:
      UserError: the class table does not fit the task, or the ops the pixels.
    """
    K = info.num_classes
    if checked.task == "binary" and K != 2:
        raise UserError(
            f"config.task='binary': {info.name} has {K} classes and binary takes 2, "
            "background and foreground. Use task='multiclass' or declare 2 classes."
        )
    raise_problems(
        configs.pixel_problems(checked.input, info.pixels)
        + checked.postprocess.problems(K, "config.evaluate.postprocess")
    )
    model = configs.make_model(checked.model, 1 if checked.task == "binary" else K)
    return Parts(checked, info, model, checked.eval_ops[1])


def load(workdir: Path, which: str = "best") -> tuple[Parts, Any, int]:
    """The parts, variables and step of a trained run, from its folder alone.

    The folder's JSON is read; no config file is executed and no data set is needed.

    Args:
      workdir: a run folder.
      which: weights, `best` or `latest`.

    Raises:
      UserError: the folder holds no run, no checkpoint or only damaged ones.
    """
    written = record.read(workdir)
    if not written:
        raise UserError(
            f"{workdir}: holds no run (no {record.RECORD}). Name the --workdir of a "
            "training run."
        )
    checked = configs.resolve(record.read_config(workdir))
    parts = make(checked, record.dataset_info(written["dataset"]))
    parts = dataclasses.replace(parts, run_id=record.run_id(written))
    weights = checkpoint.read_weights(workdir / "checkpoints", which=which)
    if parts.normalize.from_data:
        numbers = configs.tuples(weights.meta["normalize"])
        parts = dataclasses.replace(parts, normalize=Normalize(**numbers))
    mesh = parallel.local_mesh()
    variables = jax.device_put(weights.variables, parallel.replicated(mesh))
    return parts, variables, weights.step


def _other_classes(source: Source, own: DatasetInfo) -> str:
    theirs, ours = source.info.class_names, own.class_names
    changes = [
        f"{k} is {a!r} there and {b!r} in the run"
        for k, (a, b) in enumerate(itertools.zip_longest(theirs, ours))
        if a != b
    ]
    more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
    return (
        f"{source!r}: its classes are not those that the run learnt: "
        f"{'; '.join(changes[:3])}{more}. Name data with the run's class table."
    )
