"""Make one file of a trained run that works without segjax.

examples:
  segjax export runs/camvid_unet --out roads.segjax --root /data/CamVid
"""

import argparse
from pathlib import Path

from segjax.commands import answer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `segjax export`."""
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of the run")
    parser.add_argument("--out", metavar="FILE", type=Path)
    parser.add_argument("--sizes", metavar="HxW,...", required=True)


def run(args: argparse.Namespace) -> int:
    """Export; returns the exit code."""
    from segjax import parts as all_parts
    from segjax.serve import bundle, export

    parts, variables, step = all_parts.load(args.run)
    out = args.out or args.run / f"{args.run.name}{bundle.SUFFIX}"
    made = export.make(
        parts, variables, title=args.run.name, sizes=export.sizes_of(args.sizes)
    )
    digest = export.write(out, made, {"step": step}, {"card.md": b"# card\n"})
    answer.give(args, f"{out} {digest}", {"out": out, "sha256": digest})
    return 0
