"""Predict images of any size in windows, in memory that grows with their width alone.

Windows of one image after the other run in batches of one shape, so there is one
compiled program for each size of window, whatever the sizes of the images. Their logits
are put together on the host, a band of rows (see `canvas`); finished rows go to the
judge in pieces of one shape, whose integers add up. So the logits of a whole image are
never held.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from segjax import parallel
from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL
from segjax.core.network import Network
from segjax.core.shapes import Array
from segjax.nn.resample import resize_bilinear
from segjax.predict.canvas import Canvas
from segjax.predict.decide import Judge, last_frame
from segjax.predict.looks import as_logits, log_shares
from segjax.predict.pieces import Look, Piece, Pieces, taps
from segjax.predict.protocol import Protocol
from segjax.predict.resize import rescale
from segjax.predict.whole import PredictFn, Prediction

Task = tuple[Pieces, Look, int, int]
"""A window to run: its image, its look, and the row and column where it begins."""


def make_windowed(
    model: Network,
    protocol: Protocol,
    *,
    normalize: Callable[[Array], Array],
    judge: Judge,
    batch_size: int,
    task: str,
) -> PredictFn:
    """The function `(variables, examples) -> predictions`; see `whole.make_predict`.

    Predictions come in the order of the examples; they have no loss.

    Args:
      model: the network.
      protocol: a way of windows, and the looks that are taken by it.
      normalize: from pixels to what the model takes.
      judge: what is made of logits and labels, a piece of an image at a time.
      batch_size: windows a step, rounded up to a multiple of this process's devices.
      task: `multiclass` or `binary`, for the mean of several looks.
    """
    mesh = parallel.local_mesh()
    whole, split = parallel.replicated(mesh), parallel.along_batch(mesh)
    batch_size = -(-batch_size // mesh.size) * mesh.size
    looks = len(protocol.looks)

    def forward(variables, images, weights):
        logits = last_frame(model.apply(variables, normalize(images), train=False))
        height, width = weights.shape
        top, left = (logits.shape[1] - height) // 2, (logits.shape[2] - width) // 2
        inside = logits[:, top : top + height, left : left + width]
        return inside * weights[..., None]

    def resized(logits, matrices):
        return logits if matrices is None else resize_bilinear(logits, *matrices)

    def more(total, logits, matrices):
        shares = log_shares(resized(logits, matrices), task)
        return shares if total is None else jnp.logaddexp(total, shares)

    def judged(logits, matrices, labels):
        return judge(resized(logits, matrices), labels)

    def judged_mean(total, labels):
        return judge(as_logits(total, looks, task), labels)

    forward = jax.jit(forward, in_shardings=(whole, split, whole), out_shardings=split)
    more, judged, judged_mean = (
        jax.jit(f, out_shardings=split) for f in (more, judged, judged_mean)
    )

    def say(pieces: list[Piece]) -> Iterator[Pieces]:
        """Judge some pieces at once; the images that are complete with them."""
        labels = _filled([piece.label for piece in pieces], mesh.size, IGNORE)
        labels = jax.device_put(labels, split)
        inputs = (
            jax.device_put(_look_of(pieces, i, mesh.size), split) for i in range(looks)
        )
        if looks == 1:
            said = judged(*next(inputs), labels)
        else:
            total = None
            for logits, matrices in inputs:
                total = more(total, logits, matrices)
            said = judged_mean(total, labels)
        said = jax.device_get(said)
        for i, piece in enumerate(pieces):
            piece.owner.put(piece, jax.tree.map(itemgetter(i), said))
            if piece.owner.complete:
                yield piece.owner

    def predict(
        variables: Any, examples: Iterable[dict[str, np.ndarray]]
    ) -> Iterator[Prediction]:
        variables = parallel.localize(variables, mesh)
        tasks = (
            task
            for example in examples
            for task in _tasks(_opened(example, protocol, model))
        )
        waiting: deque[Piece] = deque()
        for batch in _batches(tasks, batch_size):
            windows = batch[0][1].canvas.windows
            images = [_window(*task[1:]) for task in batch]
            images = jax.device_put(_filled(images, batch_size, 0), split)
            weights = jax.device_put(windows.weights, whole)
            answers = np.asarray(forward(variables, images, weights))
            for (image, look, top, left), answer in zip(batch, answers, strict=False):
                look.canvas.add(top, left, answer)
                for piece in image.ready():
                    waiting.append(piece)
                    if len(waiting) == mesh.size:
                        yield from map(_prediction, say(list(waiting)))
                        waiting.clear()
        if waiting:
            yield from map(_prediction, say(list(waiting)))

    return predict


def _opened(
    example: dict[str, np.ndarray], protocol: Protocol, model: Network
) -> Pieces:
    """An example with its looks, none of whose windows has run."""
    image, label = example[IMAGE], example[LABEL]
    if label.ndim == 3:  # of a clip's frames the last one is scored
        label = label[-1]
    looks = []
    for factor, mirrored in protocol.looks:
        shown = rescale(image, factor)
        size = shown.shape[-3:-1]
        shown = shown[..., ::-1, :] if mirrored else shown
        canvas = Canvas(*size, protocol.way.windows(model, size))
        looks.append(Look(shown, mirrored, canvas, taps(size, label.shape)))
    return Pieces(int(example[INDEX]), label, looks)


def _tasks(image: Pieces) -> Iterator[Task]:
    """The windows of all looks, from the top down, so that no look runs ahead."""
    rows = [
        ((top + look.canvas.reach) / look.canvas.size[0], i, top)
        for i, look in enumerate(image.looks)
        for top in look.canvas.tops
    ]
    for _, i, top in sorted(rows):
        look = image.looks[i]
        for left in look.canvas.lefts:
            yield image, look, top, left


def _batches(tasks: Iterator[Task], size: int) -> Iterator[list[Task]]:
    """Tasks of windows of one kind, at most `size` of them, in order."""
    for _, same in groupby(tasks, lambda task: task[1].canvas.windows):
        while batch := list(islice(same, size)):
            yield batch


def _window(look: Look, top: int, left: int) -> np.ndarray:
    """What the network sees of an image, mirrored where it reaches over the border."""
    picked, windows = look.image, look.canvas.windows
    for axis, (start, seen) in enumerate(zip((top, left), windows.seen, strict=True)):
        first, side = start - windows.margin, look.canvas.size[axis]
        if first >= 0 and first + seen <= side:
            cut = [slice(None)] * picked.ndim
            cut[axis - 3] = slice(first, first + seen)
            picked = picked[tuple(cut)]
        else:
            at = np.arange(first, first + seen) % (2 * side)
            picked = picked.take(np.minimum(at, 2 * side - 1 - at), axis=axis - 3)
    return picked


def _look_of(pieces: list[Piece], look: int, size: int) -> tuple:
    """Logits of a look at some pieces and, if one needs them, their matrices."""
    logits = _filled([piece.sources[look] for piece in pieces], size, 0)
    pairs = [piece.matrices[look] for piece in pieces]
    if all(pair is None for pair in pairs):
        return logits, None
    same = tuple(np.eye(n, dtype=np.float32) for n in logits.shape[1:3])
    pairs = [pair or same for pair in pairs]
    matrices = (_filled(each, size, 0) for each in zip(*pairs, strict=True))
    return logits, tuple(matrices)


def _filled(arrays: Iterable[np.ndarray], size: int, value: int) -> np.ndarray:
    """Arrays of one shape as a batch of `size`; `value` fills it up."""
    arrays = list(arrays)
    batch = np.full((size, *arrays[0].shape), value, arrays[0].dtype)
    for i, array in enumerate(arrays):
        batch[i] = array
    return batch


def _prediction(image: Pieces) -> Prediction:
    shares = image.probabilities
    return Prediction(image.index, image.ids, image.sums, probabilities=shares)
