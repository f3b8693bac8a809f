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
from segjax.predict.whole import PredictFn, Prediction, fit, predicted


def make_stream(
    model: Network,
    *,
    normalize: Callable[[Array], Array],
    judge: Judge,
    videos: Sequence[str],
) -> PredictFn:
    """The function `(variables, examples) -> predictions`, one frame at a time.

    Args:
      model: a model of clips.
      normalize: from pixels to what the model takes.
      judge: what is made of logits and labels.
      videos: for each example of the source the name of its video. The examples of a
        video come one after another, in the order of time.

    Raises:
      UserError: the model remembers nothing.
    """
    if not model.takes_clips:
        raise UserError(
            f"{type(model).__name__}: has no memory, so a video is to it what its "
            "frames are; models of clips stream. Evaluate it without --stream."
        )
    mesh = parallel.make_mesh(jax.local_devices()[:1])
    whole = parallel.replicated(mesh)

    def forward(variables, carry, images, labels, rows, columns):
        logits, carry = model.apply(
            variables, normalize(images), carry, method="stream"
        )
        logits = last_frame(logits)
        if rows is not None:
            logits = resize_bilinear(logits, rows, columns)
        return judge(logits, labels), carry

    compiled = jax.jit(forward, donate_argnums=1)

    def predict(
        variables: Any, examples: Iterable[dict[str, np.ndarray]]
    ) -> Iterator[Prediction]:
        variables = parallel.localize(variables, mesh)
        before, carry = None, None
        for example in examples:
            shape, fitted = fit(example, model)
            keys = (IMAGE, LABEL, "rows", "columns")
            inputs = [None if (x := fitted.get(k)) is None else x[None] for k in keys]
            inputs = jax.device_put(inputs, whole)
            now = videos[int(example[INDEX])], shape
            if now != before:
                made = jax.eval_shape(forward, variables, None, *inputs)[1]
                carry = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), made)
                carry, before = jax.device_put(carry, whole), now
            said, carry = compiled(variables, carry, *inputs)
            said = jax.device_get(said)
            yield predicted(said, 0, int(example[INDEX]), fitted["size"])

    return predict
