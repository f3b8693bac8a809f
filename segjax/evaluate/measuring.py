"""Measures beyond the confusion counts, in the same pass over the images.

What measures find in an image is put into one int32 row beside its confusion counts,
floats by their bits, so that rows of all processes are gathered exactly.
"""

import math
from collections.abc import Iterable, Iterator, Mapping

import cv2
import numpy as np
from jaxtyping import Int32

from segjax.core.errors import UserError
from segjax.core.keys import IMAGE, INDEX, LABEL
from segjax.data.display import shown
from segjax.data.source import Source
from segjax.metrics.measure import Found, Frame, Layout, Measure, OfVideos, OnHost
from segjax.metrics.measures import words
from segjax.predict.whole import Prediction


class Measuring:
    """Looks at a split's images as they are predicted.

    Args:
      measures: by name.
      num_classes: `K`.
      source: the split; measures of videos ask for its videos.

    Raises:
      UserError: a measure is of videos and the source is none of videos.
    """

    def __init__(
        self, measures: Mapping[str, Measure], num_classes: int, source: Source
    ):
        refuse_stills(measures, source)
        self._measures = measures
        self._num_classes = num_classes
        self.layout: Layout = {}
        for measure in measures.values():
            self.layout |= measure.layout(num_classes)
        self.width = sum(map(_size, self.layout.values()))
        self.by_video = any_of_videos(measures)
        self._on_host = [m for m in measures.values() if isinstance(m, OnHost)]
        self._of_videos = [m for m in measures.values() if isinstance(m, OfVideos)]
        self._videos = source.videos if self.by_video else ()
        self._waiting: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}
        self._before: dict[str, Frame] = {}  # video -> its newest frame
        self._last = {video: i for i, video in enumerate(self._videos)}

    def watch(self, examples: Iterable[dict]) -> Iterator[dict]:
        """The examples as they are; what measures need of them is kept meanwhile."""
        for example in examples:
            if self._on_host or self._of_videos:
                label = example[LABEL]
                label = label if label.ndim == 2 else label[-1]
                image = example[IMAGE] if self._of_videos else None
                self._waiting[int(example[INDEX])] = label, image
            yield example

    def row(self, prediction: Prediction) -> Int32[np.ndarray, "M"]:
        """What the measures find in an image, in the order of `layout`."""
        found = dict(prediction.sums)
        i = prediction.index
        if i in self._waiting:
            label, image = self._waiting.pop(i)
            frame = Frame(prediction.ids, label, _looks(image, label))
            for measure in self._on_host:
                found |= measure.look(frame, self._num_classes)
            if self._of_videos:
                found |= self._in_video(i, frame)
        parts = [
            np.asarray(found[name], dtype).reshape(-1).view(np.int32)
            for name, (_, dtype) in self.layout.items()
        ]
        return np.concatenate([np.zeros(0, np.int32), *parts])

    def _in_video(self, i: int, frame: Frame) -> dict[str, np.ndarray]:
        video = self._videos[i]
        before, found = self._before.pop(video, None), {}
        for measure in self._of_videos:
            found |= measure.look(before, frame, self._num_classes)
        if self._last[video] != i:
            self._before[video] = frame
        return found


def unpack(rows: Int32[np.ndarray, "N M"], layout: Layout) -> Found:
    """`Measuring.row` of many images, taken apart again."""
    found, at = {}, 0
    for name, (shape, dtype) in layout.items():
        size = _size((shape, dtype))
        part = np.ascontiguousarray(rows[:, at : at + size]).view(dtype)
        found[name], at = part.reshape(len(rows), *shape), at + size
    return found


def any_of_videos(measures: Mapping[str, Measure]) -> bool:
    """Whether one of them looks at frames in the order of time."""
    return any(isinstance(m, OfVideos) for m in measures.values())


def refuse_stills(measures: Mapping[str, Measure], source: Source) -> None:
    """Measures of videos need a source that tells its videos.

    Raises:
      UserError: it does not.
    """
    if getattr(source, "videos", ()):
        return
    found = [
        f"measures: {words(name, m)} is of videos, and the examples of {source!r} are "
        "no frames of videos. Leave it out, or name data with config.data.video=True."
        for name, m in measures.items()
        if isinstance(m, OfVideos)
    ]
    if found:
        raise UserError(found)


def _size(entry: tuple[tuple[int, ...], type]) -> int:
    return math.prod(entry[0])


def _looks(image: np.ndarray | None, label: np.ndarray) -> np.ndarray | None:
    """The image (of a clip its last frame) as 8-bit RGB at the label's size."""
    if image is None:
        return None
    still = shown(image if image.ndim == 3 else image[-1])
    if still.shape[:2] == label.shape:
        return still
    return cv2.resize(still, label.shape[::-1], interpolation=cv2.INTER_AREA)
