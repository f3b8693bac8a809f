"""Moving MNIST: two digits that bounce in a square of 64x64, drawn from MNIST's files.

Each clip is a pure function of (seed, split, number): which digits, where they start
and in which direction they go. A digit moves by `STEP` of its free way a frame and
turns back at the walls; where two overlap, an image shows the brighter one.

Source: Srivastava, Mansimov, Salakhutdinov: Unsupervised Learning of Video
Representations using LSTMs, 2015, arXiv 1502.04681.
Differs: clips are drawn anew and are not those of the published file of 10,000; there
are labels, of the last frame; images are RGB.
"""

import dataclasses
import functools
import gzip
import hashlib
import json
import os
import pathlib
import struct
import zlib
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int, UInt8

from segjax.core.errors import UserError, raise_problems
from segjax.core.info import DatasetInfo
from segjax.core.keys import IMAGE, INDEX, LABEL
from segjax.data import decode
from segjax.data.clips import Frames
from segjax.data.datasets.folder import generated_colours
from segjax.data.source import bad_split, content_hash, find_root

CLASSES = {
    "foreground": ("background", "digit"),
    "digits": ("background", *(f"digit {k}" for k in range(10))),
}
"""Labels -> their classes."""

DIGITS = {  # split -> file, and the share of its digits: from, to
    "all files": {
        "train": ("train", 0, 11 / 12),
        "val": ("train", 11 / 12, 1),
        "test": ("t10k", 0, 1),
    },
    "t10k alone": {
        "train": ("t10k", 0, 0.8),
        "val": ("t10k", 0.8, 0.9),
        "test": ("t10k", 0.9, 1),
    },
}
"""Which digits a split draws from: disjoint, whichever files there are."""

SIZE = 64
STEP = 0.1
INK = 128
"""A pixel of a digit is labelled from this value up; of 255."""

VERSION = 1
"""Raised whenever a change draws other pixels for the same arguments."""

SPLITS = ("train", "val", "test")
HOMEPAGE = "http://yann.lecun.com/exdb/mnist/"
TREE = """\
  ROOT/train-images-idx3-ubyte.gz   ROOT/train-labels-idx1-ubyte.gz
  ROOT/t10k-images-idx3-ubyte.gz    ROOT/t10k-labels-idx1-ubyte.gz
  (MNIST's own files, packed or not)"""


def make(
    split: str,
    root: str,
    frames: int = 10,
    labels: Literal["foreground", "digits"] = "foreground",
    num_digits: int = 2,
    num_train: int = 10_000,
    num_val: int = 1_000,
    num_test: int = 1_000,
    seed: int = 0,
    labelled: Literal["last", "all"] = "last",
    video: bool = False,
) -> "MovingMnist | Frames":
    """One split of Moving MNIST.

    Args:
      split: `"train"`, `"val"` or `"test"`. With all of MNIST's files these draw from
        its first 55,000 training digits, its other 5,000, and its 10,000 test digits;
        with the `t10k` files alone, from the first 8,000, the next 1,000 and the last
        1,000 of these.
      root: the folder that holds MNIST's files.
      frames: `T`; an image is a clip `(T, 64, 64, 3)`, or a still for 1.
      labels: `"foreground"` is digit or background; `"digits"` has a class for each of
        0 to 9. Of two digits on one pixel the later drawn one is labelled.
      num_digits: digits in a clip.
      num_train: clips in `"train"`.
      num_val: clips in `"val"`.
      num_test: clips in `"test"`.
      seed: of all clips; not the seed of the training.
      labelled: which frames of a clip have a label.
      video: every frame of the clips by itself, for a model that walks through them.

    Raises:
      UserError: the files are missing or are not MNIST's, or an argument is out of its
        range.
    """
    name = f"moving_mnist_{labels}"
    info = DatasetInfo(
        name=name,
        class_names=CLASSES[labels],
        class_colours=generated_colours(len(CLASSES[labels])),
        homepage=HOMEPAGE,
        citation=(
            "Srivastava, Mansimov, Salakhutdinov: Unsupervised Learning of Video "
            "Representations using LSTMs, ICML 2015"
        ),
        licence="CC BY-SA 3.0",
    )
    if split not in SPLITS:
        raise bad_split(info, split, SPLITS)
    counts = {"train": num_train, "val": num_val, "test": num_test}
    numbers = {f"num_{s}": n for s, n in counts.items()}
    numbers |= {"frames": frames, "num_digits": num_digits}
    raise_problems(
        [
            f"config.data.{key}={number}: must be 1 or more."
            for key, number in numbers.items()
            if number < 1
        ]
    )
    base = find_root(root, info, TREE)
    has_train = any(_file(base, "train", kind) for kind in _KINDS)
    group, first, end = DIGITS["all files" if has_train else "t10k alone"][split]
    files = {kind: _file(base, group, kind) for kind in _KINDS}
    raise_problems(
        [
            f"{base}: has no {group}-{kind}-{_KINDS[kind]}.gz; the files must lie "
            f"so:\n{TREE}"
            for kind, file in files.items()
            if file is None
        ]
    )
    total = len(read_idx(files["labels"]))
    if (images := read_idx(files["images"])).shape != (total, 28, 28):
        raise UserError(
            f"{files['images']}: holds {images.shape} and the labels {total}; images "
            "are 28x28, one a label. Copy both files again."
        )
    digits = (round(first * total), round(end * total))
    if digits[0] == digits[1]:
        raise UserError(
            f"{files['images']}: has {total} digits, too few for {split}; MNIST has "
            "10,000 and 60,000. Copy it again."
        )
    made = MovingMnist(
        info,
        split,
        str(files["images"]),
        str(files["labels"]),
        digits,
        counts[split],
        frames,
        num_digits,
        seed,
        "all" if video else labelled,
    )
    return Frames(made, frames) if video else made


