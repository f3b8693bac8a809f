"""The results of contests as a table in Markdown, and as JSON."""

import json
import pathlib
from collections.abc import Iterable
from typing import Any

from benchmarks.contest import OURS

HEAD = (
    "| network | what | side | median ms | quartiles | 90 % | images/s "
    "| times segjax (quartiles) | share of peak | memory MiB | first call s |\n"
    "|---|---|---|---:|---|---:|---:|---|---:|---:|---:|"
)


def rows(result: dict[str, Any], kind: str) -> Iterable[str]:
    """One line a side of a contest, for one kind of turn."""
    found = result["kinds"][kind]
    images = 1 if kind == "latency" else result["form"]["batch"]
    peak = result["peak"]["flops"]
    for side, row in result["sides"].items():
        seconds = found["seconds"][side]
        ratio, share = "1", "-"
        if times := found["times_ours"].get(side):
            mark = "**" if side == found["best_rival"] else ""
            ratio = f"{mark}{times['median']:.2f}{mark} "
            ratio += f"({times['low']:.2f}-{times['high']:.2f})"
        if flops := _flops(result, kind):
            share = f"{100 * flops / seconds['median'] / peak:.0f} %"
        memory = row["memory"]["device_mib"] or row["memory"]["process_mib"]
        cells = (
            result["name"],
            kind,
            side,
            f"{1e3 * seconds['median']:.1f}",
            f"{1e3 * seconds['low']:.1f}-{1e3 * seconds['high']:.1f}",
            f"{1e3 * seconds['p90']:.1f}",
            f"{images / seconds['median']:.2f}",
            ratio,
            share,
            f"{memory}",
            f"{row['ready']['first_seconds']:.1f}",
        )
        yield f"| {' | '.join(cells)} |"


def notes(result: dict[str, Any]) -> str:
    """The line of a contest below the table."""
    form, peak = result["form"], result["peak"]
    size = "x".join(map(str, form["size"]))
    frames = f", {form['frames']} frames" if form["frames"] > 1 else ""
    parts = [
        f"`{form['model']}`, batch {form['batch']}, {size}{frames}, {form['dtype']}, "
        f"{result['sides'][OURS]['parameters']:,} parameters"
    ]
    for kind in result["kinds"]:
        if flops := _flops(result, kind):
            parts.append(f"{kind} {flops / 1e9:.1f} GFLOP by XLA's count")
        if theirs := (result["torch_flops"] or {}).get(kind):
            parts.append(f"{theirs / 1e9:.1f} by PyTorch's")
    parts.append(
        f"largest in this run: product {peak['flops'] / 1e9:.0f} GFLOP/s, "
        f"copy {peak['bytes'] / 1e9:.1f} GB/s"
    )
    if result["logits_differ"] is not None:
        parts.append(f"same numbers: logits differ by {result['logits_differ']:.0e}")
    return f"- {result['name']}: {'; '.join(parts)}"


def write(path: str | pathlib.Path, results: list[dict[str, Any]]) -> None:
    """All that was measured, as JSON."""
    pathlib.Path(path).write_text(json.dumps(results, indent=1) + "\n")


def _flops(result: dict[str, Any], kind: str) -> float | None:
    return result["sides"][OURS]["programs"][kind]["flops"]
