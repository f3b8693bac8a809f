"""Predictions of what gives class ids and no logits: baselines, other masks."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import numpy as np

from segjax.core.keys import IGNORE, INDEX, LABEL
from segjax.core.shapes import Int, UInt8
from segjax.metrics import confusion
from segjax.predict.decide import COUNTS
from segjax.predict.whole import PredictFn, Prediction

Reply = Callable[[dict[str, np.ndarray]], UInt8[np.ndarray, "H W"]]
"""An example -> the class of every pixel, of a clip of its last frame."""

_count = jax.jit(confusion.count, static_argnums=2)


def make_predict(reply: Reply, num_classes: int) -> PredictFn:
    """The function `(variables, examples) -> predictions`; there are no variables."""

    def predict(
        variables: Any, examples: Iterable[dict[str, np.ndarray]]
    ) -> Iterator[Prediction]:
        del variables
        for example in examples:
            label, ids = example[LABEL], reply(example)
            label = label[-1] if label.ndim == 3 else label
            sums = {COUNTS: count(label, ids, num_classes)}
            yield Prediction(int(example[INDEX]), ids, sums)

    return predict


def count(
    label: UInt8[np.ndarray, "H W"], ids: UInt8[np.ndarray, "H W"], num_classes: int
) -> Int[np.ndarray, "K K"]:
    """The confusion counts of an image, by the code that counts those of networks.

    Pixels are laid end to end and ignored ones added up to a power of two, so that few
    programs are compiled for images of many sizes.
    """
    short = (1 << (label.size - 1).bit_length()) - label.size
    label = np.pad(label.ravel(), (0, short), constant_values=IGNORE)
    ids = np.pad(ids.ravel(), (0, short))
    return np.asarray(_count(label[None, None], ids[None, None], num_classes)[0])
