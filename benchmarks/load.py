"""Images per second that reach the train step, beside a PyTorch DataLoader.

    python -m benchmarks.load --cityscapes=DIR --sequence=DIR --camvid=DIR
    python -m benchmarks.load --camvid=DIR --vs=none --out=load.json

For each set that is given: decode, crop, flip, jitter, batch, by segjax's pipeline and
by a `torch.utils.data.DataLoader` over Pillow and torchvision's transforms v2 that does
the same work (left out where torch is not installed). Crops are 512x1024 of Cityscapes
(`--cityscapes`: PNG, `--sequence`: JPEG; `ArrayRecord` is the PNGs after `segjax
prepare`) and 360x480 of CamVid. Workers 0 is one thread of one process, so images per
second and core; the rounds take turns, so that a slow spell of the machine falls on
all. Given are medians, and how many times as many as PyTorch's are segjax's, round by
round. The floor is the library alone: Pillow and OpenCV reading and decoding the same
images and masks and nothing else, in one thread of this process.

Then the batches of 0, 1, 2 and 4 workers are compared: they must be equal, bit by bit.
"""

import dataclasses
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping

import cv2
import numpy as np
from absl import app, flags
from PIL import Image

from benchmarks import clock, contest
from benchmarks.rivals.vision import with_torchvision
from segjax.core import opstring
from segjax.core.errors import UserError
from segjax.core.keys import IMAGE, LABEL
from segjax.data import datasets, pipeline, records
from segjax.data.ops import OPS
from segjax.data.source import PairedFiles

CITYSCAPES = flags.DEFINE_string("cityscapes", None, "Official tree, PNG.")
SEQUENCE = flags.DEFINE_string("sequence", None, "Official tree of sequences, JPEG.")
CAMVID = flags.DEFINE_string("camvid", None, "SegNet's tree.")
IMAGES = flags.DEFINE_integer("images", 24, "Images in a timed round.")
ROUNDS = flags.DEFINE_integer("rounds", 5, "Timed rounds of each.")
VS = flags.DEFINE_enum("vs", "torch", ["torch", "none"], "The other side.")
WORKERS = flags.DEFINE_multi_integer("workers", [0, 2], "Worker processes.")
OUT = flags.DEFINE_string("out", None, "JSON file for the figures.")
BATCH = 4
AHEAD = 8
"""Batches before the clock starts; more than any of the loaders reads ahead."""


def ours(source, size, workers):
    """An endless iterator of batches."""
    text = f"crop({size[0]}, {size[1]}) | flip_lr() | color_jitter(0.3, 0.3, 0.3)"
    ops = opstring.parse(text, OPS)
    return pipeline.train_batches(
        source, ops, seed=0, batch_size=BATCH, workers=workers, threads=1, prefetch=1
    )


def theirs(source, size, workers):
    """The same by PyTorch."""
    with_torchvision()
    import torch
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    torch.set_num_threads(1)
    change = v2.Compose(
        [
            v2.RandomCrop(
                size, pad_if_needed=True, fill={tv_tensors.Mask: 255, "others": 0}
            ),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(0.3, 0.3, 0.3, 0.02),
        ]
    )
    table = np.full(256, 255, np.uint8)
    for number, class_id in source.rule.values:
        table[number] = class_id

    class Pairs(torch.utils.data.Dataset):
        def __len__(self):
            return 10_000

        def __getitem__(self, i):
            _, image, mask = source.pairs[i % len(source)]
            image = np.array(Image.open(image).convert("RGB"))
            mask = table[np.array(Image.open(mask))]
            image = tv_tensors.Image(torch.from_numpy(image).permute(2, 0, 1))
            return change(image, tv_tensors.Mask(torch.from_numpy(mask)))

    loader = torch.utils.data.DataLoader(
        Pairs(), BATCH, shuffle=True, num_workers=workers, drop_last=True
    )
    return iter(loader)


def by_pillow(source) -> Iterator[None]:
    """The bytes of image and mask to arrays, and nothing more; a batch a step."""

    def decode(path):
        return np.asarray(Image.open(path))

    return _decoded(source, decode)


def by_opencv(source) -> Iterator[None]:
    """The same by OpenCV, in one thread."""
    cv2.setNumThreads(1)
    return _decoded(source, lambda path: cv2.imread(str(path), cv2.IMREAD_UNCHANGED))


def _decoded(source, decode: Callable) -> Iterator[None]:
    i = 0
    while True:
        for _ in range(BATCH):
            _, image, mask = source.pairs[i % len(source)]
            decode(image), decode(mask)
            i += 1
        yield


