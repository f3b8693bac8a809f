"""A table as Markdown, as LaTeX for a paper, and as CSV for a spreadsheet."""

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

from segjax.compare.tables import UNKNOWN, Table, is_nothing


def markdown(table: Table) -> str:
    """The table with its notes, in Markdown."""
    bold = [
        [f"**{c}**" if i in table.bold and j < 2 else c for j, c in enumerate(row)]
        for i, row in enumerate(table.texts())
    ]
    rule = ["---" if c.left else "---:" for c in table.columns]
    head = [c.title for c in table.columns]
    lines = [
        "| " + " | ".join(_cell(c) for c in row) + " |" for row in [head, rule, *bold]
    ]
    return "\n".join([*lines, *(f"\n{note}" for note in table.notes)])


def plain(table: Table) -> str:
    """The table for a terminal, in aligned columns."""
    lines = [[c.title for c in table.columns], *table.texts()]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column.left else cell.rjust(width)
            for cell, width, column in zip(line, widths, table.columns, strict=True)
        ).rstrip()
        for line in lines
    )


def latex(table: Table, caption: str, name: str) -> str:
    """The table for `booktabs`, columns without any value left out.

    Args:
      table: it.
      caption: plain text.
      name: behind `tab:` in the label.
    """
    texts = table.texts()
    kept = [
        j
        for j in range(len(table.columns))
        if j == 0 or any(row[j] not in ("-", UNKNOWN) for row in texts)
    ]
    columns = [table.columns[j] for j in kept]
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}[t]",
        r"\centering\small\setlength{\tabcolsep}{4pt}\setlength{\belowcaptionskip}{4pt}",
        rf"\caption{{{escaped(caption)}}}",
        rf"\label{{tab:{re.sub('[^a-z0-9]+', '-', name.lower())}}}",
        r"\begin{tabular}{" + "".join("l" if c.left else "r" for c in columns) + "}",
        r"\toprule",
        " & ".join(escaped(c.title) for c in columns) + r" \\",
        r"\midrule",
    ]
    for i, row in enumerate(texts):
        cells = [escaped(row[j]) for j in kept]
        if i in table.bold:
            cells = [rf"\textbf{{{c}}}" if n < 2 else c for n, c in enumerate(cells)]
        lines.append(" & ".join(cells) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def latex_document(paths: Sequence[str]) -> str:
    """A whole document of such tables, by their paths without `.tex`."""
    lines = [r"\documentclass{article}", r"\usepackage{booktabs}", r"\begin{document}"]
    lines += [rf"\input{{{path}}}" for path in paths]
    return "\n".join([*lines, r"\end{document}"]) + "\n"


_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "\N{MINUS SIGN}": "$-$",
    "\N{DAGGER}": r"\dag{}",
    **{c: "\\" + c for c in "&%$#_"},
}


def escaped(text: str) -> str:
    """Plain text as LaTeX."""
    return "".join(_LATEX.get(c, c) for c in text)


def comma_separated(table: Table) -> str:
    """The table's values as they are, as CSV; nan and None are empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([field for c in table.columns for field in c.fields])
    for row in table.rows:
        cells: list[Any] = []
        for value in row:
            cells += value if isinstance(value, tuple) else (value,)
        writer.writerow(["" if is_nothing(v) else v for v in cells])
    return buffer.getvalue()


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")
