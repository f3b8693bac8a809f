"""Work out what a config needs before it runs: memory, operations, time.

The train step is compiled for shapes alone: no image is read and nothing is trained.
FLOPs are XLA's count, the peak memory its own analysis of the compiled program, for the
devices of this machine. With --time, steps are timed on made-up data; with --memory,
the largest batch and, apart, the largest image that fit are searched, which compiles a
few more programs each.

examples:
  segjax plan --config=configs/streets_unet.py --time
  segjax plan --config=configs/camvid_unet.py --classes 11 --memory 8GiB
  segjax plan --config=configs/streets_unet.py --config.model.width=32 --json
"""

import argparse
import dataclasses
import re
import sys
from typing import Any

from segjax.commands import answer
from segjax.commands import inspect as look

OVERRIDES = True  # takes --config.a.b=v
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
TIMED = 5
"""Steps that `--time` times."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `segjax plan`."""
    answer.add_config(parser, "the config")
    parser.add_argument(
        "--memory",
        metavar="SIZE",
        type=_bytes,
        help="of one device, on a CPU of the process, such as 8GiB: search the largest "
        "batch and image for it",
    )
    parser.add_argument(
        "--time",
        action="store_true",
        help=f"time {TIMED} steps on made-up data and tell the length of the run",
    )
    parser.add_argument(
        "--classes",
        metavar="K",
        type=answer.positive,
        help="number of classes, where the data are not here; default: the data set's",
    )
    parser.add_argument(
        "--size",
        nargs=2,
        type=answer.positive,
        metavar=("H", "W"),
        help="of the training images, where train_ops do not say it",
    )


def run(args: argparse.Namespace) -> int:
    """Plan, print; returns the exit code."""
    from segjax import config as configs
    from segjax import process

    checked = configs.resolve(look.load_config(args.config, args.overrides))
    process.prepare()
    from segjax.train import plan

    info = _info(checked, args.classes)
    size = tuple(args.size) if args.size else None
    _say("compiling the train step ...")
    found = plan.of(checked, info, time_steps=TIMED * args.time, size=size)
    document = dataclasses.asdict(found)
    words = _words(found, checked.train.num_steps)
    if args.memory:
        searches = {"largest_batch": plan.largest_batch}
        if not size:
            searches["largest_size"] = plan.largest_size
        for name, search in searches.items():
            _say(f"searching the {name.replace('_', ' ')} ...")
            fitting = search(checked, info, args.memory, size=size)
            document[name] = dataclasses.asdict(fitting)
            words.append(_fits(name, fitting, args.memory))
    answer.give(args, "\n".join(words), document)
    return 0


def _info(checked: Any, classes: int | None) -> Any:
    """The class table of the data, or one of so many classes."""
    from segjax.core.pixels import Pixels
    from segjax.data import datasets
    from segjax.train import plan

    if classes is None:
        return datasets.make(split=checked.train_split, **checked.data).info
    own = {k: checked.data[k] for k in ("channels", "depth") if k in checked.data}
    return plan.made_up(classes, Pixels(**own))


def _words(found: Any, num_steps: int) -> list[str]:
    batch = "x".join(map(str, found.batch))
    shared = f" over {found.devices} devices" if found.devices > 1 else ""
    lines = [
        f"parameters          {found.parameters:,}",
        f"running statistics  {found.running_statistics:,}",
        f"batch               {batch}{shared}",
        f"train step          {_number(found.gflop)} GFLOP",
        f"memory of a step    {_mib(found.train_bytes)} on a device, by XLA's analysis",
        f"  its state         {_mib(found.state_bytes)}",
        *_process(found.resident),
        f"compilation         {found.compile_seconds:.1f} s",
    ]
    if found.step_seconds is None:
        return [*lines, "time of a step      not measured; --time measures it"]
    rate = found.batch[0] / found.step_seconds
    return [
        *lines,
        f"time of a step      {1e3 * found.step_seconds:,.0f} ms, {rate:,.1f} images/s",
        f"{num_steps:,} steps".ljust(20)
        + f"{_duration(found.total_seconds)} with the compilation, without evaluations "
        "and if the data keep up",
    ]


def _process(whole: Any) -> list[str]:
    """The memory of the whole process, where that is what counts."""
    if whole is None:
        return []
    kept = f", and up to {_mib(whole.kept)} in pieces" if whole.kept else ""
    own = f"{_mib(whole.own)} of it libraries and programs"
    return [f"memory of a run     {_mib(whole.total)}, {own}{kept}"]


def _fits(name: str, fitting: Any, memory: int) -> str:
    title = name.replace("_", " ").ljust(20)
    if fitting.value is None:
        least = f"the smallest compiled needs {_mib(fitting.train_bytes)}"
        return f"{title}none fits {_mib(memory)}; {least}"
    value = fitting.value
    value = "x".join(map(str, value)) if isinstance(value, tuple) else value
    more = "the next is too large" if fitting.exact else "larger ones were not tried"
    needs = f"needs {_mib(fitting.train_bytes)} of {_mib(memory)}"
    return f"{title}{value}: {needs}; {more}; {fitting.compiled} programs compiled"


def _bytes(text: str) -> int:
    """`8GiB`, `500M` or `8e9` as bytes; a unit is a power of 1024."""
    found = re.fullmatch(r"([0-9.]+(?:e[0-9]+)?)\s*([KMGT]?)(?:i?B)?", text)
    try:
        number = int(float(found[1]) * UNITS[found[2]])
    except (TypeError, ValueError):
        number = 0
    if number < 1:
        message = f"{text!r} is no size; write 8GiB or 500MiB"
        raise argparse.ArgumentTypeError(message)
    return number


def _mib(amount: int) -> str:
    return f"{_number(amount / 2**20)} MiB"


def _number(value: float) -> str:
    """Three figures, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _duration(seconds: float) -> str:
    from segjax.report.progress import duration

    return duration(seconds)


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
