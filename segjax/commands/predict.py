"""Segment pictures of any size with a trained run.

INPUTS are files or folders (all pictures under them). For each picture NAME.jpg it
writes, at the picture's own size:

  NAME_ids.png       8-bit class ids, with the class colours as palette
  NAME_colour.png    the class colours
  NAME_overlay.png   the picture tinted by class

A picture that cannot be read is reported and the others are done; the exit code is
then 2.

examples:
  segjax predict runs/camvid photo.jpg --out predicted
  segjax predict runs/camvid photos/ more/*.tif --out predicted --no-colour --json
  segjax predict runs/camvid huge.tif --out predicted --protocol 'slide(512, 512)'
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from segjax.commands import answer
from segjax.core.errors import SegjaxError, UserError

SHOWN = 3
"""Classes named in the line of a picture."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `segjax predict`."""
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of the run")
    parser.add_argument(
        "inputs", metavar="INPUTS", type=Path, nargs="+", help="pictures or folders"
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, required=True, help="where results go"
    )
    parser.add_argument(
        "--weights",
        choices=("best", "latest"),
        default="best",
        help="which checkpoint; default: best",
    )
    parser.add_argument(
        "--batch-size",
        metavar="N",
        type=answer.positive,
        help="pictures of one size, or windows, a step; 1 is quickest where all sizes "
        "differ; default: the config's",
    )
    parser.add_argument("--protocol", metavar="OPS", help=answer.PROTOCOL)
    parser.add_argument("--postprocess", metavar="OPS", help=answer.POSTPROCESS)
    for kind in ("colour", "overlay"):
        parser.add_argument(
            f"--no-{kind}",
            dest=kind,
            action="store_false",
            help=f"leave NAME_{kind}.png out",
        )


def run(args: argparse.Namespace) -> int:
    """Predict every picture; returns the exit code."""
    answer.raise_unless_folder("--out", args.out)
    answer.raise_unless_ops(args)
    from segjax import parts as all_parts
    from segjax import process
    from segjax.predict import files
    from segjax.report import count, record

    pixels = record.pixels(args.run)
    pictures = files.find(args.inputs, leave_out=args.out, pixels=pixels)
    _refuse_overwriting(args, pictures)
    process.prepare()
    parts, variables, step = all_parts.load(args.run, args.weights)
    process.keep_compiled()
    protocol = parts.protocol(args.protocol)
    if args.postprocess is not None:
        parts = parts.evaluated(postprocess=args.postprocess)
    predict = parts.predict(None, args.batch_size, protocol)
    threads, failures, done = parts.config.input.threads, {}, {}

    def write(prediction):
        picture = pictures[prediction.index]
        try:
            return prediction.index, _write(args, picture, prediction.ids, parts.info)
        except UserError as error:  # it changed while it was predicted
            return prediction.index, error

    with count.shown("predicting") as update:
        stream = files.examples(
            pictures,
            parts.config.eval_ops[0],
            failures.__setitem__,
            threads=threads,
            pixels=parts.info.pixels,
        )
        for i, result in files.ahead(write, predict(variables, stream), threads):
            (failures if isinstance(result, SegjaxError) else done)[i] = result
            update(len(done) + len(failures), len(pictures))
    answer.give(
        args,
        _words(args, pictures, done),
        {
            "run": args.run,
            "dataset": parts.info.name,
            "class_names": parts.info.class_names,
            "step": step,
            "protocol": protocol.name,
            "postprocess": str(parts.config.postprocess),
            "out": args.out,
            "pictures": [done[i] for i in sorted(done)],
            "failures": [
                {"input": pictures[i].path, "reason": str(failures[i])}
                for i in sorted(failures)
            ],
        },
    )
    for i in sorted(failures):
        print(f"error: {failures[i]}", file=sys.stderr)
    return max((error.exit_code for error in failures.values()), default=0)


def _write(args, picture, ids, info) -> dict[str, Any]:
    """Write the files of one prediction; returns its entry in the document."""
    import numpy as np

    from segjax.data import decode
    from segjax.report import maps

    paths = _paths(args, picture)
    maps.write_ids(ids, info, paths["ids"])
    if "colour" in paths:
        maps.write_colours(ids, info, paths["colour"])
    if "overlay" in paths:
        # decoded again, as keeping every picture until here would cost more memory
        image = decode.read_image(picture.path, pixels=info.pixels)
        maps.write_overlay(image, ids, info, paths["overlay"])
    shares = np.bincount(ids.ravel(), minlength=info.num_classes) / ids.size
    return {
        "input": picture.path,
        "height": ids.shape[0],
        "width": ids.shape[1],
        "files": paths,
        "shares": dict(zip(info.class_names, shares.tolist(), strict=True)),
    }


def _paths(args, picture) -> dict[str, Path]:
    kinds = ["ids", *(k for k in ("colour", "overlay") if getattr(args, k))]
    return {k: args.out / f"{picture.name}_{k}.png" for k in kinds}


def _refuse_overwriting(args, pictures) -> None:
    inputs = {p.path.resolve() for p in pictures}
    problems = [
        f"--out={args.out}: {path.name} would overwrite an input of that name. Name "
        "another folder."
        for picture in pictures
        for path in _paths(args, picture).values()
        if path.resolve() in inputs
    ]
    problems += [
        f"--out={args.out}: is an input too, so that the next call would take results "
        "for pictures. Name another folder."
        for path in args.inputs
        if path.is_dir() and path.resolve() == args.out.resolve()
    ]
    if problems:
        raise UserError(problems)


def _words(args, pictures, done) -> str:
    lines = []
    for i in sorted(done):
        entry = done[i]
        most = sorted(entry["shares"].items(), key=lambda pair: -pair[1])[:SHOWN]
        shares = ", ".join(f"{name} {100 * x:.1f} %" for name, x in most if x)
        size = f"{entry['height']}x{entry['width']}"
        lines.append(f"{entry['input']}  {size}  {shares}")
    lines.append(f"{len(done)} of {len(pictures)} pictures predicted into {args.out}")
    return "\n".join(lines)
