"""Predict videos frame by frame, each with what the model remembers of those before.

A model of clips starts with an empty memory at the first frame of a video and carries
it from frame to frame to the last one, however long the video is: the memory of a frame
depends on all frames before it, and memory and time of a frame on none of them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from segjax import parallel
from segjax.core.errors import UserError
from segjax.core.keys import IMAGE, INDEX, LABEL
from segjax.core.network import Network
from segjax.core.shapes import Array
from segjax.nn.resample import resize_bilinear
from segjax.predict.decide import Judge, last_frame
from segjax.predict.ways import Buckets, Whole
from segjax.predict.whole import PredictFn, Prediction, fit, predicted


class Walk:
    """A network on its way along a video, with its memory.

    Args:
      model: a model of clips.
      way: how it sees a frame: whole, padded to legal sides or to a bucket.
      normalize: from pixels to what the model takes.
      judge: what is made of logits and labels.

    Raises:
      UserError: the model remembers nothing.
    """

    def __init__(
        self,
        model: Network,
        way: Whole | Buckets,
        *,
        normalize: Callable[[Array], Array],
        judge: Judge,
    ):
        if not model.takes_clips:
            raise UserError(
                f"{type(model).__name__}: has no memory, so a video is to it what its "
                "frames are; models of clips stream. Evaluate it without --stream."
            )

        def seen(variables, carry, image):
            logits, carry = model.apply(
                variables, normalize(image), carry, method="stream"
            )
            return last_frame(logits), carry

        def judged(logits, label, rows, columns):
            if rows is not None:
                logits = resize_bilinear(logits, rows, columns)
            return judge(logits, label)

        self._model, self._way = model, way
        self._mesh = parallel.make_mesh(jax.local_devices()[:1])
        self._shapes, self._judged = seen, jax.jit(judged)
        self._seen = jax.jit(seen, donate_argnums=1)
        self._carry, self._shape = None, None

    def forget(self) -> None:
        """Begin another video."""
        self._carry, self._shape = None, None

    def step(self, variables: Any, example: dict[str, np.ndarray]) -> Prediction:
        """The next frame; one that is padded to another size begins with no memory.

        Raises:
          UserError: no bucket holds the frame.
        """
        shape, fitted = fit(example, self._model, self._way)
        keys = (IMAGE, LABEL, "rows", "columns")
        inputs = [None if (x := fitted.get(key)) is None else x[None] for key in keys]
        whole = parallel.replicated(self._mesh)
        image, *rest = jax.device_put(inputs, whole)
        if shape[0] != self._shape:
            made = jax.eval_shape(self._shapes, variables, None, image)[1]
            carry = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), made)
            self._carry, self._shape = jax.device_put(carry, whole), shape[0]
        logits, self._carry = self._seen(variables, self._carry, image)
        said = jax.device_get(self._judged(logits, *rest))
        return predicted(said, 0, int(example[INDEX]), fitted["size"])


def make_stream(
    model: Network,
    way: Whole | Buckets,
    *,
    normalize: Callable[[Array], Array],
    judge: Judge,
    videos: Sequence[str],
) -> PredictFn:
    """The function `(variables, examples) -> predictions`, one frame at a time.

    Args:
      model: a model of clips.
      way: as of `Walk`.
      normalize: from pixels to what the model takes.
      judge: what is made of logits and labels.
      videos: for each example of the source the name of its video. The examples of a
        video come one after another, in the order of time.

    Raises:
      UserError: the model remembers nothing.
    """
    walk = Walk(model, way, normalize=normalize, judge=judge)

    def predict(
        variables: Any, examples: Iterable[dict[str, np.ndarray]]
    ) -> Iterator[Prediction]:
        mesh = parallel.make_mesh(jax.local_devices()[:1])
        variables, before = parallel.localize(variables, mesh), None
        for example in examples:
            if (now := videos[int(example[INDEX])]) != before:
                walk.forget()
                before = now
            yield walk.step(variables, example)

    return predict
