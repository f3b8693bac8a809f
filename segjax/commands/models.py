"""List the models, or the layers of one: parameters, operations, memory, source.

Parameters and running statistics (of batch norm, not trained) are exact. GMAC are
half the FLOPs that XLA counts in a forward pass of one image. The peak memory of a
train step (one image, AdamW, float32) is XLA's own analysis of the compiled program;
compiling takes from seconds to minutes a model, so it is done with --memory alone.

examples:
  segjax models
  segjax models unet deeplab_v3 --size 512 1024 --classes 19 --memory
  segjax models unet --layers --option width=32
"""

import argparse
import dataclasses
import inspect
import re
import sys
import warnings
from typing import Any

from segjax.commands import answer
from segjax.core.errors import UserError, raise_problems


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `segjax models`."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all models")
    parser.add_argument(
        "--size",
        nargs=2,
        type=answer.positive,
        metavar=("H", "W"),
        default=(256, 256),
        help="of the image; enlarged to what a model takes; default: 256 256",
    )
    parser.add_argument(
        "--classes",
        type=answer.positive,
        metavar="K",
        default=19,
        help="channels of the logits; default: 19",
    )
    parser.add_argument(
        "--channels",
        type=answer.positive,
        metavar="C",
        default=3,
        help="of the image; default: 3",
    )
    parser.add_argument(
        "--memory", action="store_true", help="compile a train step for its peak memory"
    )
    parser.add_argument(
        "--layers", action="store_true", help="the layers of each model, two levels"
    )
    parser.add_argument(
        "--option",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="an argument of the model, a Python literal; may repeat; one NAME alone",
    )


def run(args: argparse.Namespace) -> int:
    """Print the table; returns the exit code."""
    from segjax.core.tables import unknown
    from segjax.models import MODELS
    from segjax.train import cost

    raise_problems(
        [
            unknown("model", n, MODELS, "segjax models")
            for n in args.names
            if n not in MODELS
        ]
    )
    options = answer.options(args.option)
    if options and len(args.names) != 1:
        raise UserError("--option: goes with one model; write `segjax models NAME`.")
    size, rows = tuple(args.size), []
    for name in args.names or MODELS:
        raise_problems(MODELS.problems("--option model", name, options))
        model = MODELS[name](num_outputs=args.classes, **options)
        if args.memory:
            print(f"compiling {name} ...", file=sys.stderr, flush=True)
        row = {"name": name, "source": source(MODELS[name])}
        with warnings.catch_warnings():  # of sizes too small to train well at
            warnings.simplefilter("ignore", UserWarning)
            found = cost.of(model, size, channels=args.channels, memory=args.memory)
            row |= dataclasses.asdict(found)
        if args.layers:
            found = cost.layers(model, size, channels=args.channels)
            row["layers"] = [dataclasses.asdict(layer) for layer in found]
        rows.append(row)
    words = [table(rows, args.classes)]
    words += [layer_table(row) for row in rows if args.layers]
    answer.give(args, "\n\n".join(words), {"classes": args.classes, "models": rows})
    return 0


def source(entry: Any) -> str:
    """Who published a model: the first `Source:` of its file, to the year or number."""
    text = " ".join((inspect.getmodule(entry).__doc__ or "").split())
    found = re.search(
        r"Source: (.*?(?:arXiv [\d.]+\d|\b(?:19|20)\d\d\b(?!, arXiv)))", text
    )
    return found.group(1) if found else ""


def table(rows: list[dict[str, Any]], classes: int) -> str:
    """The models in columns, as markdown."""
    memory = any(row["train_bytes"] for row in rows)
    head = ["model", "parameters", "running statistics", "GMAC", "at"]
    head += ["training, MiB"] * memory + ["source"]
    lines = []
    for row in rows:
        line = [row["name"], f"{row['parameters']:,}", f"{row['running_statistics']:,}"]
        line += [f"{row['gmac']:.2f}", "x".join(map(str, row["size"]))]
        line += [f"{(row['train_bytes'] or 0) / 2**20:,.0f}"] * memory
        lines.append([*line, row["source"]])
    title = f"{len(rows)} models, {classes} classes, default arguments otherwise\n\n"
    return title + _columns(head, lines, left=("model", "source"))


def layer_table(row: dict[str, Any]) -> str:
    """The layers of a model in columns, as markdown; totals last."""
    lines = [
        [
            layer["path"],
            "x".join(map(str, layer["shape"])) if layer["shape"] else "",
            f"{layer['parameters']:,}",
            f"{layer['running_statistics']:,}",
        ]
        for layer in row["layers"]
    ]
    totals = [f"{row[key]:,}" for key in ("parameters", "running_statistics")]
    lines.append(["all", "", *totals])
    head = ["layer", "output", "parameters", "running statistics"]
    return f"{row['name']}\n\n" + _columns(head, lines, left=("layer", "output"))


def _columns(head: list[str], lines: list[list[str]], left: tuple[str, ...]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]

    def written(cells):
        padded = (
            cell.ljust(width) if name in left else cell.rjust(width)
            for cell, width, name in zip(cells, widths, head, strict=True)
        )
        return "| " + " | ".join(padded) + " |"

    rule = (
        "-" * width if name in left else "-" * (width - 1) + ":"
        for width, name in zip(widths, head, strict=True)
    )
    return "\n".join([written(head), f"| {' | '.join(rule)} |", *map(written, lines)])
