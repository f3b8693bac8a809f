"""Check a config before a long training: does its step learn, and how fast may it?

Trains for a hundred steps or two and throws the network away. Looked at: which classes
the first batches hold, the first loss against that of a guess, the gradients of every
array, whether one batch can be learnt by heart, which learning rates the loss stands
(Smith 2017, arXiv 1506.01186; drawn as lr.png), whether the loader keeps up. Each line
is OK, WARN or FAIL, and says what to do. The exit code is 2 if a line is FAIL.

examples:
  segjax doctor run --config=configs/streets_unet.py
  segjax doctor run --config=configs/camvid_unet.py --config.data.root=/data/CamVid
  segjax doctor run --config=configs/folder_unet.py --steps 60 --json
"""

import argparse
import dataclasses
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from segjax.commands import answer
from segjax.commands import inspect as look
from segjax.commands.doctor import Finding
from segjax.core.errors import UserError

OVERRIDES = True  # takes --config.a.b=v

FIRST = 8
"""Batches whose labels are looked at."""

GUESS = 2.0
"""Times the loss of a guess, or its inverse, at which a first loss is odd."""

RIGHT, FALLEN = 0.95, 0.9
"""Share of right pixels, or of its loss gone, by which one batch counts as learnt."""

FAR = 30
"""Times off the suggested rate at which the config's is odd; the test is rough."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `segjax doctor run`."""
    answer.add_config(parser, "the config")
    parser.add_argument(
        "--steps",
        metavar="N",
        type=answer.positive,
        default=100,
        help="of the range test; on one batch half as many more; default: 100",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="where lr.png goes; default: ./doctor_NAME",
    )


