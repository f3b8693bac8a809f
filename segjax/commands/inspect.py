"""Look at a data set before training on it.

Counts, sizes, the share of each class in pixels and in images, every problem, and a
sheet of samples: with a config, of what its train_ops make of them, as a run of that
config would see them. With --ops, a sheet of what each op can make of the first example
too. With --speed, whether the loader of a config keeps up with its train step on this
machine. The exit code is 2 if there are problems.

examples:
  segjax inspect --config configs/camvid_unet_cpu.py --config.data.root=/data/CamVid
  segjax inspect --dataset camvid --root /data/CamVid --split val --images
  segjax inspect --dataset folder --root photos --option "classes=('land', 'water')"
  segjax inspect --dataset streets --option "size=(256, 512)" --ops
  segjax inspect --config configs/streets_unet.py --speed
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segjax.commands import answer
from segjax.core.errors import UserError, raise_problems

OVERRIDES = True  # takes --config.a.b=v


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `segjax inspect`."""
    add_source(parser)
    parser.add_argument("--split", help="default: train, or the config's train split")
    parser.add_argument(
        "--images",
        action="store_true",
        help="decode every image too, not its head alone; finds damaged ones",
    )
    parser.add_argument(
        "--samples",
        metavar="N",
        type=answer.positive,
        default=12,
        help="samples on the sheet; default: 12",
    )
    parser.add_argument(
        "--ops",
        action="store_true",
        help="draw SPLIT_ops.png too: the first example through each op of the table",
    )
    parser.add_argument(
        "--speed",
        action="store_true",
        help="measure loader and train step of the config: images per second",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="where SPLIT.json and SPLIT.png go; default: ./inspect_NAME",
    )


def add_source(parser: argparse.ArgumentParser) -> None:
    """The arguments that name a data set."""
    what = parser.add_mutually_exclusive_group(required=True)
    answer.add_config(what, "the data of this config", required=False)
    what.add_argument("--dataset", metavar="NAME", help="a data set without a config")
    parser.add_argument(
        "--root", metavar="DIR", help="folder of the data, with --dataset"
    )
    parser.add_argument(
        "--option",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="an option of the data set, a Python literal, with --dataset; may repeat",
    )


def run(args: argparse.Namespace) -> int:
    """Survey, print, draw; returns the exit code."""
    from segjax.data import check, datasets
    from segjax.report import count, effects, survey
    from segjax.report.files import write_json

    checked, options = chosen(args)
    if args.speed and checked is None:
        raise UserError("--speed: measures a config; name one with --config.")
    split = checked.train_split if checked else "train"
    options = {"split": args.split or split, **options}
    source = datasets.make(**options)
    out = args.out or Path(f"inspect_{source.info.name}")
    answer.raise_unless_folder("--out", out)
    with count.shown(f"reading {options['split']}") as update:
        found = check.examine(source, images=args.images, progress=update)
    entry = survey.entry(source, found, _class_weights(found))
    written = [out / f"{options['split']}.json"]
    if not found.problems:
        written.append(out / f"{options['split']}.png")
        _draw(source, checked, args.samples, written[-1])
    if args.ops and not found.problems:
        written.append(out / f"{options['split']}_ops.png")
        first = [source[i] for i in range(min(4, len(source)))]
        effects.sheet(first, source.info, written[-1])
    entry |= {"split": options["split"], "written": written}
    words = [survey.text(entry), f"Written: {', '.join(map(str, written))}"]
    if args.speed and not found.problems:
        entry["speed"], line = _speed(checked, source)
        words.insert(1, line)
    write_json(written[0], entry)
    if found.problems:
        words.append("No samples are drawn while there are problems.")
    answer.give(args, "\n".join(words), entry)
    return UserError.exit_code if found.problems else 0


def chosen(args: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """`(checked config or None, name and options of the data set)`.

    Raises:
      UserError: there is no such config or data set, or an option does not fit.
    """
    from segjax import config as configs

    if not args.config:
        return None, _options(args)
    _refuse_with_config(args)
    checked = configs.resolve(load_config(args.config, args.overrides))
    return checked, dict(checked.data)


def load_config(file: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The plain config of `FILE[:ARG]`, with `--config.a.b=v` applied.

    Raises:
      UserError: there is no such file, or an override does not fit.
    """
    from absl import flags
    from ml_collections import config_flags

    words = ["segjax", f"--config={file}", *overrides]
    own = flags.FlagValues()
    holder = config_flags.DEFINE_config_file("config", flag_values=own, sys_argv=words)
    try:
        own(words)
        return holder.value.to_dict()
    except UserError:
        raise
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError, OSError) as e:
        raise UserError(f"--config={file}: {' '.join(str(e).split())}") from None


def _refuse_with_config(args: argparse.Namespace) -> None:
    raise_problems(
        [
            f"--{name}: goes with --dataset; with --config write "
            f"--config.data.{name if name == 'root' else 'KEY'}=VALUE."
            for name in ("root", "option")
            if getattr(args, name)
        ]
    )


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """`name` and the keyword arguments of the data set, from the command line."""
    from segjax.data.datasets import DATASETS

    if args.overrides:
        raise UserError(
            f"{args.overrides[0]}: goes with --config; with --dataset write "
            "--option KEY=VALUE."
        )
    options = {} if args.root is None else {"root": args.root}
    options |= answer.options(args.option)
    raise_problems(DATASETS.problems("--option data", args.dataset, options))
    return {"name": args.dataset, **options}


def _class_weights(found: Any) -> tuple[float, ...] | None:
    from segjax.losses import weights

    counts = found.pixel_counts()
    return weights.median_frequency(counts) if counts.any() else None


def _speed(checked: Any, source: Any) -> tuple[dict[str, float], str]:
    """Loader and step of a config: as an entry, and as a line."""
    from segjax import process

    process.prepare()
    from segjax.train import speed

    found = speed.measure(checked, source)
    entry = {"loader": found.loader, "step": found.step, "ratio": found.ratio}
    verdict = "the step never waits"
    if found.ratio < speed.ENOUGH:
        verdict = (
            f"less than {speed.ENOUGH}, the step may wait: raise config.input.threads "
            "or config.input.workers, or store the set with `segjax prepare`"
        )
    line = f"loader {found.loader:.1f} images/s, step {found.step:.1f} images/s"
    return entry, f"{line}, ratio {found.ratio:.1f}: {verdict}."


def _draw(source: Any, checked: Any, samples: int, path: Path) -> None:
    """A sheet of samples: the first of a run of the config, or some of the split."""
    import numpy as np

    from segjax.data import pipeline
    from segjax.report import panel

    if checked is None:
        number = min(samples, len(source))
        spread = np.linspace(0, len(source) - 1, number).round().astype(int)
        examples = [{**source[int(i)], "index": int(i)} for i in spread]
    else:
        stream = pipeline.train_batches(
            source,
            checked.train_ops[0],
            seed=checked.seed,
            batch_size=1,  # the order of examples does not depend on it
            threads=checked.input.threads,
        )
        batches = [next(stream) for _ in range(samples)]
        stream.close()
        examples = [{key: rows[0] for key, rows in b.items()} for b in batches]
    panel.sheet(examples, source.info, path)
