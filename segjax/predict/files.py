"""Picture files and videos -> examples to predict, read ahead by threads."""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segjax.core.errors import SegjaxError, UserError
from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL
from segjax.core.pixels import RGB, Pixels
from segjax.data import decode
from segjax.data import video as videos
from segjax.predict.ahead import ahead
from segjax.predict.inputs import Picture, Video
from segjax.predict.whole import prepare

Example = dict[str, np.ndarray]
Failed = Callable[[int, SegjaxError], None]
"""Told the number of what cannot be read, and why; it is left out."""


def pictures(
    files: Sequence[Picture],
    host_ops: Sequence[Any],
    failed: Failed,
    *,
    threads: int = 4,
    waiting: int = 8,
    pixels: Pixels = RGB,
) -> Iterator[Example]:
    """The pictures as `predict` takes them, in order.

    Args:
      files: what to read.
      host_ops: the evaluation ops.
      failed: see `Failed`.
      threads: files decoded at once.
      waiting: examples that wait to be taken, at most.
      pixels: what the pictures must hold.
    """

    def read(numbered: tuple[int, Picture]) -> tuple[int, Example | SegjaxError]:
        index, picture = numbered
        try:
            image = decode.read_image(picture.path, pixels=pixels)
            return index, _example(image, index, host_ops)
        except SegjaxError as error:
            return index, error

    for index, result in ahead(read, enumerate(files), threads, waiting):
        if isinstance(result, SegjaxError):
            failed(index, result)
        else:
            yield result


def frames(
    video: Video,
    host_ops: Sequence[Any],
    failed: Failed,
    *,
    threads: int = 4,
    waiting: int = 8,
    pixels: Pixels = RGB,
) -> Iterator[Example]:
    """The frames of a video as `predict` takes them, in order, numbered from 0.

    They are decoded as they are needed, so that no more than `waiting` are in memory. A
    picture that cannot be read is left out and the others are its neighbours; a file
    that is damaged ends where it is. So does a video where the frames change their
    size. Arguments are those of `pictures`.
    """
    if video.frames is not None:
        same = {"threads": threads, "waiting": waiting, "pixels": pixels}
        examples = pictures(video.frames, host_ops, failed, **same)
    else:
        examples = _decoded(video.path, host_ops, failed, waiting, pixels)
    size = None
    with contextlib.closing(examples):
        for example in examples:
            own, index = example[LABEL].shape, int(example[INDEX])
            if own != (size := size or own):
                failed(index, _other_size(video, index, own, size))
                return
            yield example


def frame_name(video: Video, index: int) -> str:
    """What messages call a frame."""
    if video.frames is not None:
        return str(video.frames[index].path)
    return f"{video.path}, frame {index}"


def _decoded(
    path: Path, host_ops: Sequence[Any], failed: Failed, waiting: int, pixels: Pixels
) -> Iterator[Example]:
    """The frames of a file, by one thread."""
    if pixels != RGB:
        failed(0, UserError(f"{path}: is a video of 8-bit RGB; {pixels} are needed."))
        return
    source = videos.frames(path)

    def take(index: int) -> Example | SegjaxError | None:
        try:
            image = next(source, None)
            return None if image is None else _example(image, index, host_ops)
        except SegjaxError as error:
            return error

    with contextlib.closing(source):
        taken = ahead(take, itertools.count(), 1, waiting)
        with contextlib.closing(taken):
            for index, result in enumerate(taken):
                if isinstance(result, SegjaxError):
                    failed(index, result)
                if not isinstance(result, dict):
                    return
                yield result


def _example(image: np.ndarray, index: int, host_ops: Sequence[Any]) -> Example:
    label = np.full(image.shape[:2], IGNORE, np.uint8)
    example = {IMAGE: image, LABEL: label, INDEX: np.int64(index)}
    return prepare(example, host_ops)


def _other_size(video: Video, index: int, own, size) -> UserError:
    return UserError(
        f"{frame_name(video, index)}: is {own[0]}x{own[1]}, and the frames before are "
        f"{size[0]}x{size[1]}; the frames of a video share one size. Give the rest as "
        "a video of its own."
    )
