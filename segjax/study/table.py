"""What came out of a study: a row an arm, a column a seed."""

import math
from collections.abc import Sequence

from segjax.report import record
from segjax.study.folder import FINISHED, Standing, Study, standing


def results(study: Study) -> str:
    """The validation mIoU of each point, or how it stands; then what is to be known.

    Where an arm has several seeds that finished, their mean and, in brackets, their
    standard deviation (n - 1) follow.
    """
    found = [standing(study, point) for point in study.points]
    arms = list(dict.fromkeys(point.arm for point in study.points))
    seeds = list(dict.fromkeys(point.seed for point in study.points))
    cells = {
        (point.arm, point.seed): at
        for point, at in zip(study.points, found, strict=True)
    }
    rows = []
    for arm in arms:
        mine = [cells.get((arm, seed)) for seed in seeds]
        scored = [at.miou for at in mine if at and at.state == FINISHED]
        minutes = sum(at.seconds for at in mine if at) / 60
        row = [arm, *map(_cell, mine), _mean(scored), f"{minutes:.1f}"]
        rows.append(row)
    head = ["arm", *(f"seed {seed}" for seed in seeds), "mean (sd)", "minutes"]
    notes = [
        f"{point}: {at.state} at step {at.step} of {at.num_steps}"
        f"{f', {at.reason}' if at.reason else ''} ({study.place(point)})"
        for point, at in zip(study.points, found, strict=True)
        if at.state not in (FINISHED, "waiting")
    ]
    return "\n".join(
        [
            f"{study.name}: {study.question}",
            "",
            columns(head, rows),
            "",
            *notes,
            *_same(study),
        ]
    )


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in markdown: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *others = (
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join([first, *others])} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(head), line(rule), *map(line, rows)])


def _cell(at: Standing | None) -> str:
    if at is None:
        return ""
    return f"{at.miou:.4f}" if at.state == FINISHED else at.state


def _mean(scores: list[float]) -> str:
    if not scores:
        return ""
    mean = sum(scores) / len(scores)
    if len(scores) == 1:
        return f"{mean:.4f}"
    spread = math.sqrt(sum((s - mean) ** 2 for s in scores) / (len(scores) - 1))
    return f"{mean:.4f} ({spread:.4f})"


def _same(study: Study) -> list[str]:
    """Whether all runs saw the same validation images and had the same code."""
    splits, codes = set(), set()
    for point in study.points:
        written = record.read(study.place(point))
        if not written:
            continue
        split = study.base["data"].get("val_split", "val")
        entry = written["dataset"]["splits"].get(split, {})
        splits.add((entry.get("num_images"), entry.get("fingerprint")))
        for attempt in written["attempts"]:
            code = attempt.get("code") or {}
            codes.add((code.get("commit"), code.get("diff_digest")))
    found = []
    if len(splits) == 1:
        ((count, _),) = splits
        found.append(f"All runs were scored on the same {count} images.")
    if len(splits) > 1:
        found.append(
            f"The runs were scored on {len(splits)} different sets of images or clips: "
            "the points change the data."
        )
    if len(codes) > 1:
        found.append(f"The runs had {len(codes)} different versions of the code.")
    return found
