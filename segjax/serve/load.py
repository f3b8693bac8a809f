"""An exported model in use: from an image of any size to classes, by jax alone.

    from segjax.serve.load import load
    model = load("roads.segjax")
    answer = model.answer(image)    # (H, W, 3) uint8
    answer.ids                      # (H, W) uint8; model.info.class_names tells them

    video = model.stream()          # of a model with a memory
    for frame in frames:
        answer = video.answer(frame)

What goes over the image and what stands behind the network is the code of
`segjax.predict` and `segjax.postprocess`, by which runs are evaluated, too. The network
is a StableHLO program; no code of the file is run.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from segjax.core import opstring
from segjax.core.errors import UserError, raise_problems
from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL
from segjax.core.shapes import Real
from segjax.postprocess import Chain
from segjax.postprocess import parse as parse_steps
from segjax.predict.predictor import Predictor
from segjax.predict.protocol import Protocol
from segjax.predict.protocol import parse as parse_protocol
from segjax.predict.whole import PredictFn, Prediction, prepare
from segjax.serve import check, network, statistics
from segjax.serve.bundle import Bundle, digest
from segjax.serve.description import Description, of, section
from segjax.serve.input import OPS

CONFIG = "config.json"


class Model:
    """An exported model.

    Attributes:
      path: the file.
      sha256: of it.
      about: what it says of itself.
      manifest: all that stands in its manifest: scores, run, data, versions.
      card: the model card, Markdown.
      host_ops: what is done to an image before the network.
      network: the programs.
      variables: the arrays that they take.
      config: of the run, without the places of its data; `{}` if it was not taken
        along.
      statistics: of the images that it learnt from, see `serve.statistics`; `{}` if
        they were not taken along.
      threads: pictures that are read at once.
    """

    threads = 4

    def __init__(self, path: str | Path):
        self.path = Path(path)
        with Bundle(path) as bundle:
            self.manifest = bundle.manifest
            self.about = of(self.manifest, str(path))
            self.host_ops = input_ops(self.about, str(path))
            arrays = [bundle.array(n) for n in bundle.names("parameters/")]
            self.network = network.read(bundle, self.about, arrays)
            self.card = bundle.read("card.md").decode(errors="replace")
            self.config, self.statistics = (
                bundle.json(name) if name in bundle.names() else {}
                for name in (CONFIG, statistics.FILE)
            )
            self._vector = check.read(bundle, self.about)
        self.protocol(None, f"{path}: protocol")
        self.postprocess(None, f"{path}: postprocess")
        self.sha256 = digest(self.path)
        self.variables = jax.device_put(arrays, jax.local_devices()[0])

    @property
    def run_id(self) -> str:
        """Of the run that it was exported from; empty if it does not say."""
        return str(section(self.manifest, "run").get("run_id", ""))

    @property
    def info(self) -> DatasetInfo:
        """The class table."""
        return self.about.info

    def protocol(self, text: str | None = None, where: str = "protocol") -> Protocol:
        """How images are shown to the network: as `text` says, else as the file.

        Raises:
          UserError: the text is no protocol, or of sizes without a program.
        """
        return protocol_of(self.network, self.about, text, where)

    def postprocess(self, text: str | None = None, where: str = "postprocess") -> Chain:
        """What is done to a prediction: as `text` says, else as the file.

        Raises:
          UserError: the text is no chain of steps, or not one for these classes.
        """
        return postprocess_of(self.about, text, where)

    def predictor(
        self,
        *,
        batch_size: int | None = None,
        protocol: Protocol | None = None,
        postprocess: Chain | None = None,
    ) -> Predictor:
        """The way from images to classes.

        Args:
          batch_size: windows a step; None for one.
          protocol: in place of the file's; of `Model.protocol`.
          postprocess: in place of the file's; of `Model.postprocess`.
        """
        return predictor(
            self.network, self.about, batch_size or 1, protocol, postprocess
        )

    def answer(
        self, image: Real[np.ndarray, "H W C"], probabilities: bool = False
    ) -> Prediction:
        """The classes of one image, at its own size.

        Args:
          image: of the channels and depth of `info.pixels`.
          probabilities: whether the answer has those of all classes, too.

        Raises:
          UserError: the image has other channels or another depth.
        """
        predict = self._predict[probabilities]
        (found,) = predict(self.variables, [self.example(image)])
        return found

    def stream(self, probabilities: bool = False) -> "Video":
        """An empty memory, for the frames of one video.

        Raises:
          UserError: the model has none.
        """
        return Video(self, probabilities)

    def check(self) -> check.Checked:
        """Run the picture that the file brings along, beside what it gave there."""
        return check.compare(self.network, self.variables, self.about, self._vector)

    def example(self, image: Real[np.ndarray, "H W C"]) -> dict[str, Any]:
        """An image as `predictor` takes it.

        Raises:
          UserError: the image has other channels or another depth.
        """
        pixels = self.info.pixels
        kind = image.shape[2:], image.dtype.name
        if kind != ((pixels.channels,), pixels.depth) or not image.size:
            raise UserError(
                f"an image is {image.shape} {image.dtype}; {self.about.title} takes "
                f"(height, width, channels) with {pixels}."
            )
        label = np.full(image.shape[:2], IGNORE, np.uint8)
        example = {IMAGE: image, LABEL: label, INDEX: np.int64(0)}
        return prepare(example, self.host_ops)

    @functools.cached_property
    def _predict(self) -> Sequence[PredictFn]:
        own = self.predictor()
        return [own.predict(probabilities=p) for p in (False, True)]


class Video:
    """A video on its way through a model: each frame with the memory of those before.

    A frame of another size than the last one begins with an empty memory.
    """

    def __init__(self, model: Model, probabilities: bool = False):
        self._model = model
        self._walk = model.predictor().walk(probabilities)

    def answer(self, frame: Real[np.ndarray, "H W C"]) -> Prediction:
        """The classes of the next frame, at its own size.

        Raises:
          UserError: the frame has other channels or another depth, or is larger than
            the largest image that there is a program for.
        """
        return self._walk(self._model.variables, self._model.example(frame))


def load(path: str | Path, checked: bool = True) -> Model:
    """Read an exported model and see that it computes here what it did there.

    Args:
      path: the file.
      checked: whether its picture is run first; see `Model.check`.

    Raises:
      UserError: the file is no exported model, is damaged, has no program for this
        platform, or computes something else here.
    """
    model = Model(path)
    if checked and not (found := model.check()).close:
        raise UserError(
            f"{path}: computes something else here than where it was made: {found}. "
            "Update jax, or export it again with this version."
        )
    return model


def input_ops(about: Description, where: str) -> tuple[Any, ...]:
    """What is done to an image before the network.

    Raises:
      UserError: the description names other ops.
    """
    return opstring.parse(about.input_ops, OPS, f"{where}: input_ops")


def protocol_of(
    programs: network.Exported,
    about: Description,
    text: str | None,
    where: str = "protocol",
) -> Protocol:
    """See `Model.protocol`."""
    found = parse_protocol(about.protocol if text is None else text, where)
    raise_problems(found.problems(programs, where))
    return found


def postprocess_of(
    about: Description, text: str | None, where: str = "postprocess"
) -> Chain:
    """See `Model.postprocess`."""
    chain = parse_steps(about.postprocess if text is None else text, where)
    raise_problems(chain.problems(about.info.num_classes, where))
    return chain


def predictor(
    programs: network.Exported,
    about: Description,
    batch_size: int = 1,
    protocol: Protocol | None = None,
    postprocess: Chain | None = None,
) -> Predictor:
    """The way from images to classes of programs that may not be in a file yet."""
    return Predictor(
        network=programs,
        normalize=as_they_are,
        task=about.task,
        num_classes=about.info.num_classes,
        threshold=about.threshold,
        protocol=protocol or protocol_of(programs, about, None),
        postprocess=postprocess_of(about, None) if postprocess is None else postprocess,
        batch_size=batch_size,
    )


def as_they_are(images):
    """The programs normalise."""
    return images
