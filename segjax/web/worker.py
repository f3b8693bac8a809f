"""The program that runs one model: it loads, checks and compiles, then answers.

It ends when the front does. A picture that gives no finite numbers is refused; when the
model's own picture does not come out any more, or memory is not to be had, the process
ends, and the front starts another.

    python -m segjax.web.worker FD FILE
"""

import contextlib
import os
import socket
import sys
import time
from typing import Any

import jax.monitoring
import numpy as np

from segjax import process
from segjax.core.errors import UserError
from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL
from segjax.postprocess import Chain
from segjax.predict.whole import Prediction, prepare
from segjax.serve.load import Model, load
from segjax.web import answers, wire
from segjax.web.likeness import Likeness
from segjax.web.measured import measured
from segjax.web.refused import Refused

MOST_NUMBERS = 100_000_000
"""Probabilities of a picture that are held at once; see `network_pixels`."""

NICE = 5
"""The front answers first, where cores are few."""


def main(number: int, path: str) -> int:
    """Answer on the socket of this number until it is closed; the exit code."""
    connection = socket.socket(fileno=number)
    try:
        served = Served(load(path))
        served.warm()
    except UserError as error:
        wire.send(connection, {"failed": str(error)})
        return 0
    ready = {"ready": served.described(), "compiled": served.compiled}
    wire.send(connection, ready)
    while (message := wire.receive(connection)) is not None:
        try:
            header, blobs = served.answer(message)
        except Refused as refused:
            header, blobs = {"refused": refused.plain()}, []
        except Exception:
            lost = Refused("no_answer", "The model could not answer. Try again.")
            wire.send(connection, {"refused": lost.plain(), "ends": True})
            raise
        wire.send(connection, header, blobs)
    return 0


class Served:
    """A model with what the page asks of it."""

    def __init__(self, model: Model):
        self.model = model
        self._compiled = _count_compiled()
        self._chain = _Timed(model.postprocess().steps)
        predictor = model.predictor(postprocess=self._chain)
        stored = getattr(model, "statistics", {})
        self._likeness = Likeness(stored, model.info.class_names)
        self._predict = predictor.predict(probabilities=True)

    @property
    def compiled(self) -> int:
        """Programs that jax has compiled for it."""
        return len(self._compiled)

    def described(self) -> dict[str, Any]:
        """What the front and its clients must know of the model."""
        model, about = self.model, self.model.about
        return {
            "title": about.title,
            "task": about.task,
            "architecture": about.architecture,
            "parameters": about.parameters,
            "licence": about.licence,
            "dataset": about.dataset["name"],
            "note": model.info.note,
            "scores": measured(model.manifest),
            "class_names": list(model.info.class_names),
            "class_colours": [list(c) for c in model.info.class_colours],
            "pixels": about.dataset["pixels"],
            "sizes": [list(s) for s in about.sizes],
            "protocol": about.protocol,
            "postprocess": about.postprocess,
            "sha256": model.sha256,
            "bytes": model.path.stat().st_size,
            "card": model.card,
            "network_pixels": MOST_NUMBERS // model.info.num_classes,
        }

    def warm(self) -> None:
        """Compile all programs: for each size of window one picture, one of several
        windows, and one of odd sides, whose logits may be resized.

        Raises:
          UserError: a program does not run here.
        """
        pixels, sizes = self.model.info.pixels, self.model.about.sizes
        largest = max(sizes, key=lambda s: (s[0] * s[1], s))
        lost = 2 * self.model.about.margin
        inner = [tuple(max(1, n - lost) for n in size) for size in sizes]
        for size in (*inner, tuple(2 * n for n in largest), (37, 53)):
            self.predict(np.zeros((*size, pixels.channels), pixels.depth))

    def predict(self, image: np.ndarray) -> tuple[np.ndarray, Prediction]:
        """The image behind the evaluation ops, and its classes and probabilities.

        Raises:
          Refused: the network gives numbers that are none.
        """
        label = np.full(image.shape[:2], IGNORE, np.uint8)
        example = {IMAGE: image, LABEL: label, INDEX: np.int64(0)}
        ready = prepare(example, self.model.host_ops)
        (found,) = self._predict(self.model.variables, [ready])
        if not np.isfinite(found.probabilities).all():
            if not self.model.check().close:
                raise ArithmeticError("the model computes no more what it should")
            raise Refused(
                "no_answer", "The network gives no finite numbers for this picture."
            )
        return ready[IMAGE], found

    def answer(self, message: wire.Message) -> tuple[dict, list[bytes]]:
        """The answer to a picture: numbers, and maps by name; or to recent features.

        Raises:
          Refused: the reference does not fit, or the network fails.
        """
        asked = message.header
        if "recent" in asked:
            return self._likeness.verdict(asked["recent"]), []
        image = np.frombuffer(message.blobs[0], asked["dtype"]).reshape(asked["shape"])
        size, info = (asked["height"], asked["width"]), self.model.info
        truth = None
        if asked["reference"]:
            flat = np.frombuffer(message.blobs[1], np.uint8)
            truth = answers.understood(flat.reshape(asked["reference"]), size, info)
        begin = time.perf_counter()
        seen, found = self.predict(image)
        predicted = time.perf_counter()
        ids = _at(found.ids, size)
        pictures = {"ids": answers.grey(ids)}
        if "palette" in asked["maps"]:
            pictures["palette"] = answers.palette(ids, info)
        if "confidence" in asked["maps"]:
            shown = answers.confidence(found.probabilities)
            pictures["confidence"] = answers.grey(_at(shown, size))
        if "entropy" in asked["maps"]:
            shown = answers.entropy(found.probabilities)
            pictures["entropy"] = answers.grey(_at(shown, size))
        if truth is not None and "errors" in asked["maps"]:
            pictures["errors"] = answers.grey(answers.errors(ids, truth))
        after = self._chain.seconds
        header = {
            "seconds": {
                "network": predicted - begin - after,
                "postprocess": after,
                "pictures": time.perf_counter() - predicted,
            },
            "network_size": list(found.ids.shape),
            "shares": answers.class_shares(ids, info.num_classes),
            "scores": None if truth is None else answers.scored(ids, truth, info),
            "pictures": list(pictures),
            "features": self._likeness.features(seen, found.ids, found.probabilities),
            "compiled": self.compiled,
        }
        return header, list(pictures.values())


class _Timed(Chain):
    """A chain that knows how long it took the last time."""

    def __init__(self, steps):
        super().__init__(steps)
        object.__setattr__(self, "seconds", 0.0)

    def apply(self, *args, **kwargs):
        begin = time.perf_counter()
        found = super().apply(*args, **kwargs)
        object.__setattr__(self, "seconds", time.perf_counter() - begin)
        return found


def _count_compiled() -> list[str]:
    """A list that grows by one with each program that jax compiles from now on."""
    programs: list[str] = []

    def heard(event: str, seconds: float, **_) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            programs.append(event)

    jax.monitoring.register_event_duration_secs_listener(heard)
    return programs


def _at(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map at another size: each pixel takes the nearest one's value."""
    if values.shape == size:
        return values
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * (old / new)).astype(int), old - 1)
        for old, new in zip(values.shape, size, strict=True)
    )
    return values.take(columns, axis=1).take(rows, axis=0)


if __name__ == "__main__":
    os.nice(NICE)
    process.prepare()
    process.keep_compiled()
    with contextlib.suppress(BrokenPipeError, wire.Broken):  # the front has ended
        sys.exit(main(int(sys.argv[1]), sys.argv[2]))
