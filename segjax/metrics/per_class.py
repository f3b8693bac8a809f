"""The per-class table in plain text, its means with the rule that made them."""

from collections.abc import Sequence

import numpy as np

from segjax.metrics import scores

COLUMNS = {
    "IoU": scores.iou,
    "Dice": scores.dice,
    "precision": scores.precision,
    "recall": scores.recall,
}


def table(
    counts: scores.Split,
    class_names: Sequence[str],
    convention: str = "union",
) -> str:
    """One row a class and one of means, in per cent, with the convention's sentence.

    The rows of the classes are of all images together, the last one is made as the
    convention says.

    A class without true and predicted pixels reads `absent`; a score that is undefined
    for another reason (precision of a class never predicted) reads `-`. `pixels` is the
    class's share of the true pixels.

    Raises:
      UserError: `convention` is not known, or needs the counts of each image.
    """
    rule = scores.find(convention)
    given, counts = counts, scores.together(counts)
    absent, counted = scores.absence(counts, rule)
    true = counts.sum(axis=1)
    values = {name: score(counts) for name, score in COLUMNS.items()}
    body = []
    for k, name in enumerate(class_names):
        cells = [f"{100 * true[k] / max(true.sum(), 1):.2f}"]
        if absent[k]:
            cells += ["absent"] * len(COLUMNS)
        else:
            cells += [_per_cent(column[k]) for column in values.values()]
        body.append([name, *cells])
    means = [_per_cent(scores.mean(f, given, convention)) for f in COLUMNS.values()]
    rows = [["class", "pixels", *COLUMNS], *body, ["mean", "", *means]]
    head, *lines, foot = _align(rows)
    ruler = "-" * len(head)
    averaged = f"{counted.sum()} of {len(counted)} classes averaged"
    if rule.images != "together":
        averaged = f"the mean is over {len(given)} images"
    elif rule.over == "none":
        averaged = f"{len(counted)} classes together"
    note = f"Per cent. {averaged}: {rule.sentence}."
    return "\n".join([head, ruler, *lines, ruler, foot, note])


def _per_cent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.2f}"


def _align(rows: list[list[str]]) -> list[str]:
    """Rows of cells as lines of equal length; names stand left, numbers right."""
    first, *widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([name.ljust(first), *map(str.rjust, cells, widths)])
        for name, *cells in rows
    ]
