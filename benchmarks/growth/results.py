"""An answer as plain data, as a table in Markdown, and what is wrong with it."""

import dataclasses
import math
import statistics
from collections.abc import Iterable
from typing import Any

from benchmarks.growth import slope
from benchmarks.growth.answers import Answer
from benchmarks.growth.questions import Question

PREFIXES = {
    "s": ((1.0, "s"), (1e-3, "ms")),
    "bytes": ((2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B")),
    "operations": ((1e12, "TFLOP"), (1e9, "GFLOP"), (1e6, "MFLOP"), (1.0, "FLOP")),
}


def conclude(name: str, question: Question, values: Any, answer: Answer) -> dict:
    """Plain data of all that was measured, with slopes over medians."""
    rows = []
    for series in question.series:
        measured = answer.found.get(series.name, [])
        pairs = [(n, m) for n, m in zip(values, measured, strict=False) if m]
        if len(pairs) < 2:
            continue
        points = [statistics.median(m) for _, m in pairs]
        x = [question.x(n) for n, _ in pairs]
        found = slope.fit(x, points, series.law)
        rows.append(
            {
                "name": series.name,
                "unit": series.unit,
                "law": dataclasses.asdict(series.law),
                "slopes_expected": list(series.law.slopes),
                "values": [n for n, _ in pairs],
                "x": x,
                "points": points,
                "measured": [m for _, m in pairs],
                "fit": dataclasses.asdict(found),
                "as_expected": found.as_expected(series.law, series.tolerance),
            }
        )
    return {
        "name": name,
        "title": question.title,
        "axis": question.axis,
        "tick": question.tick,
        "values": list(values),
        "series": rows,
        "checks": [{"says": says, "holds": bool(good)} for says, good in answer.checks],
        "notes": list(answer.notes),
    }


def sound(result: dict[str, Any]) -> bool:
    """Whether all slopes are as expected, and all checks hold."""
    parts = [row["as_expected"] for row in result["series"]]
    return all(parts + [check["holds"] for check in result["checks"]])


def markdown(result: dict[str, Any]) -> str:
    """The title, a row a series with its points, checks and notes."""
    ticks = [result["tick"].format(n) for n in result["values"]]
    titles = (result["axis"], *ticks, "slope", "at the end", "expected", "so?")
    lines = [f"### {result['title']}", "", _line(titles)]
    lines.append("|---|" + "---:|" * (len(titles) - 1))
    for row in result["series"]:
        points = dict(zip(row["values"], row["points"], strict=True))
        shown = [short(points[n], row["unit"]) if n in points else "-"
                 for n in result["values"]]  # fmt: skip
        found, (low, high) = row["fit"], row["slopes_expected"]
        error = "" if math.isnan(found["error"]) else f" ± {found['error']:.2f}"
        span = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        cells = (
            row["name"],
            *shown,
            f"{found['slope']:.2f}{error}",
            f"{found['last']:.2f}",
            f"{span}: {row['law']['formula']}",
            "yes" if row["as_expected"] else "**no**",
        )
        lines.append(_line(cells))
    lines += ["", *_below(result)]
    return "\n".join(lines)


def short(number: float, unit: str) -> str:
    """Three digits and the unit that suits them."""
    size, name = next((p for p in PREFIXES[unit] if number >= p[0]), PREFIXES[unit][-1])
    scaled = number / size
    return f"{scaled:.{max(0, 2 - math.floor(math.log10(max(scaled, 0.01))))}f} {name}"


def _below(result: dict[str, Any]) -> Iterable[str]:
    for row in result["series"]:
        law, found = row["law"], row["fit"]
        line = f"- {row['name']}: {law['formula']}, for {law['why']}"
        if law["constant"]:
            power = {1: "x", -1: "1 / x"}.get(law["power"], f"x^{law['power']:g}")
            a = ("-" if found["a"] < 0 else "") + short(abs(found["a"]), row["unit"])
            line += f"; {a} and {short(abs(found['b']), row['unit'])} times {power}"
            line += f", within {100 * found['within']:.0f} %"
        yield f"{line}."
    for check in result["checks"]:
        word = "holds" if check["holds"] else "**does not hold**"
        yield f"- {word}: {check['says']}."
    yield from (f"- {note}" for note in result["notes"])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
