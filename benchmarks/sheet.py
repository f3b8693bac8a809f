"""The results of contests as a table in Markdown, and as JSON."""

import json
import pathlib
from collections.abc import Iterable
from typing import Any

from benchmarks.contest import OURS

HEAD = (
    "| network | side | median ms | quartiles | least | images/s "
    "| times segjax (quartiles) | share of peak | memory MiB | first call s |\n"
    "|---|---|---:|---|---:|---:|---|---:|---:|---:|"
)


def rows(result: dict[str, Any], kind: str) -> Iterable[str]:
    """One line a side of a contest."""
    images = _images(result, kind)
    flops = _flops(result, kind)
    for side, row in result["sides"].items():
        seconds = result["kinds"][kind]["seconds"][side]
        times = result["kinds"][kind]["times_ours"].get(side)
        best = side == result["kinds"][kind]["best_rival"]
        mark = "**" if best else ""
        ratio = "1"
        if times:
            ratio = f"{mark}{times['median']:.2f}{mark} "
            ratio += f"({times['low']:.2f}-{times['high']:.2f})"
        share = "-"
        if flops:
            share = f"{100 * flops / seconds['median'] / result['peak']['flops']:.0f} %"
        memory = row["memory"]["device_mib"] or row["memory"]["process_mib"]
        yield (
            f"| {result['name']} | {side} | {1e3 * seconds['median']:.1f} "
            f"| {1e3 * seconds['low']:.1f}-{1e3 * seconds['high']:.1f} "
            f"| {1e3 * seconds['least']:.1f} | {images / seconds['median']:.2f} "
            f"| {ratio} | {share} | {memory} | {row['ready']['first_seconds']:.1f} |"
        )


def notes(result: dict[str, Any], kind: str) -> str:
    """The line of a contest below the table."""
    form, peak = result["form"], result["peak"]
    size = "x".join(map(str, form["size"]))
    frames = f", {form['frames']} frames" if form["frames"] > 1 else ""
    flops = _flops(result, kind) or 0
    parts = [
        f"`{form['model']}`, batch {form['batch']}, {size}{frames}, {form['dtype']}, "
        f"{result['sides'][OURS]['parameters']:,} parameters",
        f"{flops / 1e9:.1f} GFLOP a call by XLA's count",
    ]
    if theirs := (result["torch_flops"] or {}).get(kind):
        parts[-1] += f", {theirs / 1e9:.1f} by PyTorch's"
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


def _images(result: dict[str, Any], kind: str) -> int:
    return 1 if kind == "latency" else result["form"]["batch"]
