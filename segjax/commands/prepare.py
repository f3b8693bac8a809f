"""Decode a data set once and keep it as ArrayRecord shards that train faster.

Every example of the named splits is read, resized if asked, and stored without loss
beside its class table. Train from the folder by `data.name=prepared`. Resizing also
resizes the labels, by nearest: scores are then of the smaller labels.

examples:
  segjax prepare --dataset cityscapes --root /data/cityscapes --out /data/cs --short 512
  segjax prepare --config configs/camvid_unet.py --out prepared/camvid
  python launch.py --config=configs/camvid_unet.py --config.data.name=prepared
      --config.data.root=prepared/camvid
"""

import argparse
from pathlib import Path

from segjax.commands import answer
from segjax.commands.inspect import add_source, chosen
from segjax.core.errors import UserError

OVERRIDES = True  # takes --config.a.b=v


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `segjax prepare`."""
    add_source(parser)
    parser.add_argument(
        "--out", metavar="DIR", type=Path, required=True, help="folder of the shards"
    )
    parser.add_argument(
        "--splits", nargs="+", metavar="NAME", help="default: train val"
    )
    parser.add_argument(
        "--size",
        nargs=2,
        type=answer.positive,
        metavar=("H", "W"),
        help="resize all to this; default: each keeps its size",
    )
    parser.add_argument(
        "--short",
        type=answer.positive,
        metavar="N",
        help="resize the shorter side to N; the aspect stays",
    )
    parser.add_argument(
        "--compression",
        choices=("zstd", "none"),
        default="zstd",
        help="none makes larger files that are read faster; default: zstd",
    )
    parser.add_argument(
        "--threads", type=answer.positive, metavar="N", default=4, help="default: 4"
    )


def run(args: argparse.Namespace) -> int:
    """Write the splits; returns the exit code."""
    from segjax.data import datasets, records
    from segjax.report import count

    answer.raise_unless_folder("--out", args.out)
    checked, options = chosen(args)
    splits = args.splits or (
        (checked.train_split, checked.val_split) if checked else ("train", "val")
    )
    if len(set(splits)) < len(splits):
        raise UserError(f"--splits {' '.join(splits)}: a split stands twice.")
    target = records.Target(
        size=tuple(args.size) if args.size else None,
        short_side=args.short,
        compression=args.compression,
    )
    sources = {split: datasets.make(split=split, **options) for split in splits}
    rows = []
    for split, source in sources.items():
        with count.shown(f"preparing {split}") as update:
            written = records.write(
                source, split, args.out, target, threads=args.threads, progress=update
            )
        rows.append({"split": split, "examples": len(source), "bytes": written})
    words = [
        f"{row['split']}: {row['examples']} examples, {row['bytes'] / 2**20:,.1f} MiB"
        for row in rows
    ]
    words.append(
        f"Train from it: --config.data.name=prepared --config.data.root={args.out}"
    )
    answer.give(args, "\n".join(words), {"out": args.out, "splits": rows})
    return 0
