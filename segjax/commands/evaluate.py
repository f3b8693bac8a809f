"""Score a run or an exported model on a split of its data, each image exactly once.

Prints the table of classes with the rule of its means; writes scores and counts, a row
for each image, and pictures of examples.

examples:
  segjax evaluate runs/streets_unet
  segjax evaluate runs/camvid --split train --out train_scores
  segjax evaluate runs/camvid --root /data/CamVid --convention all --json
  segjax evaluate roads.segjax --root /data/CamVid
  segjax evaluate runs/cityscapes --protocol 'slide(512, 1024) | flip()'
  segjax evaluate runs/flood --postprocess 'median(5)'
  segjax evaluate runs/cityscapes_convlstm --stream
  segjax evaluate runs/drive --measures "probabilities() | boundary(2) | surface()"
  segjax evaluate runs/camvid --measures "temporal()"
"""

import argparse
from pathlib import Path
from typing import Any

from segjax.commands import answer
from segjax.core.errors import UserError
from segjax.report.files import read_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `segjax evaluate`."""
    parser.add_argument(
        "run", metavar="RUN", type=Path, help="folder of the run, or exported model"
    )
    parser.add_argument("--split", help="default: the run's validation split")
    parser.add_argument(
        "--root", metavar="DIR", help="where the data are, if not where they were"
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
        help="images or windows a step; moves no number; default: the config's",
    )
    parser.add_argument("--protocol", metavar="OPS", help=answer.PROTOCOL)
    parser.add_argument("--postprocess", metavar="OPS", help=answer.POSTPROCESS)
    parser.add_argument(
        "--stream",
        action="store_true",
        help="walk whole videos frame by frame, with the model's memory; for models of "
        "clips; writes SPLIT_stream",
    )
    parser.add_argument(
        "--convention",
        metavar="NAME",
        help="what the means do with absent classes, or 'all' to list the mean IoU "
        "under each; default: the config's",
    )
    parser.add_argument(
        "--measures",
        metavar="TEXT",
        help="what is measured besides, such as 'probabilities() | boundary(2) | "
        "surface() | temporal()'; '' for nothing; default: the config's",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="where evaluation/ and pictures/ are written; default: the run folder, "
        "of NAME.segjax the folder NAME_evaluated beside it",
    )


def run(args: argparse.Namespace) -> int:
    """Evaluate, print, write; returns the exit code."""
    from segjax import predictable, process
    from segjax.evaluate import measuring
    from segjax.evaluate.split import videos as whole_videos
    from segjax.evaluate.words import tables
    from segjax.metrics import measures, scores
    from segjax.report import count, page, record

    if args.convention not in (None, "all"):
        scores.find(args.convention)
    if args.measures is not None:
        measures.parse(args.measures, "--measures")
    out = args.out or args.run
    if predictable.is_file(out):
        out = out.with_name(f"{out.stem}_evaluated")
    answer.raise_unless_folder("--out", out)
    answer.raise_unless_ops(args)
    process.prepare()
    process.keep_compiled()
    parts, variables, step = predictable.parts(args.run, args.weights)
    protocol = parts.protocol(args.protocol)
    changes = {"measures": args.measures, "postprocess": args.postprocess}
    own = str(parts.config.postprocess)
    parts = parts.evaluated(**{k: v for k, v in changes.items() if v is not None})
    split = args.split or parts.config.val_split
    _refuse_choice(args.run, parts.config, split, own)
    videos = measuring.any_of_videos(parts.config.measures)
    source = parts.source(split, root=args.root, video=args.stream or videos)
    if args.stream:
        whole_videos(source)  # or there are none
        name, predict = f"{split}_stream", parts.stream(source.videos, protocol)
    elif videos:
        name = f"{split}_video"
        predict = parts.predict(None, args.batch_size, protocol)
    else:
        name, predict = split, parts.predict(None, args.batch_size, protocol)
    with count.shown(f"evaluating {name}") as update:
        result = parts.evaluate(
            predict,
            variables,
            source,
            split_name=name,
            step=step,
            protocol=protocol,
            convention=None if args.convention == "all" else args.convention,
            by_video=args.stream,
            progress=update,
        )
    parts.write_report(out, result, predict, variables, source, args.stream)
    pages = [page.write(out)] if (out / record.RECORD).exists() else []
    words = [
        f"{name} of {parts.info.name}, {len(source)} images, weights of step {step}, "
        f"by {result.way}:",
        "",
        tables(result, parts.info),
    ]
    every = {c: scores.miou(result.per_image, c) for c in scores.CONVENTIONS}
    if args.convention == "all":
        words += ["", _conventions(every, scores.CONVENTIONS)]
    written = out / "evaluation" / f"{name}.json"
    same = _is_recorded(predictable.recorded(args.run), name, source.fingerprint())
    if same is False:
        words += [
            "",
            f"Note: {name} is not the data that the run recorded as {name}.",
        ]
    words += ["", f"Written: {', '.join(map(str, [written, *pages]))}"]
    document = read_json(written) | {
        "run": args.run,
        "written": written,
        "miou_by_convention": every,
        "data_as_recorded": same,
    }
    answer.give(args, "\n".join(words), document)
    return 0


def _refuse_choice(run: Path, config: Any, split: str, own: str) -> None:
    """Steps are chosen on the validation split, so that another one chooses none.

    Raises:
      UserError: the steps are neither the run's `own` nor those by which its validation
        split was scored last.
    """
    steps, val = str(config.postprocess), config.val_split
    if split in (config.train_split, val):
        return
    known, path = [own], run / "evaluation" / f"{val}.json"
    if path.exists():
        known.append(read_json(path).get("postprocess", ""))
    if steps not in known:
        raise UserError(
            f"--postprocess={steps!r}: {val} was scored by {known[-1]!r} last, and "
            f"steps are chosen on {val} alone, so that {split} chooses none. First: "
            f'segjax evaluate {run} --postprocess "{steps}"'
        )


def _is_recorded(splits: dict[str, Any], split: str, fingerprint: str) -> bool | None:
    """Whether a split is what the run was trained or validated on; None: not known."""
    known = splits.get(split)
    return None if known is None else known.get("fingerprint") == fingerprint


def _conventions(every: dict[str, float], sentences: dict[str, Any]) -> str:
    """The mean IoU under each convention, with its sentence."""
    width = max(map(len, every))
    lines = [
        f"{name:{width}}  {100 * value:6.2f}  {sentences[name]}"
        for name, value in every.items()
    ]
    return "\n".join(["mean IoU in per cent, from the same counts:", *lines])