@dataclasses.dataclass(frozen=True)
class MovingMnist:
    """One split; a `Source` (see `segjax.data.source`).

    Attributes:
      info: class table and provenance.
      split: name of the split.
      images_file: MNIST's images.
      labels_file: MNIST's labels.
      digits: first and end of the digits that the split draws from.
      count: number of clips.
      frames: `T`.
      num_digits: digits in a clip.
      seed: of all clips.
      labelled: which frames have a label, `last` or `all`.
    """

    info: DatasetInfo
    split: str
    images_file: str
    labels_file: str
    digits: tuple[int, int]
    count: int
    frames: int
    num_digits: int
    seed: int
    labelled: str = "last"

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: int) -> dict[str, Any]:
        """Clip `i`; see `core.keys`."""
        clip, which = self._draw(i)
        image = np.repeat(clip.max(axis=0)[..., None], 3, axis=-1)
        image = image[0] if self.frames == 1 else image
        labels = np.zeros(clip.shape[1:], np.uint8)
        one_class = self.info.num_classes == 2
        for layer, digit in zip(clip, which, strict=True):
            labels[layer >= INK] = 1 if one_class else digit + 1
        dense = self.labelled == "all" and self.frames > 1
        label = labels if dense else labels[-1]
        return {IMAGE: image, LABEL: label, INDEX: np.int64(i)}

    def name(self, i: int) -> str:
        """Name of a clip: `train_000012`."""
        return f"{self.split}_{i:06d}"

    def fingerprint(self) -> str:
        """sha256 over MNIST's files, the version of the drawing and all arguments."""
        what = [VERSION, list(self.info.class_names), self.split, list(self.digits)]
        what += [self.count, self.frames, self.num_digits, self.seed]
        what += [self.labelled] * (self.labelled == "all")
        what += [content_hash(f) for f in (self.images_file, self.labels_file)]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()

    def __repr__(self) -> str:
        file = os.path.basename(self.images_file).partition("-")[0]
        first, end = self.digits
        return (
            f"{self.info.name} {self.split}: {self.count} clips of {self.frames} "
            f"frames (digits {first}-{end - 1} of {file}, seed {self.seed})"
        )

    def _draw(
        self, i: int
    ) -> tuple[UInt8[np.ndarray, "N T H W"], Int[np.ndarray, "N"]]:
        """Each digit of clip `i` alone on black, and which digit it is."""
        if not 0 <= i < self.count:
            raise IndexError(f"{self!r}: has no clip {i}.")
        rng = np.random.default_rng((self.seed, SPLITS.index(self.split), int(i)))
        images, labels = read_idx(self.images_file), read_idx(self.labels_file)
        chosen = rng.integers(*self.digits, self.num_digits)
        layers = np.zeros((self.num_digits, self.frames, SIZE, SIZE), np.uint8)
        free = SIZE - images.shape[1]
        for layer, digit in zip(layers, chosen, strict=True):
            place = (bounce(rng, self.frames) * free).astype(int)
            for frame, (y, x) in zip(layer, place, strict=True):
                frame[y : y + 28, x : x + 28] = images[digit]
        return layers, labels[chosen].astype(np.int64)


def bounce(rng: np.random.Generator, frames: int) -> Float[np.ndarray, "T 2"]:
    """Places of a point in the unit square that goes straight and turns at the walls.

    A place is `(y, x)`, the first one anywhere; the way of one frame is `STEP` long. At
    a wall the point stops for the rest of the frame's way, as in the published program.
    """
    place = rng.random(2)
    angle = rng.random() * 2 * np.pi
    way = STEP * np.array([np.sin(angle), np.cos(angle)])
    places = []
    for _ in range(frames):
        places.append(place)
        place = place + way
        way = np.where((place <= 0) | (place >= 1), -way, way)
        place = place.clip(0, 1)
    return np.stack(places)


def read_idx(path: str | os.PathLike[str]) -> UInt8[np.ndarray, "..."]:
    """The array in a file in MNIST's IDX format, packed by gzip or not; remembered.

    Raises:
      UserError: the file cannot be read, or is no IDX file of bytes.
    """
    stat = os.stat(path)
    return _read_idx(str(path), stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _read_idx(path: str, size: int, mtime_ns: int) -> UInt8[np.ndarray, "..."]:
    content = decode.read_bytes(path)
    try:
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        zeros, kind, rank = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{rank}I", content, 4)
        if (zeros, kind) != (0, 8):
            raise ValueError(f"it starts {content[:4]!r}")
        array = np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise UserError(
            f"{path}: is no IDX file of bytes ({error}); copy it again."
        ) from None
    return array


_KINDS = {"images": "idx3-ubyte", "labels": "idx1-ubyte"}


def _file(base: pathlib.Path, group: str, kind: str) -> pathlib.Path | None:
    """The file of a group and kind, under any of its usual names."""
    stems = (f"{group}-{kind}{mark}{_KINDS[kind]}" for mark in "-.")
    paths = (base / f"{stem}{end}" for stem in stems for end in ("", ".gz"))
    return next((path for path in paths if path.is_file()), None)
