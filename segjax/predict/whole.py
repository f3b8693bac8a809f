"""Predict whole images of any size at one look, a batch at a time.

Each image or clip goes through the evaluation ops on the host, is padded by mirroring
to sides that the model takes, and runs in a batch with images of the same padded size;
where a model loses a margin, the mirror covers that too. The logits come back to the
image's own size before the class is decided; those of a clip are of its last frame.
Nothing that happens to one image depends on its neighbours in the batch.
"""

import dataclasses
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from segjax import parallel
from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL, ORIGINAL
from segjax.core.network import Network
from segjax.core.shapes import Array, Float32, Int, UInt8
from segjax.nn.resample import interpolation_matrix, resize_bilinear
from segjax.predict.decide import COUNTS, Judge, Verdict, last_frame
from segjax.predict.ways import Buckets, Whole

WHOLE = Whole()

WAITING = 4
"""Batches of examples that may wait for others of their size."""


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What came of one image.

    Attributes:
      index: position of the example in its source.
      ids: `(H, W)` uint8 class ids at the image's own size.
      sums: integers against its label, all zero without one: `counts`, the `(K, K)`
        confusion counts, and what was measured besides.
      loss: of this image alone; nan where none was asked for.
      probabilities: `(H, W, K)` float32 of all classes; None if not asked for.
    """

    index: int
    ids: UInt8[np.ndarray, "H W"]
    sums: dict[str, np.ndarray]
    loss: float = math.nan
    probabilities: Float32[np.ndarray, "H W K"] | None = None

    @property
    def counts(self) -> Int[np.ndarray, "K K"]:
        """The confusion counts against its label."""
        return self.sums[COUNTS]


LossFn = Callable[[Array, Array], tuple[Array, dict[str, Array]]]
PredictFn = Callable[[Any, Iterable[dict[str, np.ndarray]]], Iterator[Prediction]]


def predicted(
    said: Verdict, place: int, index: int, size: tuple[int, int]
) -> Prediction:
    """What a verdict on a padded batch, on the host, says of the image at a place."""
    height, width = size
    own = {name: each[place] for name, each in said.sums.items()}
    shares = said.probabilities
    if shares is not None:
        shares = shares[place, :height, :width]
    ids = said.ids[place, :height, :width]
    return Prediction(index, ids, own, probabilities=shares)


def make_predict(
    model: Network,
    *,
    normalize: Callable[[Array], Array],
    judge: Judge,
    batch_size: int,
    loss: LossFn | None = None,
) -> PredictFn:
    """The function `(variables, examples) -> predictions`.

    An example has `image` (after the evaluation ops), `label` (at the original size,
    all `IGNORE` where there is none) and `index`; its original size is its label's.
    Predictions come in order within one padded size. `batch_size` is rounded up to a
    multiple of this process's devices; a last, partial batch is filled with blanks.
    """
    mesh = parallel.local_mesh()
    whole, split = parallel.replicated(mesh), parallel.along_batch(mesh)
    batch_size = -(-batch_size // mesh.size) * mesh.size

    def forward(variables, images, labels, rows, columns):
        logits = last_frame(model.apply(variables, normalize(images), train=False))
        if rows is not None:
            logits = resize_bilinear(logits, rows, columns)
        said = judge(logits, labels)
        if loss is None:
            return said, jnp.full(len(images), jnp.nan)
        one = jax.vmap(lambda logit, label: loss(logit[None], label[None])[0])
        return said, one(logits, labels)

    forward = jax.jit(
        forward, in_shardings=(whole, split, split, split, split), out_shardings=split
    )

    def predict(variables, examples):
        variables = parallel.localize(variables, mesh)
        for batch in batches(examples, partial(fit, model=model), batch_size):
            keys = (IMAGE, LABEL, "rows", "columns")
            # With several processes a jitted function takes no numpy arrays.
            inputs = jax.device_put([batch.get(key) for key in keys], split)
            said, losses = jax.device_get(forward(variables, *inputs))
            for i, size in enumerate(batch["sizes"]):
                found = predicted(said, i, int(batch[INDEX][i]), size)
                yield dataclasses.replace(found, loss=float(losses[i]))

    return predict


def prepare(
    example: dict[str, np.ndarray], host_ops: Sequence[Any]
) -> dict[str, np.ndarray]:
    """The example with the evaluation ops applied to its image alone.

    The image as it was stays beside it, as `original`.
    """
    image = {key: value for key, value in example.items() if key != LABEL}
    for op in host_ops:
        image = op.map(image)
    return {**example, **image, ORIGINAL: example[IMAGE]}


def batches(
    examples: Iterable[dict[str, np.ndarray]],
    fit: Callable[[dict[str, np.ndarray]], tuple[tuple, dict]],
    batch_size: int,
) -> Iterator[dict[str, Any]]:
    """Group examples by padded size; the groups left over at the end come last.

    Where sizes are many, the oldest group goes before it is full: so much may wait in
    memory and no more.

    Args:
      examples: what to group.
      fit: gives the shapes by which an example is grouped, and what is stacked of it.
      batch_size: of every batch; blanks fill it up, and `sizes` has none of theirs.
    """
    groups, waiting = defaultdict(list), 0
    for example in examples:
        shape, fitted = fit(example)
        groups[shape].append(fitted)
        waiting += 1
        if len(groups[shape]) < batch_size:
            if waiting < WAITING * batch_size:
                continue
            shape = next(iter(groups))
        waiting -= len(groups[shape])
        yield _stack(groups.pop(shape), batch_size)
    for group in groups.values():
        yield _stack(group, batch_size)


def fit(
    example: dict[str, np.ndarray], model: Network, way: Whole | Buckets = WHOLE
) -> tuple[tuple, dict]:
    """Pad image and label to the model's sides; add resizing matrices if needed.

    Args:
      example: of any size.
      model: tells its sides.
      way: how it sees a whole image.

    Returns:
      The padded shapes, by which examples share a batch, and `image`, `label`, `index`,
      `size` (of the label before), and `rows` and `columns` where the logits are to be
      resized.
    """
    image, label = example[IMAGE], example[LABEL]
    if label.ndim == 3:  # of a clip's frames the last one is scored
        label = label[-1]
    h, w = image.shape[-3:-1]
    H, W = label.shape
    image = _mirror(image, model.margin, way.seen(model, (h, w)))
    covered = [n - 2 * model.margin for n in image.shape[-3:-1]]
    fitted = {IMAGE: image, INDEX: example[INDEX], "size": (H, W)}
    if (h, w) == (H, W):
        fitted[LABEL] = _blank(label, *covered)
    else:
        padded = way.shared(model, (H, W))
        fitted[LABEL] = _blank(label, *padded)
        fitted["rows"] = interpolation_matrix(h, H, covered[0], padded[0])
        fitted["columns"] = interpolation_matrix(w, W, covered[1], padded[1])
    return (image.shape, fitted[LABEL].shape), fitted


def _stack(group: list[dict], batch_size: int) -> dict[str, Any]:
    """One batch; blanks, whose label is all `IGNORE`, fill it up."""
    sizes = [example.pop("size") for example in group]
    batch = {key: np.stack([e[key] for e in group]) for key in group[0]}
    missing = batch_size - len(group)
    if missing:
        for key, rows in batch.items():
            fill = np.zeros((missing, *rows.shape[1:]), rows.dtype)
            batch[key] = np.concatenate([rows, fill])
        batch[LABEL][len(group) :] = IGNORE
    return {**batch, "sizes": sizes}


def _mirror(image: np.ndarray, margin: int, seen: tuple[int, int]) -> np.ndarray:
    """The image with its mirror about it: the margin before, what fits behind."""
    sides = [
        (margin, new - old - margin)
        for new, old in zip(seen, image.shape[-3:-1], strict=True)
    ]
    frames = [(0, 0)] * (image.ndim - 3)
    return np.pad(image, (*frames, *sides, (0, 0)), mode="symmetric")


def _blank(label: np.ndarray, height: int, width: int) -> np.ndarray:
    H, W = label.shape
    return np.pad(label, ((0, height - H), (0, width - W)), constant_values=IGNORE)