def run(args: argparse.Namespace) -> int:
    """Check and print; returns the exit code."""
    from segjax import config as configs
    from segjax import process
    from segjax.data import datasets
    from segjax.report import rates
    from segjax.report.count import shown

    checked = configs.resolve(look.load_config(args.config, args.overrides))
    out = args.out or Path(f"doctor_{Path(args.config.partition(':')[0]).stem}")
    answer.raise_unless_folder("--out", out)
    process.prepare()
    from segjax.train import checkup, speed

    source = datasets.make(split=checked.train_split, **checked.data)
    made = _parts(checked, source)
    first = list(itertools.islice(_batches(checked, source), FIRST))
    findings = list(_labels(first, made.info, checkup.pixels))
    trial = checkup.Trial(made, first)
    gradients = trial.gradients()
    findings += [*_first_loss(gradients, made), *_gradients(gradients)]
    (batch,) = itertools.islice(
        _batches(checked, source, checkup.plain_ops(checked)), 1
    )
    with shown("learning one batch by heart") as update:
        learnt = trial.one_batch(batch, steps=args.steps * 3 // 2, progress=update)
    findings += _one_batch(learnt)
    with shown("trying learning rates") as update:
        found = trial.learning_rates(
            _batches(checked, source), steps=args.steps, progress=update
        )
    findings += _learning_rate(found, trial.learning_rate)
    _, loader = speed.load(checked, source, 10)
    measured = speed.Speed(loader, trial.images_per_s())
    findings += _loader(measured, speed.ENOUGH)
    picture = out / "lr.png"
    rates.draw(
        found.rates,
        found.losses,
        found.smoothed,
        picture,
        own=trial.learning_rate,
        suggested=found.suggested,
        steepest=found.steepest,
    )
    failed = any(f.status == "FAIL" for f in findings)
    code = UserError.exit_code if failed else 0
    document = {
        "findings": [dataclasses.asdict(f) for f in findings],
        "gradients": dataclasses.asdict(gradients),
        "one_batch": dataclasses.asdict(learnt),
        "learning_rates": dataclasses.asdict(found),
        "speed": dataclasses.asdict(measured),
        "written": [picture],
        "exit_code": code,
    }
    lines = [
        f"{f.status:4}  {f.name:13}  {f.value}"
        + (f"\n      -> {f.advice}" * bool(f.advice))
        for f in findings
    ]
    answer.give(args, "\n".join([*lines, "", f"Written: {picture}"]), document)
    return code


def _parts(checked: Any, source: Any) -> Any:
    """The parts of the config, with the data's mean and deviation if it asks."""
    from segjax import parts
    from segjax.data import statistics

    made = parts.make(checked, source.info)
    threads = checked.input.threads
    normalize = statistics.filled(made.normalize, source, threads=threads)
    return dataclasses.replace(made, normalize=normalize)


def _batches(checked: Any, source: Any, ops: tuple | None = None) -> Iterator[Any]:
    """The batches of the config's training, or those that other ops make."""
    from segjax.data import pipeline

    stream = pipeline.train_batches(
        source,
        checked.train_ops[0] if ops is None else ops,
        seed=checked.seed,
        batch_size=checked.input.batch_size,
        workers=checked.input.workers,
        threads=checked.input.threads,
    )
    try:
        yield from stream
    finally:
        stream.close()


def _labels(batches: list[Any], info: Any, pixels: Any) -> Iterator[Finding]:
    """Which classes the first batches hold, and how much of them is ignored."""
    counts = pixels(batches, info.num_classes)
    total = sum(batch["label"].size for batch in batches)
    seen = int((counts > 0).sum())
    ignored = 1 - counts.sum() / total
    value = (
        f"{seen} of {info.num_classes} classes in the first {len(batches)} batches, "
        f"{100 * ignored:.0f} % ignored"
    )
    missing = [n for n, c in zip(info.class_names, counts, strict=True) if not c]
    if seen < 2:
        advice = "There is nothing to tell apart: check the masks, `segjax inspect`."
        yield Finding("labels", "FAIL", value, advice)
    elif missing or ignored > 0.5:
        advice = ""
        if missing:
            advice = f"Not seen: {', '.join(missing)}. Rare ones are found more often "
            advice += "by config.input.sampler or class_crop. "
        if ignored > 0.5:
            advice += "Most pixels count for nothing: check the mask rule and padding."
        yield Finding("labels", "WARN", value, advice.strip())
    else:
        yield Finding("labels", "OK", value)


def _first_loss(found: Any, made: Any) -> Iterator[Finding]:
    """The first cross-entropy beside that of a guess."""
    K = made.info.num_classes
    terms = {"cross_entropy": math.log(K), "binary_cross_entropy": math.log(2)}
    name = next((t for t in terms if t in found.terms), None)
    if not math.isfinite(found.loss):
        advice = "Check the images, the normalisation and the loss."
        yield Finding("first loss", "FAIL", f"{found.loss}", advice)
    elif name is None:
        value = f"{found.loss:.3f}; without a cross-entropy there is no guess to beat"
        yield Finding("first loss", "OK", value)
    else:
        ratio = found.terms[name] / terms[name]
        guess = f"a guess has {terms[name]:.3f}"
        value = f"{name} {found.terms[name]:.3f}, {guess}"
        if 1 / GUESS <= ratio <= GUESS:
            yield Finding("first loss", "OK", value)
        else:
            advice = "Logits are far from even: check the initialisation, the weights "
            advice += "of the classes and config.init_from."
            yield Finding("first loss", "WARN", value, advice)


def _gradients(found: Any) -> Iterator[Finding]:
    """Arrays whose gradient is zero or not finite, by module."""
    frozen = f", {found.frozen} more are frozen" * bool(found.frozen)
    if found.bad:
        value = f"not finite in {len(found.bad)} arrays: {_modules(found.bad)}"
        advice = "Lower the learning rate, or look for a division by zero there."
        yield Finding("gradients", "FAIL", value, advice)
    if found.zero:
        value = f"zero in {len(found.zero)} arrays: {_modules(found.zero)}"
        advice = "They will not learn: dead units, or a part that the loss never sees."
        yield Finding("gradients", "WARN", value, advice)
    if not found.bad and not found.zero:
        number = found.arrays - found.frozen
        value = f"finite and not zero in all {number} arrays{frozen}"
        yield Finding("gradients", "OK", value)


def _one_batch(found: Any) -> Iterator[Finding]:
    """Whether the network learns what it sees again and again."""
    value = (
        f"{100 * found.pixel_accuracy:.1f} % of its pixels right after {found.steps} "
        f"steps, {100 * found.fell:.0f} % of the loss gone"
    )
    if found.pixel_accuracy >= RIGHT or found.fell >= FALLEN:
        yield Finding("one batch", "OK", value)
    else:
        advice = (
            "A network that can learn should know one batch by heart: check masks "
            "against images, the learning rate, dropout, frozen parts, and its width."
        )
        yield Finding("one batch", "WARN", value, advice)


def _learning_rate(found: Any, own: float) -> Iterator[Finding]:
    """The config's rate beside those of the range test."""
    if found.suggested is None:
        value = f"the loss falls at no rate up to {found.rates[-1]:.0e}"
        advice = "See lr.png; check the optimiser and the loss, or give more --steps."
        yield Finding("learning rate", "WARN", value, advice)
        return
    high = f", lost from {found.diverged:.1e}" if found.diverged else ""
    value = (
        f"config {own:.1e}; suggested {found.suggested:.1e}, steepest fall at "
        f"{found.steepest:.1e}{high}"
    )
    if found.diverged and own >= found.diverged:
        advice = "The loss is lost at the config's rate: lower it."
        yield Finding("learning rate", "FAIL", value, advice)
    elif not 1 / FAR <= own / found.suggested <= FAR:
        advice = f"More than {FAR} times off what the test suggests: see lr.png."
        yield Finding("learning rate", "WARN", value, advice)
    else:
        yield Finding("learning rate", "OK", value)


def _loader(found: Any, enough: float) -> Iterator[Finding]:
    """Whether the step has to wait for its data."""
    value = (
        f"{found.loader:.1f} images/s, the step takes {found.step:.1f}; ratio "
        f"{found.ratio:.1f}"
    )
    if found.ratio >= enough:
        yield Finding("loader", "OK", value)
    else:
        advice = "Raise config.input.threads or workers, or use `segjax prepare`."
        yield Finding("loader", "WARN", value, advice)


def _modules(paths: tuple[str, ...]) -> str:
    """The modules of some arrays, the first few."""
    found = list(dict.fromkeys(path.rpartition("/")[0] for path in paths))
    more = f" and {len(found) - 6} more" if len(found) > 6 else ""
    return ", ".join(found[:6]) + more
