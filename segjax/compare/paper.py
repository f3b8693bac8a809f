"""The tables of a comparison as a paper has room for them, in LaTeX."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segjax.compare import formats, verdict
from segjax.compare.arms import Material
from segjax.compare.numbers import Numbers
from segjax.compare.tables import Table
from segjax.report.files import write_text

LEFT_OUT = ("wins", "p")
"""Columns of the differences, by their field."""


def write(
    name: str,
    material: Material,
    numbers: Numbers,
    made: Mapping[str, Table],
    out: Path,
) -> None:
    """`table.tex`, others in `tables`, and `document.tex`, which shows them all.

    Args:
      name: of the comparison, for the labels.
      material: the arms.
      numbers: their scores.
      made: the tables, by name.
      out: the report's folder.

    Raises:
      EnvironmentFault: if the disk refuses.
    """
    basis, written = " ".join(verdict.basis(material, numbers)[:1]), []
    for key, path, words, table in (
        ("arms", "table", f"{numbers.score.title} of each arm.", made["arms"]),
        (
            "differences",
            "tables/differences",
            "Paired differences.",
            differences(made["differences"]),
        ),
        (
            "classes",
            "tables/classes",
            f"{made['classes'].title}.",
            classes(made["classes"]),
        ),
        ("cost", "tables/cost", "What each arm costs.", made["cost"]),
    ):
        if table.rows:
            caption = " ".join([f"{words[0].upper()}{words[1:]}", basis, *table.notes])
            text = formats.latex(table, caption, f"{name}-{key}")
            write_text(out / f"{path}.tex", text)
            written.append(path)
    write_text(out / "document.tex", formats.latex_document(written))


def differences(table: Table) -> Table:
    """Without the columns that say again what the interval and p say."""
    kept = [i for i, c in enumerate(table.columns) if c.fields[0] not in LEFT_OUT]
    columns = [table.columns[i] for i in kept]
    columns[-1] = dataclasses.replace(columns[-1], show=_yes_or_no)
    return dataclasses.replace(
        table,
        columns=tuple(columns),
        rows=tuple(tuple(row[i] for i in kept) for row in table.rows),
        notes=tuple(note for note in table.notes if not note.startswith("Wins")),
    )


def classes(table: Table) -> Table:
    """Without intervals; a star is a baseline."""
    marked = [c.title.replace(" (baseline)", "*") for c in table.columns]
    columns = [
        dataclasses.replace(c, title=title, show=c.show if i < 2 else _score)
        for i, (c, title) in enumerate(zip(table.columns, marked, strict=True))
    ]
    notes = ["In per cent. Absent: no pixel is of the class; 0 is a score."]
    notes += ["*: a baseline."] * any(title.endswith("*") for title in marked)
    return dataclasses.replace(table, columns=tuple(columns), notes=tuple(notes))


def _score(value: tuple[float, float, float]) -> str:
    return "absent" if math.isnan(value[0]) else verdict.per_cent(value[0])


def _yes_or_no(words: Any) -> str:
    return "yes" if words.startswith("yes") else "no"
