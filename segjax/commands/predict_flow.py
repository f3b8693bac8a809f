"""Pictures on their way through the network into files, and what came of them."""

import contextlib
import dataclasses
import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segjax.core.errors import SegjaxError, UserError
from segjax.core.keys import INDEX, ORIGINAL
from segjax.core.pixels import Pixels
from segjax.data import decode, geotiff
from segjax.data.video import RATE
from segjax.predict import files
from segjax.predict.ahead import ahead
from segjax.predict.inputs import Picture
from segjax.predict.whole import PredictFn, Prediction
from segjax.predictable import Predictable
from segjax.report import pace
from segjax.report.areas import Areas
from segjax.report.coco import CocoFile
from segjax.report.results import Results, Written

KEPT = 1 << 28
"""Bytes of pictures that are kept for their overlays; more are decoded again."""


@dataclasses.dataclass
class Tally:
    """What came of a call so far.

    Attributes:
      pictures: number of the picture -> its entry in the document.
      videos: entries of videos.
      areas: number of the picture -> its row of the table.
      frames: rows of the table for frames.
      failures: what could not be done, and why.
      predicted: pictures and frames that went through the network.
    """

    pictures: dict[int, dict[str, Any]] = dataclasses.field(default_factory=dict)
    videos: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    areas: dict[int, Areas] = dataclasses.field(default_factory=dict)
    frames: list[Areas] = dataclasses.field(default_factory=list)
    failures: list[tuple[Path, SegjaxError]] = dataclasses.field(default_factory=list)
    predicted: int = 0

    @property
    def rows(self) -> list[Areas]:
        """All rows of the table, in the order of the inputs."""
        return [self.areas[i] for i in sorted(self.areas)] + self.frames

    def fail(self, path: Path, error: SegjaxError) -> None:
        """Something could not be done."""
        self.failures.append((path, error))


