"""An exported model in use: from an image of any size to classes, by jax alone.

    from segjax.serve.load import load
    model = load("roads.segjax")
    answer = model.answer(image)    # (H, W, 3) uint8
    answer.ids                      # (H, W) uint8; model.info.class_names tells them

What goes over the image and what stands behind the network is the code of
`segjax.predict` and `segjax.postprocess`, by which runs are evaluated, too. The network
is a StableHLO program; no code of the file is run.
"""

import functools
from collections.abc import Sequence
from pathlib import Path

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
from segjax.serve import check, network
from segjax.serve.bundle import Bundle, digest
from segjax.serve.description import of
from segjax.serve.input import OPS


class Model:
    """An exported model.

    Attributes:
      path: the file.
      sha256: of it.
      about: what it says of itself.
      manifest: all that stands in its manifest: metrics, run, data, versions.
      card: the model card, Markdown.
      host_ops: what is done to an image before the network.
      network: the programs.
      variables: the arrays that they take.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        with Bundle(path) as bundle:
            self.manifest = bundle.manifest
            self.about = of(self.manifest, str(path))
            self.card = bundle.read("card.md").decode(errors="replace")
            self.network = network.read(bundle, self.about)
            arrays = [bundle.array(n) for n in bundle.names("parameters/")]
            self._vector = check.read(bundle)
        self.sha256 = digest(self.path)
        self.host_ops = opstring.parse(self.about.input_ops, OPS, f"{path}: input_ops")
        self.variables = jax.device_put(arrays, jax.local_devices()[0])

    @property
    def info(self) -> DatasetInfo:
        """The class table."""
        return self.about.info

    def protocol(self, text: str | None = None, where: str = "protocol") -> Protocol:
        """How images are shown to the network: as `text` says, else as the file.

        Raises:
          UserError: the text is no protocol, or of sizes without a program.
        """
        found = parse_protocol(self.about.protocol if text is None else text, where)
        raise_problems(self.network.problems(found.way, where))
        return found

    def postprocess(self, text: str | None = None, where: str = "postprocess") -> Chain:
        """What is done to a prediction: as `text` says, else as the file.

        Raises:
          UserError: the text is no chain of steps, or not one for these classes.
        """
        chain = parse_steps(self.about.postprocess if text is None else text, where)
        raise_problems(chain.problems(self.info.num_classes, where))
        return chain

    def predictor(
        self,
        *,
        batch_size: int = 1,
        protocol: Protocol | None = None,
        postprocess: Chain | None = None,
    ) -> Predictor:
        """The way from images to classes.

        Args:
          batch_size: windows a step.
          protocol: in place of the file's; of `Model.protocol`.
          postprocess: in place of the file's; of `Model.postprocess`.
        """
        return Predictor(
            network=self.network,
            normalize=_as_they_are,
            task=self.about.task,
            num_classes=self.info.num_classes,
            threshold=self.about.threshold,
            protocol=protocol or self.protocol(),
            postprocess=self.postprocess() if postprocess is None else postprocess,
            batch_size=batch_size,
        )

    def answer(
        self, image: Real[np.ndarray, "H W C"], probabilities: bool = False
    ) -> Prediction:
        """The classes of one image, at its own size.

        Raises:
          UserError: the image has other channels or another depth.
        """
        pixels = self.info.pixels
        if image.shape[2:] != (pixels.channels,) or image.dtype.name != pixels.depth:
            raise UserError(
                f"an image is {image.shape} {image.dtype}; {self.about.title} takes "
                f"(height, width, channels) with {pixels}."
            )
        label = np.full(image.shape[:2], IGNORE, np.uint8)
        example = {IMAGE: image, LABEL: label, INDEX: np.int64(0)}
        predict = self._predict[probabilities]
        (found,) = predict(self.variables, [prepare(example, self.host_ops)])
        return found

    def check(self) -> check.Checked:
        """Run the picture that the file brings along, beside what it gave there."""
        return check.compare(self.network, self.variables, self.about, self._vector)

    @functools.cached_property
    def _predict(self) -> Sequence[PredictFn]:
        predictor = self.predictor()
        return [predictor.predict(probabilities=p) for p in (False, True)]


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


def _as_they_are(images):
    """The programs normalise."""
    return images