def rates(makers: Mapping[str, Callable[[], Iterator]]) -> dict[str, list[list[float]]]:
    """Maker's name -> seconds an image, one list a round, measured in turns.

    Each round starts anew and first takes more batches than are read ahead, so that
    what is timed is made while it is timed, and nothing works beside it.
    """

    def turn(make) -> list[float]:
        stream = make()
        for _ in range(AHEAD):
            next(stream)
        batches = -(-IMAGES.value // BATCH)
        begin = time.perf_counter()
        for _ in range(batches):
            next(stream)
        seconds = time.perf_counter() - begin
        if hasattr(stream, "close"):
            stream.close()
        return [seconds / (batches * BATCH)]

    turns = {name: lambda m=make: turn(m) for name, make in makers.items()}
    return clock.alternate(turns, ROUNDS.value)


def same_batches(source, size) -> bool:
    """Whether 0, 1, 2 and 4 workers give the same batches."""
    first = None
    for workers in (0, 1, 2, 4):
        stream = ours(source, size, workers)
        batches = [next(stream) for _ in range(3)]
        if hasattr(stream, "close"):
            stream.close()
        taken = [b[key] for b in batches for key in (IMAGE, LABEL)]
        first = first or taken
        if not all(map(np.array_equal, first, taken)):
            return False
    return True


def measure(source, files, size, workers: int) -> dict:
    """Spreads of seconds an image of both sides and of the libraries alone.

    Args:
      source: what segjax reads.
      files: the same examples as pairs of files.
      size: `(H, W)` of the crop.
      workers: processes of either loader.
    """
    makers = {
        "segjax": lambda: ours(source, size, workers),
        "pillow": lambda: by_pillow(files),
        "opencv": lambda: by_opencv(files),
    }
    if VS.value == "torch":
        makers["torch"] = lambda: theirs(files, size, workers)
    taken = rates(makers)
    found = {k: dataclasses.asdict(clock.pooled(v)) for k, v in taken.items()}
    if "torch" in taken:
        ratio = clock.ratios(taken["torch"], taken["segjax"])
        found["times_ours"] = dataclasses.asdict(ratio)
    return found


def line(row: dict) -> str:
    """One row of the table, in images a second."""

    def rate(name: str) -> str:
        return f"{1 / row[name]['median']:.1f}" if name in row else "-"

    ratio = "-"
    if times := row.get("times_ours"):
        ratio = f"{times['median']:.2f} ({times['low']:.2f}-{times['high']:.2f})"
    return (
        f"| {row['set']} | {row['workers']} | {rate('segjax')} | {rate('torch')} "
        f"| {ratio} | {rate('pillow')} | {rate('opencv')} "
        f"| {'yes' if row['equal'] else 'NO'} |"
    )


def main(_: list[str]) -> int:
    """Measure and print; 2 if PyTorch is asked for and missing."""
    try:
        if VS.value == "torch":
            contest.need_torch()
    except UserError as error:
        print(error)
        return 2
    wide, narrow = (512, 1024), (360, 480)
    sets = {}
    if CITYSCAPES.value:
        source = datasets.make("cityscapes", "train", root=CITYSCAPES.value)
        sets["Cityscapes PNG"] = source, source, wide
        folder = tempfile.mkdtemp()
        for compression in records.OPTIONS:
            target = records.Target(compression=compression)
            records.write(source, "train", f"{folder}/{compression}", target)
            made = datasets.make("prepared", "train", root=f"{folder}/{compression}")
            sets[f"Cityscapes ArrayRecord, {compression}"] = made, source, wide
    if SEQUENCE.value:
        clips = datasets.make("cityscapes", "train", root=SEQUENCE.value, frames=2)
        alone = {
            f.name: getattr(clips, f.name) for f in dataclasses.fields(PairedFiles)
        }
        source = PairedFiles(**alone)  # the labelled frames
        sets["Cityscapes JPEG"] = source, source, wide
    if CAMVID.value:
        source = datasets.make("camvid", "train", root=CAMVID.value)
        sets["CamVid PNG"] = source, source, narrow
    rows = []
    print(
        "| set | workers | segjax, images/s | PyTorch | ratio (quartiles) "
        "| Pillow alone | OpenCV alone | equal batches |"
    )
    print("|---|---:|---:|---:|---|---:|---:|---|", flush=True)
    for name, (source, files, size) in sets.items():
        equal = same_batches(source, size)
        for workers in WORKERS.value:
            row = {"set": name, "workers": workers, "equal": equal}
            row |= measure(source, files, size, workers)
            rows.append(row)
            print(line(row), flush=True)
    if OUT.value:
        with open(OUT.value, "w") as file:
            json.dump(rows, file, indent=1)
    return 0


if __name__ == "__main__":
    app.run(main)
