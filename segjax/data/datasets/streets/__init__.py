"""Streets: an endless data set of drawn street scenes, for a first run without data.

A driver's view with the classes of CamVid, drawn from random numbers alone: every
scene is a pure function of (seed, scene number), at any size, and can be seen as a
still or as a clip in which the camera, cars and people move. The label is painted with
the same polygons as the image, and no weather, light or noise reaches it. As annotators
do, it fills what is seen through: railings, bicycle wheels and bare trees.

The scene is settled by `layout` and `population`, its light by `conditions`; `render`
puts both on a canvas. Nothing in it was measured on real streets: a score on it says
that training works, and nothing about any real road.
"""

import dataclasses
import functools
import hashlib
import json
import threading
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from segjax.core.errors import raise_problems
from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL
from segjax.core.tables import unknown
from segjax.data.clips import Frames
from segjax.data.datasets.streets import conditions, layout, render
from segjax.data.datasets.streets.classes import INFO

__all__ = ["FRAMES_PER_SECOND", "INFO", "Streets", "clip", "make", "still"]

VERSION = 1
"""Raised whenever a change draws other pixels for the same arguments."""

FRAMES_PER_SECOND = 10

_LIGHT = 29  # stream of the light: the first scenes of seed 0 show all kinds of it

_KEPT_PIXELS = 2**16
"""Images up to this size are kept: 512 of them are at most 128 MiB."""

_FIRST = {"train": 0, "val": 1_000_000, "test": 2_000_000}  # scene number of a split