@dataclasses.dataclass
class Flow:
    """One call.

    Attributes:
      model: what predicts.
      variables: its weights.
      results: how files are written.
      out: where they go.
      clock: of the call.
      waiting: pictures that wait to be predicted and, apart from them, to be written.
      told: called for each picture or frame that is over and done with.
      skip: whether what an earlier call has finished is left as it is.
      filmed: whether colours and overlays of a video are one video.
      rate: frames a second of videos that are made of sequences.
      coco: the file of all annotations, if there is one.
      tally: what came of it.
    """

    model: Predictable
    variables: Any
    results: Results
    out: Path
    clock: pace.Pace
    waiting: int
    told: Callable[[], None]
    skip: bool = False
    filmed: bool = True
    rate: float = RATE
    coco: CocoFile | None = None
    tally: Tally = dataclasses.field(default_factory=Tally)

    @property
    def threads(self) -> int:
        """Files that are read, and written, at once."""
        return self.model.threads

    def pictures(self, predict: PredictFn, pictures: Sequence[Picture]) -> None:
        """Predict pictures into files of their own."""
        left = list(self._left(pictures))
        results, kept = self.results, Kept(self.model.info.pixels)

        def failed(place: int, error: SegjaxError) -> None:
            self.tally.fail(left[place][1].path, error)
            self.told()

        def write(found: Prediction) -> tuple[int, Written | UserError]:
            picture = left[found.index][1]
            image = functools.partial(kept.get, found.index, picture.path)
            try:
                placed = "polygons" in results.kinds
                place = geotiff.place(picture.path) if placed else None
                answer = results.answer(found.ids, found.probabilities)
                paths = results.paths(self.out / picture.name)
                return found.index, results.write(answer, paths, image, place)
            except UserError as error:  # it changed while it was predicted
                return found.index, error
            finally:
                kept.drop(found.index)

        examples = files.pictures(
            [picture for _, picture in left], failed=failed, **self.reading
        )
        if "overlay" in results.kinds:
            examples = kept.watched(examples)
        for place, written in self.through(predict, examples, write):
            if isinstance(written, UserError):
                failed(place, written)
            else:
                self._account(*left[place], written)
                self.tally.predicted += 1

    @property
    def reading(self) -> dict[str, Any]:
        """How `predict.files` reads."""
        return {
            "host_ops": self.model.host_ops,
            "threads": self.threads,
            "waiting": self.waiting,
            "pixels": self.model.info.pixels,
        }

    def through(
        self,
        predict: PredictFn,
        examples: Iterable[dict[str, np.ndarray]],
        *write: Callable[[Any], Any],
    ) -> Iterator[Any]:
        """Examples through the network, and each prediction through the functions.

        The first is called by several threads at once, the others by one each, in
        order.
        """
        examples = self.clock.through(pace.READING, examples)
        found = predict(self.variables, examples)
        found = self.clock.through(pace.NETWORK, found)
        # Probabilities are large; of all else some wait, so that the network need not.
        threads, waiting = self.threads, self.waiting
        if self.results.probabilities:
            waiting = 0
        for function in write:
            timed = self.clock.worked(pace.WRITING, function)
            found = ahead(timed, found, threads, waiting)
            threads, waiting = 1, 0
        return self.clock.through(pace.WRITING, found)

    def annotate(self, image: dict[str, Any], written: Written) -> None:
        """Put the annotations of a picture or frame into the file, if there is one."""
        if self.coco is not None:
            height, width = written.size
            image |= {"width": width, "height": height}
            self.coco.add(image, written.annotations)

    def shares(self, pixels: np.ndarray) -> dict[str, float]:
        """The share of each class, by its name."""
        names = self.model.info.class_names
        return dict(zip(names, (pixels / pixels.sum()).tolist(), strict=True))

    def _left(self, pictures: Sequence[Picture]) -> Iterator[tuple[int, Picture]]:
        """The pictures that are to be predicted, with their numbers."""
        if not self.skip:
            yield from enumerate(pictures)
            return

        def read(picture: Picture) -> Written | None:
            paths = self.results.paths(self.out / picture.name)
            with contextlib.suppress(UserError):  # damaged, hence not there
                if self.results.has(paths, picture.path):
                    return self.results.read(paths)
            return None

        for number, old in enumerate(ahead(read, pictures, self.threads)):
            if old is None:
                yield number, pictures[number]
            else:
                self._account(number, pictures[number], old)

    def _account(self, number: int, picture: Picture, written: Written) -> None:
        path = str(picture.path)
        self.annotate({"file_name": path}, written)
        self.tally.areas[number] = Areas(path, "", written.size, written.pixels)
        self.tally.pictures[number] = {
            "input": path,
            "height": written.size[0],
            "width": written.size[1],
            "files": written.files,
            "shares": self.shares(written.pixels),
            "skipped": written.skipped,
        }
        self.told()


class Kept:
    """Pictures as they were decoded, until their overlays are drawn."""

    def __init__(self, pixels: Pixels):
        """
        Args:
          pixels: of the pictures.
        """
        self._pixels, self._lock = pixels, threading.Lock()
        self._images: dict[int, np.ndarray] = {}
        self._bytes = 0

    def watched(self, examples: Iterable[dict]) -> Iterator[dict]:
        """The examples; the pictures of those that find room are kept."""
        for example in examples:
            image = example[ORIGINAL]
            with self._lock:
                if self._bytes + image.nbytes <= KEPT:
                    self._images[int(example[INDEX])] = image
                    self._bytes += image.nbytes
            yield example

    def get(self, index: int, path: Path) -> np.ndarray:
        """A picture, decoded again if it was not kept."""
        if (image := self._images.get(index)) is not None:
            return image
        return decode.read_image(path, pixels=self._pixels)

    def drop(self, index: int) -> None:
        """A picture is kept no longer."""
        with self._lock:
            if (image := self._images.pop(index, None)) is not None:
                self._bytes -= image.nbytes
