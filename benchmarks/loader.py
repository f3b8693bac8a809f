"""Images per second that reach the train step, beside a PyTorch DataLoader.

    python benchmarks/loader.py --cityscapes=DIR --sequence=DIR --camvid=DIR

For each set that is given: decode, crop, flip, jitter, batch, by segjax's pipeline and
by a `torch.utils.data.DataLoader` over Pillow and torchvision's transforms v2 that does
the same work (left out where torch is not installed). Crops are 512x1024 of Cityscapes
(`--cityscapes`: PNG, `--sequence`: JPEG; `ArrayRecord` is the PNGs after `segjax
prepare`) and 360x480 of CamVid. Workers 0 is one thread of one process, so images per
second and core; the rounds take turns, so that a slow spell of the machine falls on
both. Given are medians.

Then the batches of 0, 1, 2 and 4 workers are compared: they must be equal, bit by bit.
"""

import dataclasses
import json
import statistics
import tempfile
import time

import numpy as np
from absl import app, flags
from PIL import Image

from segjax.core import opstring
from segjax.core.keys import IMAGE, LABEL
from segjax.data import datasets, pipeline, records
from segjax.data.ops import OPS
from segjax.data.source import PairedFiles

CITYSCAPES = flags.DEFINE_string("cityscapes", None, "Official tree, PNG.")
SEQUENCE = flags.DEFINE_string("sequence", None, "Official tree of sequences, JPEG.")
CAMVID = flags.DEFINE_string("camvid", None, "SegNet's tree.")
IMAGES = flags.DEFINE_integer("images", 24, "Images in a timed round.")
ROUNDS = flags.DEFINE_integer("rounds", 5, "Timed rounds of each.")
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
    """The same by PyTorch; None if it is not installed."""
    try:
        import torch
        from torchvision import tv_tensors
        from torchvision.transforms import v2
    except ImportError:
        return None
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


def rates(makers):
    """Maker's name -> medians of images per second, measured in turns.

    Each round starts anew and first takes more batches than are read ahead, so that
    what is timed is made while it is timed, and nothing works beside it.
    """
    found = {}
    for _ in range(ROUNDS.value):
        for name, make in makers.items():
            if (stream := make()) is None:
                continue
            for _ in range(AHEAD):
                next(stream)
            begin = time.perf_counter()
            for _ in range(IMAGES.value // BATCH):
                next(stream)
            seconds = time.perf_counter() - begin
            if hasattr(stream, "close"):
                stream.close()
            found.setdefault(name, []).append(IMAGES.value / seconds)
    return {name: statistics.median(values) for name, values in found.items()}


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


def main(_: list[str]) -> None:
    """Measure and print."""
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
    print("| set | workers | segjax, images/s | PyTorch | ratio | equal batches |")
    print("|---|---:|---:|---:|---:|---|", flush=True)
    for name, (source, files, size) in sets.items():
        equal = same_batches(source, size)
        for workers in WORKERS.value:
            found = rates(
                {
                    "segjax": lambda s=source, z=size, w=workers: ours(s, z, w),
                    "torch": lambda s=files, z=size, w=workers: theirs(s, z, w),
                }
            )
            row = {"set": name, "workers": workers, **found, "equal": equal}
            rows.append(row)
            peer = found.get("torch")
            ratio = f"{found['segjax'] / peer:.2f}" if peer else "-"
            print(
                f"| {name} | {workers} | {found['segjax']:.1f} "
                f"| {f'{peer:.1f}' if peer else '-'} | {ratio} "
                f"| {'yes' if equal else 'NO'} |",
                flush=True,
            )
    if OUT.value:
        with open(OUT.value, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    app.run(main)
