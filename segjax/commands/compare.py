"""Compare runs: intervals, paired differences, a report to defend them.

Reads run folders, studies (study.json) and baselines; runs that differ in the seed
alone are one arm. Needs no checkpoint and no data, but for --pictures. Writes
index.html, report.md, table.tex, tables as CSV, figures as PNG, SVG and PDF, and
comparison.json with every number and the runs that it comes from.

examples:
  segjax compare runs/unet_study
  segjax compare runs/unet_seed0 runs/unet_seed1 runs/segnet_seed0 --out report
  segjax compare runs/study --score iou/road --against unet --pictures
"""

import argparse
from pathlib import Path

from segjax.commands import answer
from segjax.core.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `segjax compare`."""
    parser.add_argument(
        "folders",
        metavar="FOLDER",
        nargs="+",
        type=Path,
        help="a run, a study, a baseline, or a folder of such",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="where the report goes; default: STUDY/report, else compare_NAME beside "
        "the first folder",
    )
    parser.add_argument("--split", default="val", help="default: val")
    parser.add_argument(
        "--score",
        metavar="NAME",
        default="miou",
        help="miou, dice, pixel_accuracy, mean_precision, mean_recall, iou/CLASS or "
        "dice/CLASS; default: miou",
    )
    parser.add_argument(
        "--level",
        type=_share,
        default=0.95,
        help="of the intervals; default: 0.95",
    )
    parser.add_argument(
        "--against",
        metavar="ARM",
        help="compare with this arm alone; default: every pair, or the arm without "
        "post-processing where the arms differ in that alone",
    )
    parser.add_argument(
        "--allow",
        metavar="WHAT",
        action="append",
        default=[],
        help="show, marked, runs that are unlike the rest in: dataset, classes, files, "
        "protocol, convention, postprocess; may repeat",
    )
    parser.add_argument(
        "--pictures",
        action="store_true",
        help="predict the disputed, worst and best images with each arm",
    )


def run(args: argparse.Namespace) -> int:
    """Compare, write, print; returns the exit code."""
    from segjax.compare import arms, formats, numbers, page, tables, verdict
    from segjax.compare.runs import STUDY

    first = args.folders[0]
    beside = first.with_name(f"compare_{first.resolve().name}")
    out = args.out or (first / "report" if (first / STUDY).exists() else beside)
    answer.raise_unless_folder("--out", out)
    if out.resolve() in [f.resolve() for f in args.folders]:
        raise UserError(f"--out={out}: is a folder that is compared; name another.")
    if args.pictures:
        from segjax import process

        process.prepare()
    allow = [word for words in args.allow for word in words.split(",")]
    material = arms.gather(args.folders, args.split, allow)
    against = args.against or arms.without_steps(material)
    found = numbers.compute(material, args.score, level=args.level, against=against)
    whole = page.write(material, found, out, draw=args.pictures)
    words = [
        verdict.headline(found),
        "",
        *verdict.sentences(found),
        "",
        formats.plain(tables.arms(material, found)),
        "",
        formats.plain(tables.cost(found)),
        "",
        *verdict.basis(material, found),
        *(f"Note: {note}" for note in material.notes),
        "",
        f"Written: {out / page.PAGE}, with report.md, table.tex, tables and figures",
    ]
    answer.give(args, "\n".join(words), {**whole, "written": out / page.PAGE})
    return 0


def _share(text: str) -> float:
    """An argument between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.5 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 0.5 to below 1")
    return value