@dataclasses.dataclass(frozen=True)
class Streets:
    """One split of the data set; a `Source` (see `segjax.data.source`).

    Attributes:
      split: train, val or test.
      size: `(H, W)` of every image.
      count: number of scenes.
      seed: of all scenes.
      frames: `T`; above 1 an image is a clip `(T, H, W, 3)` and its label the last
        frame's.
      only: the one class to tell from all others; None for all classes.
      labelled: which frames of a clip have a label.
    """

    split: str
    size: tuple[int, int]
    count: int
    seed: int
    frames: int = 1
    only: str | None = None
    labelled: str = "last"

    @property
    def info(self) -> DatasetInfo:
        """The class table."""
        if self.only is None:
            return INFO
        colour = INFO.class_colours[INFO.class_names.index(self.only)]
        return dataclasses.replace(
            INFO,
            name=f"streets_{self.only}",
            class_names=("other", self.only),
            class_colours=((64, 64, 64), colour),
        )

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict:
        """The still, or the clip; see `core.keys`."""
        height, width = self.size
        small = self.frames * height * width <= _KEPT_PIXELS
        draw = _kept if small else clip
        images, labels = draw(self.seed, self._scene(index), self.frames, self.size)
        image = images[0] if self.frames == 1 else images
        dense = self.labelled == "all" and self.frames > 1
        label = (labels if dense else labels[-1]).copy()
        if self.only is not None:
            known = INFO.class_names.index(self.only)
            label = np.where(label == IGNORE, label, label == known).astype(np.uint8)
        return {IMAGE: image.copy(), LABEL: label, INDEX: int(index)}

    def name(self, index: int) -> str:
        """Name of an example: `train_000012`."""
        self._scene(index)
        return f"{self.split}_{index:06d}"

    def clip(self, index: int, num_frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Example `index` going on in time; see `clip`."""
        return clip(self.seed, self._scene(index), num_frames, self.size)

    def fingerprint(self) -> str:
        """sha256 of the version of the drawing and of all arguments."""
        what = [INFO.name, VERSION, self.split, list(self.size), self.count, self.seed]
        what += [self.frames] * (self.frames > 1) + [self.only] * bool(self.only)
        what += [self.labelled] * (self.labelled == "all")
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()

    def __repr__(self) -> str:
        height, width = self.size
        shape = f"{self.count} scenes of {height}x{width}"
        return f"streets/{self.split} ({shape}, seed {self.seed})"

    def _scene(self, index: int) -> int:
        if not 0 <= index < self.count:
            raise IndexError(f"{self!r}: has no example {index}.")
        return _FIRST[self.split] + int(index)


def make(
    split: str,
    size: tuple[int, int] = (128, 192),
    num_train: int = 256,
    num_val: int = 64,
    seed: int = 0,
    frames: int = 1,
    only: str | None = None,
    labelled: Literal["last", "all"] = "last",
    video: bool = False,
) -> Streets | Frames:
    """One split of the streets.

    Args:
      split: `"train"`, `"val"` or `"test"`; no two share a scene.
      size: `(height, width)`, each at least 16; the same scenes at any size.
      num_train: scenes in the train split.
      num_val: scenes in the val split and in the test split.
      seed: another seed is another town.
      frames: `T`; above 1 examples are clips of `FRAMES_PER_SECOND`, and the label is
        that of the last frame.
      only: a class to tell from all others, for the task `binary`.
      labelled: which frames of a clip have a label.
      video: every frame of the clips by itself, for a model that walks through them.

    Raises:
      UserError: for a split, size or number that is not allowed.
    """
    problems = []
    if split not in _FIRST:
        problems.append(
            f"streets.split={split!r}: no such split; use {', '.join(_FIRST)}."
        )
    if len(size) != 2 or not all(16 <= n <= 4096 for n in size):
        problems.append(
            f"streets.size={tuple(size)}: is no size; (height, width), each from 16 to "
            "4096, is allowed. Use for example (128, 192)."
        )
    for name, number in (("num_train", num_train), ("num_val", num_val)):
        if not 1 <= number <= 1_000_000:
            problems.append(
                f"streets.{name}={number}: is no number of scenes; 1 to 1000000 is "
                "allowed. Use for example 256."
            )
    if not 1 <= frames <= 100:
        problems.append(f"streets.frames={frames}: 1 to 100 is allowed. Use 4.")
    if seed < 0:
        problems.append(f"streets.seed={seed}: is negative; use 0 or more.")
    if only is not None and only not in INFO.class_names:
        problems.append(
            unknown("class", only, INFO.class_names, f"streets.only={only!r}")
        )
    raise_problems(problems)
    height, width = (int(n) for n in size)
    count = num_train if split == "train" else num_val
    args = (split, (height, width), count, seed, frames, only)
    return Frames(Streets(*args, "all"), frames) if video else Streets(*args, labelled)


def still(
    seed: int, scene: int, size: tuple[int, int]
) -> tuple[UInt8[np.ndarray, "H W 3"], UInt8[np.ndarray, "H W"]]:
    """Scene `scene` of town `seed`: image RGB and label, ids or `IGNORE`.

    Equal to frame 0 of `clip` with the same arguments.
    """
    images, labels = clip(seed, scene, 1, size)
    return images[0], labels[0]


def clip(
    seed: int, scene: int, num_frames: int, size: tuple[int, int]
) -> tuple[UInt8[np.ndarray, "T H W 3"], UInt8[np.ndarray, "T H W"]]:
    """A scene over time: `T` images and labels at `FRAMES_PER_SECOND`.

    The camera drives along the road or waits at a crossing; vehicles, cyclists and
    people move at constant speeds; light and weather stay. A world repeats itself after
    `world.PERIOD` metres of road, so any number of frames may be asked for.
    """
    with _drawing:
        world = layout.make(np.random.default_rng((seed, scene, 0)))
        light = conditions.make(np.random.default_rng((seed, scene, _LIGHT)))
        frames = [
            render.run(world, light, size, frame / FRAMES_PER_SECOND, frame)
            for frame in range(num_frames)
        ]
    images, labels = zip(*frames, strict=True)
    return np.stack(images), np.stack(labels)


_kept = functools.lru_cache(maxsize=512)(clip)

_drawing = threading.Lock()
"""One scene at a time: a thousand short calls, which several threads make in up to
twice the time of one, as they take turns with the interpreter at each."""
