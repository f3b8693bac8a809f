"""Score cheap methods on the validation split of a config, beside its networks.

Each is fitted on the training split and answers each validation image once, at its full
size (the config's ops do not apply); the counts go through the same code as those of a
run. The methods are majority, prior, otsu, kmeans, region_growing, watershed and
random_forest. `annotator`, by name alone, scores a second annotation as if it were a
prediction, where the data set has one: what lies above it fits one annotator.

Each leaves a folder like that of a run in OUT; one that is there already, made in the
same way from the same files, is kept.

examples:
  segjax baselines --config=configs/streets_unet.py
  segjax baselines --config=configs/camvid_unet.py --config.data.root=/data/CamVid
      --names majority,random_forest --limit 40 --out runs/baselines_camvid
  segjax baselines --config=configs/drive_unet_cpu.py --config.data.name=chase_db1
      --config.data.root=/data/CHASEDB1 --config.data.folds=0 --names annotator
  segjax baselines --config=configs/streets_unet.py --names kmeans
      --option kmeans.clusters=32
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segjax.commands import answer
from segjax.commands.inspect import load_config
from segjax.core.errors import UserError, raise_problems
from segjax.report.files import number

OVERRIDES = True  # takes --config.a.b=v

ANNOTATOR = "annotator"
"""What `--names` calls the second annotation."""

SCORES = {
    "miou": "mIoU",
    "pixel_accuracy": "pixel acc.",
    "class_accuracy": "class acc.",
    "mean_dice": "mean Dice",
}
"""Columns of the table, in per cent; of two classes the Dice of the second follows."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `segjax baselines`."""
    answer.add_config(parser, "whose data, seed and convention are taken")
    parser.add_argument(
        "--names",
        metavar="NAME,...",
        help="which; default: all methods, without the annotator",
    )
    parser.add_argument(
        "--option",
        metavar="NAME.KEY=VALUE",
        action="append",
        default=[],
        help="an option of a method, a Python literal; may repeat",
    )
    parser.add_argument(
        "--limit",
        metavar="N",
        type=answer.positive,
        help="training images to fit on, chosen by a hash of their names; default: all",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="where a folder for each goes; default: runs/baselines_DATASET",
    )


def run(args: argparse.Namespace) -> int:
    """Fit, predict, write and print; returns the exit code."""
    from segjax import config as configs
    from segjax import process
    from segjax.commands import baseline_folder
    from segjax.data import annotators, datasets

    methods = _methods(args.names, args.option)
    checked = configs.resolve(load_config(args.config, args.overrides))
    out = args.out or Path("runs") / f"baselines_{checked.data['name']}"
    answer.raise_unless_folder("--out", out)
    for name in methods:
        baseline_folder.refuse_other(out / name)
    process.prepare()
    splits = (checked.train_split, checked.val_split)
    second = None
    if ANNOTATOR in methods:
        second = annotators.find(checked.data, splits)
    training, validation = (datasets.make(split=s, **checked.data) for s in splits)
    fitted_on = min(args.limit or len(training), len(training))
    rows = [
        baseline_folder.row(
            out / name,
            method,
            checked=checked,
            training=training,
            fitted_on=fitted_on if method else 0,
            validation=validation,
            second=second,
        )
        for name, method in methods.items()
    ]
    words = [
        f"{checked.val_split} of {training.info.name}, {len(validation)} images; "
        f"fitted on {fitted_on} of the {len(training)} of {checked.train_split}:",
        "",
        _table(rows),
        "",
        f"Per cent. mIoU and mean Dice: {rows[0]['convention_sentence']}.",
        *(["* made before, in the same way from the same files."] * _any_kept(rows)),
        *([f"{ANNOTATOR}: {second.who}, on {second.split}."] if second else []),
        *filter(None, [training.info.note]),
        "",
        f"Written: {', '.join(str(row['folder']) for row in rows)}",
    ]
    answer.give(args, "\n".join(words), {"out": out, "baselines": rows})
    return 0


def _methods(names: str | None, options: list[str]) -> dict[str, Any]:
    """Name -> the method with its options; None for the annotator.

    Raises:
      UserError: a name or an option is not known, or a value not allowed; names all.
    """
    from segjax.baselines import BASELINES
    from segjax.core.tables import unknown

    wanted = list(BASELINES) if names is None else names.split(",")
    wanted = [name.strip() for name in wanted]
    known = [*BASELINES, ANNOTATOR]
    problems = [
        unknown("baseline", name, known, f"--names={name}")
        for name in wanted
        if name not in known
    ]
    if len(set(wanted)) < len(wanted):
        problems.append(f"--names={names}: a name stands twice; name each once.")
    given: dict[str, dict[str, Any]] = {name: {} for name in wanted}
    for key, value in answer.options(options).items():
        name, _, field = key.partition(".")
        if name in given:
            given[name][field] = value
        else:
            problems.append(f"--option {key}: {name!r} is not among --names.")
    if given.get(ANNOTATOR):
        problems.append(f"--option {ANNOTATOR}: an annotator has no options.")
    made = {}
    for name in [n for n in given if n in known]:
        if name == ANNOTATOR:
            made[name] = None
            continue
        found = BASELINES.problems("--option " + name, name, given[name])
        problems += found
        if not found:
            try:
                made[name] = BASELINES[name](**given[name])
            except UserError as error:
                problems += error.problems
    raise_problems(problems)
    return made


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a baseline; names stand left, numbers right."""
    classes = rows[0]["classes"]
    title = [f"{classes[1]['name']} Dice"] if len(classes) == 2 else []
    cells = [["baseline", *SCORES.values(), *title, "fit s", "ms/image", "MiB"]]
    for row in rows:
        found = [row["summary"][name] for name in SCORES]
        found += [row["classes"][1]["dice"]] if title else []
        milliseconds = 1000 * row["predict_seconds"] / row["num_images"]
        cells.append(
            [
                f"{row['name']}{'*' * row['kept']}",
                *(f"{100 * number(x):.2f}" for x in found),
                f"{row['fit_seconds']:.1f}",
                f"{milliseconds:.0f}",
                f"{row['peak_rss_mb']:.0f}",
            ]
        )
    first, *widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    head, *lines = [
        "  ".join([name.ljust(first), *map(str.rjust, line, widths)])
        for name, *line in cells
    ]
    return "\n".join([head, "-" * len(head), *lines])


def _any_kept(rows: Sequence[Mapping[str, Any]]) -> bool:
    return any(row["kept"] for row in rows)
