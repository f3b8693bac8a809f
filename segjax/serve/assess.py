"""How good an exported model is, and whether it is the run: measured before it is
written, with its own programs, protocol and steps.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from segjax.core.info import DatasetInfo
from segjax.core.keys import IMAGE, INDEX
from segjax.data.pipeline import examples
from segjax.data.source import Source
from segjax.evaluate import files, split
from segjax.nn import onednn
from segjax.parts import Parts
from segjax.predict.predictor import Predictor
from segjax.predict.whole import PredictFn, Prediction
from segjax.report.files import plain
from segjax.serve import load, statistics
from segjax.serve.export import Made

COMPARED = 8
"""Images whose classes are compared with those of the run."""

Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class Some:
    """Examples of a split, evenly spread, in order.

    Attributes:
      source: the split.
      most: how many examples, at most.
    """

    source: Source
    most: int

    @property
    def info(self) -> DatasetInfo:
        """The split's own."""
        return self.source.info

    @property
    def chosen(self) -> list[int]:
        """Their positions in the split."""
        return spread(len(self.source), self.most)

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {**self.source[self.chosen[i]], INDEX: np.int64(i)}

    def name(self, i: int) -> str:
        """The name that the split has for it."""
        return self.source.name(self.chosen[i])

    def fingerprint(self) -> str:
        """Of the whole split."""
        return self.source.fingerprint()


def spread(length: int, most: int) -> list[int]:
    """At most so many of `0 .. length - 1`, evenly spread."""
    return np.linspace(0, length - 1, min(most, length)).round().astype(int).tolist()


def own_predictor(made: Made, parts: Parts) -> Predictor:
    """The way from images to classes of an exported model that is not written yet."""
    size = parts.config.evaluate.batch_size
    return load.predictor(made.network, made.about, size)


def scores(
    made: Made, parts: Parts, source: Source, *, step: int, progress: Progress
) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """Score a split with the exported programs.

    Returns:
      What `segjax evaluate` writes of it, and of up to `statistics.MOST` images the
      features of the answers.
    """
    kept, found = {*spread(len(source), statistics.MOST)}, []
    names = parts.info.class_names

    def watched(predict: PredictFn) -> PredictFn:
        def told(variables, stream) -> Iterator[Prediction]:
            for answer in predict(variables, stream):
                if answer.index in kept:
                    given = answer.ids, answer.probabilities, names
                    found.append((answer.index, statistics.of_answer(*given)))
                yield dataclasses.replace(answer, probabilities=None)

        return told

    predict = own_predictor(made, parts).predict(probabilities=True)
    evaluation = split.run(
        watched(predict),
        _on_device(made.variables),
        source,
        parts.host_ops,
        split=parts.config.val_split,
        step=step,
        num_classes=parts.info.num_classes,
        convention=parts.config.evaluate.convention,
        protocol=made.about.protocol,
        postprocess=made.about.postprocess,
        threads=parts.threads,
        progress=progress,
    )
    document = files.scores_of(evaluation, source, parts.info, parts.run_id)
    ordered = [features for _, features in sorted(found, key=lambda pair: pair[0])]
    return plain(document), ordered


def parity(made: Made, parts: Parts, variables: Any, source: Source) -> dict[str, Any]:
    """How many pixels of some images get another class from the run's own network.

    Both go over an image by the protocol of the exported model, and by the run's if it
    is another. `convolutions` says by what the run's network computed here; oneDNN and
    XLA round sums differently, so that a few pixels that are nearly tied may differ.
    """
    some = [source[i] for i in spread(len(source), COMPARED)]
    own = _ids(
        own_predictor(made, parts).predict(), _on_device(made.variables), some, parts
    )
    ways = {
        made.about.protocol: parts.protocol(made.about.protocol),
        parts.config.protocol.name: parts.config.protocol,
    }
    found = {}
    for name, protocol in ways.items():
        predict = parts.predictor(protocol=protocol).predict()
        theirs = _ids(predict, variables, some, parts)
        differ = (np.count_nonzero(a != b) for a, b in zip(own, theirs, strict=True))
        found[name] = int(sum(differ))
    return {
        "images": len(some),
        "pixels": int(sum(ids.size for ids in own)),
        "differ": found[made.about.protocol],
        "differ_by_protocol": found,
        "convolutions": onednn.absent() or "oneDNN",
        "device": jax.local_devices()[0].device_kind,
    }


def images(source: Source, parts: Parts, progress: Progress) -> list[dict[str, float]]:
    """The features of up to `statistics.MOST` images, behind the evaluation ops."""
    chosen = spread(len(source), statistics.MOST)
    stream = examples(source, parts.host_ops, indices=chosen, threads=parts.threads)
    found = []
    for example in stream:
        image = example[IMAGE]
        image = image if image.ndim == 3 else image[-1]
        found.append(statistics.of_image(image))
        progress(len(found), len(chosen))
    return found


def _ids(
    predict: PredictFn, variables: Any, some: Iterable[dict], parts: Parts
) -> list[np.ndarray]:
    numbered = [{**example, INDEX: np.int64(i)} for i, example in enumerate(some)]
    prepared = [load.prepare(example, parts.host_ops) for example in numbered]
    found = {answer.index: answer.ids for answer in predict(variables, prepared)}
    return [found[i] for i in range(len(prepared))]


def _on_device(arrays: Sequence[np.ndarray]) -> list[jax.Array]:
    return jax.device_put(list(arrays), jax.local_devices()[0])
