"""What can predict: the folder of a run, or the file of an exported model.

Commands ask for either by its path and go on as if there were one kind. Both have what
`Predictable` lists; `parts` makes of a file what evaluation asks of a run.
"""

import dataclasses
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from segjax import config as configs
from segjax import parts as all_parts
from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.core.pixels import Pixels
from segjax.parts import Parts
from segjax.postprocess import Chain
from segjax.predict.predictor import Predictor
from segjax.predict.protocol import Protocol as Shown
from segjax.report import record
from segjax.serve.bundle import Bundle
from segjax.serve.description import of, section
from segjax.serve.load import Model, as_they_are
from segjax.serve.load import load as load_model


@runtime_checkable
class Predictable(Protocol):
    """A run or an exported model, as those see it who predict with it.

    Attributes:
      info: the class table and the kind of images.
      host_ops: what is done to an image before the network, on the host.
      threads: pictures that are read at once.
      run_id: of the run; empty if that is not known.
    """

    info: DatasetInfo
    run_id: str
    host_ops: tuple[Any, ...]
    threads: int

    def protocol(self, text: str | None = None, where: str = ...) -> Shown:
        """How images are shown to the network: as `text` says, else as usual."""

    def postprocess(self, text: str | None = None, where: str = ...) -> Chain:
        """What is done to a prediction: as `text` says, else as usual."""

    def predictor(
        self,
        *,
        batch_size: int | None = None,
        protocol: Shown | None = None,
        postprocess: Chain | None = None,
    ) -> Predictor:
        """The way from images to classes."""


def is_file(path: Path) -> bool:
    """Whether a path names an exported model rather than the folder of a run."""
    return path.is_file()


def load(path: Path, which: str = "best") -> tuple[Predictable, Any, int]:
    """What predicts, its variables and the train step that they are of.

    Args:
      path: folder of a run, or file of an exported model.
      which: weights of a run, `best` or `latest`.

    Raises:
      UserError: there is neither, or it is damaged.
    """
    if not is_file(path):
        return all_parts.load(path, which)
    model = load_model(path)
    return model, model.variables, step_of(model)


def pixels(path: Path) -> Pixels:
    """The kind of images that it takes, without waking a device.

    Raises:
      UserError: the file is no exported model.
    """
    if not is_file(path):
        return record.pixels(path)
    with Bundle(path) as bundle:
        return of(bundle.manifest, str(path)).info.pixels


def recorded(path: Path) -> dict[str, Any]:
    """The splits that it learnt from and was scored on, as `record.json` has them."""
    if not is_file(path):
        return record.read(path).get("dataset", {}).get("splits", {})
    with Bundle(path) as bundle:
        splits = section(section(bundle.manifest, "run"), "splits")
    known = [split for split in splits.values() if isinstance(split, dict)]
    return {split.get("name", ""): split for split in known}


def parts(path: Path, which: str = "best") -> tuple[Parts, Any, int]:
    """The parts by which it is evaluated, its variables and their step.

    The parts of an exported model are those of its run, by the config that it brings
    along, with its programs in the place of the network, and its own protocol and
    steps.

    Raises:
      UserError: as `load`; or the config is of another version of segjax.
    """
    if not is_file(path):
        return all_parts.load(path, which)
    model = load_model(path)
    about = model.about
    if not model.config:
        raise UserError(
            f"{path}: has no config, by which its data are read. Export it again."
        )
    own = configs.resolve(model.config)
    made = all_parts.make(own, model.info)
    made = dataclasses.replace(
        made.evaluated(protocol=about.protocol, postprocess=about.postprocess),
        model=model.network,
        normalize=as_they_are,
        run_id=model.run_id,
    )
    return made, model.variables, step_of(model)


def step_of(model: Model) -> int:
    """The train step of the weights of an exported model; 0 if it does not say."""
    step = section(model.manifest, "run").get("step", 0)
    return step if type(step) is int else 0
