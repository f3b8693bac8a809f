"""What the page says about a run, as plain values read from its folder."""

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import colormaps

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.report.files import number, read_json
from segjax.report.progress import duration

SCORES = {
    "miou": "mean IoU",
    "pixel_accuracy": "pixel accuracy",
    "class_accuracy": "class accuracy",
    "mean_dice": "mean Dice",
    "frequency_weighted_iou": "frequency-weighted IoU",
}
"""Scores of an evaluation's summary in reading order, with their titles."""

_NEEDED = {"split", "step", "num_images", "convention_sentence", "summary", "classes"}
_EXTREMES = 5


def read(notes: list[str], reader: Callable, path: Path) -> Any:
    """What `reader` reads, or None and a note for the page if the file is damaged."""
    try:
        return reader(path)
    except UserError as error:
        notes.extend(error.problems)
        return None


def evaluations(
    workdir: Path, facts: Mapping[str, Any], notes: list[str]
) -> list[dict[str, Any]]:
    """Each `evaluation/<split>.json` with what the page adds; "val" first.

    One without `protocol` is from when there was none but `whole()`; `way` has it and
    the steps behind it.
    """
    found = []
    paths = sorted(workdir.glob("evaluation/*.json"))
    for path in sorted(paths, key=lambda p: p.stem != "val"):
        data = read(notes, read_json, path)
        if data is None:
            continue
        if not isinstance(data, dict) or not data.keys() >= _NEEDED:
            notes.append(f"{path}: is not an evaluation; it lacks some of its keys.")
            continue
        images = _images(path.with_name(f"{path.stem}_images.jsonl"), notes)
        summary = data["summary"]
        measured = _measured(data.get("measures", {}))
        beside = {k for m in data.get("measures", {}).values() for k in m["summary"]}
        beside |= SCORES.keys()
        names = [k for k in SCORES if k in summary]
        names += [k for k, v in summary.items() if k not in beside and _is_number(v)]
        more = {
            "way": [data.get("protocol", "whole()"), data.get("postprocess", "")],
            "path": path,
            "info": _class_table(facts, [c["name"] for c in data["classes"]]),
            "scores": [(_words(k), summary[k]) for k in names],
            "measured": measured,
            "shown": not found,
            "worst": images[:_EXTREMES],
            "best": images[_EXTREMES:][: -_EXTREMES - 1 : -1],
        }
        found.append(data | more)
    return found


def _measured(measures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each measure's numbers as tiles and as rows of classes."""
    return [
        {
            "name": name,
            "words": m["words"],
            "summary": [(_words(k), v) for k, v in m["summary"].items()],
            "columns": [_words(k) for k in m["classes"]],
            "rows": list(zip(*m["classes"].values(), strict=True)),
            "notes": m["notes"],
        }
        for name, m in measures.items()
    ]


def _images(path: Path, notes: list[str]) -> list[dict[str, Any]]:
    """Rows of the per-image file that have a mIoU, the worst first."""
    rows = []
    for line in path.read_text().split("\n") if path.exists() else []:
        if not line:
            continue
        try:
            row = json.loads(line)
            rows.append({k: row.get(k) for k in ("name", "miou", "pixel_accuracy")})
        except ValueError:
            notes.append(f"{path}: a line is not JSON; evaluate again.")
            return []
    rows = [r for r in rows if not math.isnan(number(r["miou"]))]
    return sorted(rows, key=lambda r: (number(r["miou"]), str(r["name"])))


def _class_table(facts: Mapping[str, Any], names: Sequence[str]) -> DatasetInfo:
    """The record's class table, or one with colours of our own if it does not fit."""
    entry = facts.get("dataset") or {}
    if [c["name"] for c in entry.get("classes", [])] == list(names):
        return DatasetInfo.of(entry)
    shades = [colormaps["tab20"](i % 20)[:3] for i in range(len(names))]
    colours = tuple(tuple(round(255 * c) for c in shade) for shade in shades)
    return DatasetInfo("unrecorded", tuple(names), colours)


def title(facts: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Data set and model, or nothing where neither is recorded."""
    model = config.get("model", {})
    names = [
        facts.get("dataset", {}).get("name"),
        model.get("name") if isinstance(model, Mapping) else model,
    ]
    return " · ".join(n for n in names if n)


def headline(
    evaluations: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """The number at the top: the evaluation's, else the best of the log."""
    for data in evaluations[:1]:
        return {
            "miou": data["summary"].get("miou"),
            "what": f"mean IoU, {data['split']} split, {data['num_images']} images, "
            f"step {data['step']}, by {', then '.join(filter(None, data['way']))}",
            "sentence": data["convention_sentence"],
        }
    scored = [r for r in rows if r["kind"] == "val" and not math.isnan(_miou(r))]
    if not scored:
        return None
    best = max(scored, key=_miou)
    return {
        "miou": best["miou"],
        "what": f"mean IoU, validation split, best so far, step {best['step']}",
        "sentence": "Read from the log; the full evaluation is not written yet.",
    }


def status(
    attempts: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
) -> str:
    """How the run stands, in one line."""
    if not attempts:
        return "no start is recorded"
    last = attempts[-1]
    at = f" at step {rows[-1]['step']}" if rows else ""
    if "end" not in last:
        return f"running, or killed without a word; last log line{at or ' not written'}"
    return f"ended{at}: {last['reason']} (exit code {last['exit_code']})"


def tiles(
    attempts: Sequence[Mapping[str, Any]],
    config: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    timing: Sequence[Mapping[str, Any]],
) -> list[tuple[str, str]]:
    """Short facts under the headline: (title, value)."""
    found = []
    if rows:
        planned = config.get("train", {}).get("num_steps")
        of = f" of {planned}" if planned else ""
        found.append(("steps", f"{rows[-1]['step']}{of}"))
    seconds = [a["wall_seconds"] for a in attempts if "wall_seconds" in a]
    if seconds:
        found.append(("wall time", duration(sum(seconds))))
    joules = [(a.get("energy") or {}).get("joules") for a in attempts]
    if joules and None not in joules:
        found.append(("energy", f"{sum(joules) / 1000:,.3g} kJ"))
    speeds = [t["images_per_s"] for t in timing if "images_per_s" in t]
    if speeds:
        found.append(("images/s, median", f"{statistics.median(speeds):.1f}"))
    if attempts:
        last = attempts[-1]
        if last.get("parameters"):
            found.append(("parameters", f"{last['parameters']:,}"))
        devices = last["devices"]
        kinds = sorted(set(devices))
        many = f"{len(devices)} x " if len(devices) > 1 else ""
        found.append(("device", many + ", ".join(kinds)))
        if last.get("peak_rss_mb"):
            found.append(("peak memory", f"{last['peak_rss_mb']:,.0f} MB"))
        code = last.get("code")
        if code:
            changed = " + changes" if code["dirty"] else ""
            found.append(("commit", code["commit"][:10] + changed))
        found.append(("started", last["start"].replace("T", " ")[:16] + " UTC"))
    if len(attempts) > 1:
        found.append(("starts", str(len(attempts))))
    return found


def _miou(row: Mapping[str, Any]) -> float:
    return number(row.get("miou"))


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, (int, float))


def _words(name: str) -> str:
    return SCORES.get(name, name.replace("_", " "))
