"""Predictions with what is done to them afterwards, see `postprocess`."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from segjax.core.keys import IMAGE, INDEX, LABEL, ORIGINAL
from segjax.data.display import shown
from segjax.postprocess.chain import Chain
from segjax.predict.ahead import ahead
from segjax.predict.decide import COUNTS
from segjax.predict.ids import count
from segjax.predict.whole import PredictFn, Prediction

THREADS = 2
"""Predictions that are refined at once; scipy lets go of the interpreter."""


def make_refined(
    predict: PredictFn,
    chain: Chain,
    *,
    num_classes: int,
    threshold: float | int,
    keep: bool = False,
) -> PredictFn:
    """The function `(variables, examples) -> predictions` with the chain behind it.

    Classes and their counts are those behind the chain; what was measured of logits,
    the loss and the probabilities are the network's own.

    Args:
      predict: gives probabilities, if the chain is `of_shares`.
      chain: the steps.
      num_classes: `K`.
      threshold: of the foreground, by which two classes are decided.
      keep: whether predictions keep their probabilities.
    """
    waiting: dict[int, dict[str, np.ndarray]] = {}

    def watched(examples: Iterable[dict]) -> Iterator[dict]:
        for example in examples:
            image = example.get(ORIGINAL, example[IMAGE])
            waiting[int(example[INDEX])] = {IMAGE: image, LABEL: example[LABEL]}
            yield example

    def refine(found: Prediction) -> Prediction:
        example = waiting.pop(found.index)
        return refined_one(found, example, chain, num_classes, threshold, keep)

    def refined(variables: Any, examples: Iterable[dict]) -> Iterator[Prediction]:
        waiting.clear()
        yield from ahead(refine, predict(variables, watched(examples)), THREADS)

    return refined


def refined_one(
    found: Prediction,
    example: Mapping[str, np.ndarray],
    chain: Chain,
    num_classes: int,
    threshold: float | int,
    keep: bool,
) -> Prediction:
    """A prediction with the chain behind it; see `make_refined`.

    Args:
      found: what the network said.
      example: what it was said of; of `original`, else `image`, the chain may see.
      chain: the steps.
      num_classes: `K`.
      threshold: of the foreground.
      keep: whether it keeps its probabilities.
    """
    image, label = example.get(ORIGINAL, example[IMAGE]), example[LABEL]
    still = image if image.ndim == 3 else image[-1]
    ids = chain.apply(
        found.ids,
        num_classes,
        image=shown(still) if chain.of_image else None,
        shares=found.probabilities,
        threshold=threshold,
    )
    label = label if label.ndim == 2 else label[-1]
    sums = {**found.sums, COUNTS: count(label, ids, num_classes)}
    shares = found.probabilities if keep else None
    return dataclasses.replace(found, ids=ids, sums=sums, probabilities=shares)
