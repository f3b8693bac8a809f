"""All that is settled about how images become classes, before the first one comes."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from segjax.core.errors import UserError
from segjax.core.network import Network
from segjax.core.shapes import Array
from segjax.postprocess.chain import Chain
from segjax.predict import path
from segjax.predict.decide import Judge, Measure, make_judge
from segjax.predict.protocol import Protocol
from segjax.predict.refined import make_refined, refined_one
from segjax.predict.stream import Walk, make_stream
from segjax.predict.ways import Buckets, Whole
from segjax.predict.whole import LossFn, PredictFn, Prediction

Walked = Callable[[Any, dict[str, np.ndarray]], Prediction]
"""`(variables, example) -> prediction` of the next frame of a video."""


@dataclasses.dataclass(frozen=True)
class Predictor:
    """A network, how images are shown to it, and what is made of what it says.

    Attributes:
      network: without its variables.
      normalize: from pixels to what it takes.
      task: `multiclass` or `binary`.
      num_classes: `K`.
      threshold: of the foreground; task `binary` only.
      protocol: how it goes over an image.
      postprocess: the steps behind it.
      batch_size: images, or windows, a step.
      counters: integers to be counted of logits, by name.
    """

    network: Network
    normalize: Callable[[Array], Array]
    task: str
    num_classes: int
    threshold: float | int
    protocol: Protocol
    postprocess: Chain
    batch_size: int
    counters: Mapping[str, Measure] = dataclasses.field(default_factory=dict)

    def predict(
        self, loss: LossFn | None = None, probabilities: bool = False
    ) -> PredictFn:
        """The function `(variables, examples) -> predictions`; see `predict.path`.

        Args:
          loss: computed of each image, where the protocol is `whole()`.
          probabilities: whether predictions have those of all classes, too.
        """
        predict = path.make(
            self.network,
            self.protocol,
            normalize=self.normalize,
            judge=self._judge(probabilities),
            batch_size=self.batch_size,
            task=self.task,
            loss=loss,
        )
        return self._refined(predict, probabilities)

    def stream(self, videos: Sequence[str], probabilities: bool = False) -> PredictFn:
        """The same for the frames of videos, with a memory; see `predict.stream`.

        Args:
          videos: of each example the name of its video.
          probabilities: whether predictions have those of all classes, too.

        Raises:
          UserError: the network has no memory, or the protocol is one of windows, as a
            memory is of whole frames.
        """
        predict = make_stream(
            self.network,
            self._of_frames(),
            normalize=self.normalize,
            judge=self._judge(probabilities),
            videos=videos,
        )
        return self._refined(predict, probabilities)

    def walk(self, probabilities: bool = False) -> Walked:
        """The same for one video whose frames are handed in one by one.

        Raises:
          UserError: as of `stream`.
        """
        walk = Walk(
            self.network,
            self._of_frames(),
            normalize=self.normalize,
            judge=self._judge(probabilities),
        )

        def step(variables: Any, example: dict[str, np.ndarray]) -> Prediction:
            found = walk.step(variables, example)
            if not self.postprocess:
                return found
            given = self.num_classes, self.threshold, probabilities
            return refined_one(found, example, self.postprocess, *given)

        return step

    def _of_frames(self) -> Whole | Buckets:
        """The way in which whole frames are shown."""
        way, looks = self.protocol.way, self.protocol.looks
        if not isinstance(way, Whole | Buckets) or looks != ((1, False),):
            raise UserError(
                f"a stream shows whole frames once, and the protocol is "
                f"{self.protocol.name}. Name --protocol 'whole()', or buckets(...)."
            )
        return way

    def _judge(self, probabilities: bool) -> Judge:
        """What is made of logits, by every way to predict."""
        return make_judge(
            self.task,
            self.num_classes,
            self.threshold,
            self.counters,
            probabilities or self.postprocess.of_shares,
        )

    def _refined(self, predict: PredictFn, probabilities: bool) -> PredictFn:
        """The same with the steps behind it."""
        if not self.postprocess:
            return predict
        return make_refined(
            predict,
            self.postprocess,
            num_classes=self.num_classes,
            threshold=self.threshold,
            keep=probabilities,
        )
