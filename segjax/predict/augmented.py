"""Predict whole images at several looks: other sizes, mirrored, and the mean of all."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from segjax import parallel
from segjax.core.keys import IMAGE, INDEX, LABEL
from segjax.core.network import Network
from segjax.core.shapes import Array
from segjax.nn.resample import resize_bilinear
from segjax.predict.decide import Judge, last_frame
from segjax.predict.looks import as_logits, log_shares
from segjax.predict.protocol import Protocol
from segjax.predict.resize import rescale
from segjax.predict.whole import PredictFn, Prediction, batches, fit, predicted

SHOWN = (IMAGE, "rows", "columns")
"""What there is of an example for each factor; see `whole.fit`."""


def make_augmented(
    model: Network,
    protocol: Protocol,
    *,
    normalize: Callable[[Array], Array],
    judge: Judge,
    batch_size: int,
    task: str,
) -> PredictFn:
    """The function `(variables, examples) -> predictions`; see `whole.make_predict`.

    The judge gets logarithms of the mean probabilities, or log-odds where the task is
    binary. Predictions have no loss. A mirrored look is of the padded image.
    """
    mesh = parallel.local_mesh()
    whole, split = parallel.replicated(mesh), parallel.along_batch(mesh)
    batch_size = -(-batch_size // mesh.size) * mesh.size

    def forward(variables, images, rows, columns, mirrored):
        images = jnp.where(mirrored, images[..., ::-1, :], images)
        logits = last_frame(model.apply(variables, normalize(images), train=False))
        logits = jnp.where(mirrored, logits[..., ::-1, :], logits)
        if rows is not None:
            logits = resize_bilinear(logits, rows, columns)
        return log_shares(logits, task)

    def judged(total, labels):
        return judge(as_logits(total, len(protocol.looks), task), labels)

    shards = (whole, split, split, split, whole)
    forward = jax.jit(forward, in_shardings=shards, out_shardings=split)
    add = jax.jit(jnp.logaddexp, out_shardings=split)
    judged = jax.jit(judged, out_shardings=split)
    flags = jax.device_put([np.bool_(False), np.bool_(True)], whole)

    def predict(variables: Any, examples) -> Iterator[Prediction]:
        variables = parallel.localize(variables, mesh)
        fitted = partial(_fit, model=model, factors=protocol.factors)
        for batch in batches(examples, fitted, batch_size):
            labels = jax.device_put(batch[LABEL], split)
            total = None
            for factor, mirrored in protocol.looks:
                inputs = [batch.get(f"{key} {factor}") for key in SHOWN]
                inputs = jax.device_put(inputs, split)
                shares = forward(variables, *inputs, flags[mirrored])
                total = shares if total is None else add(total, shares)
            said = jax.device_get(judged(total, labels))
            for i, size in enumerate(batch["sizes"]):
                yield predicted(said, i, int(batch[INDEX][i]), size)

    return predict


def _fit(
    example: dict[str, np.ndarray], model: Network, factors: tuple
) -> tuple[tuple, dict]:
    """`whole.fit` for every factor, under one label."""
    shapes, stacked = [], {}
    for factor in factors:
        shown = {**example, IMAGE: rescale(example[IMAGE], factor)}
        shape, fitted = fit(shown, model)
        shapes.append(shape)
        for key in SHOWN:
            if key in fitted:
                stacked[f"{key} {factor}"] = fitted.pop(key)
        stacked |= fitted
    return tuple(shapes), stacked
