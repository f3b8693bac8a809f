"""The report: a page, its Markdown, tables, figures and all numbers, in one folder.

The page works from `file://` without a script and asks for nothing outside its folder,
but for links back to the runs, which are relative.
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segjax.compare import (
    document,
    figures,
    formats,
    paper,
    pictures,
    statistics,
    tables,
    verdict,
)
from segjax.compare.arms import Material
from segjax.compare.numbers import Numbers
from segjax.report import templates
from segjax.report.files import write_json, write_text

PAGE = "index.html"
EXTREMES = 5
"""Images named as the worst, the best and the most disputed."""


def write(
    material: Material, numbers: Numbers, out: Path, *, draw: bool = False
) -> dict[str, Any]:
    """Write the report into `out`; returns what `comparison.json` holds.

    Args:
      material: the arms.
      numbers: what was computed of them.
      out: a folder, made if absent.
      draw: predict the chosen images again, for pictures of them; needs checkpoints
        and data.

    Raises:
      EnvironmentFault: if the disk refuses.
    """
    made = tables.every(material, numbers, out)
    drawn = figures.draw(material, numbers, out / "figures")
    chosen = chosen_images(numbers, material.reference.groups)
    shown, notes = pictures.of(material, numbers, chosen, out, draw=draw)
    whole = document.of(material, numbers, out)
    write_json(out / "comparison.json", whole)
    for name, table in made.items():
        if table.rows:
            text = formats.comma_separated(table)
            write_text(out / "tables" / f"{name}.csv", text)
    paper.write(title(material), material, numbers, made, out)
    parts = {
        "title": title(material),
        "question": " ".join(s.get("question", "") for s in material.studies).strip(),
        "headline": verdict.headline(numbers),
        "sentences": verdict.sentences(numbers),
        "basis": verdict.basis(material, numbers),
        "notes": [*material.notes, *notes],
        "tables": made,
        "figures": drawn,
        "captions": {
            name: words.format(level=verdict.level(numbers))
            for name, words in figures.CAPTIONS.items()
        },
        "pictures": shown,
    }
    write_text(out / "report.md", _markdown(parts))
    environment = templates.environment(Path(__file__).parent)
    html = environment.get_template("compare.html").render(
        **parts,
        numbers=numbers,
        images=_image_rows(material, numbers, chosen),
        bars=_bars(numbers),
        sizes=_sizes(out, drawn, shown),
        folders=_folders(material, out),
        colours=material.reference.dataset.get("classes") or [],
        picture_titles=pictures.TITLES,
        files=sorted(f"tables/{name}.csv" for name, t in made.items() if t.rows),
    )
    write_text(out / PAGE, html)
    return whole


def title(material: Material) -> str:
    """The study's name, or the arms' names."""
    if material.studies:
        return " and ".join(s.get("name", "study") for s in material.studies)
    names = [a.name for a in material.arms]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def chosen_images(numbers: Numbers, groups: Sequence[str]) -> dict[str, list[int]]:
    """Indices of images worth a look, by why; trained arms choose, if there are any.

    One of each cluster, as far as that goes: neighbours in a clip show the same.
    """
    names = [s.arm.name for s in numbers.standings if s.arm.kind == "run"]
    names = [n for n in names if n in numbers.images] or list(numbers.images)
    if not names:
        return {}
    values = np.array([numbers.images[name] for name in names])
    whole = np.flatnonzero(np.isfinite(values).all(0))
    mean, spread = values[:, whole].mean(0), np.ptp(values[:, whole], axis=0)
    order = whole[np.argsort(mean, kind="stable")]
    found = {"worst": order, "best": order[::-1]}
    if len(values) > 1:
        far = whole[np.argsort(-spread, kind="stable")]
        found = {"disputed": far, **found}
    cluster, _ = statistics.clusters_of(groups)
    return {why: _apart(indices, cluster) for why, indices in found.items()}


def _apart(indices: np.ndarray, cluster: np.ndarray) -> list[int]:
    """The first `EXTREMES`: those that are the first of their cluster, then others."""
    ranked = indices.tolist()
    firsts = {cluster[i]: i for i in reversed(ranked)}.values()
    return sorted(ranked, key=lambda i: i not in firsts)[:EXTREMES]


def _markdown(parts: Mapping[str, Any]) -> str:
    made = parts["tables"]
    lines = [
        f"# {parts['title']}",
        "",
        parts["question"],
        "",
        f"**{parts['headline']}**",
    ]
    lines += ["", *(f"- {s}" for s in parts["sentences"]), ""]
    lines += [" ".join(parts["basis"]), ""]
    if parts["notes"]:
        lines += ["## Before you read on", "", *(f"- {n}" for n in parts["notes"]), ""]
    pictured = {"arms": ["scores"]}
    for name, table in made.items():
        if not table.rows or name == "images":
            continue
        lines += [f"## {table.title}", "", formats.markdown(table), ""]
        for figure in [*pictured.get(name, []), name]:
            if figure in parts["figures"]:
                words = parts["captions"][figure]
                lines += [f"![{words}](figures/{figure}.png)", "", words, ""]
    if "curves" in parts["figures"]:
        words = parts["captions"]["curves"]
        lines += ["## Training", "", f"![{words}](figures/curves.png)", "", words, ""]
    return "\n".join(lines).replace("\n\n\n", "\n\n")


def _image_rows(
    material: Material, numbers: Numbers, chosen: Mapping[str, list[int]]
) -> dict[str, list[dict[str, Any]]]:
    """For each reason the images with their score under each arm."""
    return {
        why: [
            {
                "name": material.reference.images[i],
                "scores": [verdict.per_cent(v[i]) for v in numbers.images.values()],
            }
            for i in indices
        ]
        for why, indices in chosen.items()
    }


def _bars(numbers: Numbers) -> dict[str, Any]:
    """Places of intervals on a common line, in per cent of its width."""
    scores = {
        s.arm.name: (s.score.value, s.score.low, s.score.high)
        for s in numbers.standings
        if s.score is not None
    }
    pairs = {
        (p.a, p.b): (p.difference.value, p.difference.low, p.difference.high)
        for p in numbers.pairs
    }
    seeds = {
        s.arm.name: [float(v) for v in s.score.seeds]
        for s in numbers.standings
        if s.score is not None and len(s.arm.runs) > 1
    }
    line = _line([*scores.values(), *seeds.values()])
    return {
        "scores": _places(scores, line),
        "seeds": {name: [line(v) for v in own] for name, own in seeds.items()},
        "pairs": _places(pairs, _line([*pairs.values(), (0.0,)])),
    }


def _line(every: Sequence[Sequence[float]]) -> Callable[[float], float]:
    """From a value to its place on a line that holds all of them."""
    values = [v for some in every for v in some if math.isfinite(v)] or [0.0]
    low, span = min(values), (max(values) - min(values)) or 1.0
    return lambda value: round(4 + 92 * (value - low) / span, 2)


def _places(
    found: Mapping[Any, tuple[float, float, float]], line: Callable[[float], float]
) -> dict[Any, dict[str, float]]:
    return {
        key: {
            "middle": line(value),
            "left": line(low),
            "width": round(line(high) - line(low), 2),
            "zero": line(0.0),
        }
        for key, (value, low, high) in found.items()
        if math.isfinite(low + high)
    }


def _sizes(out: Path, drawn: list[str], shown: list[Any]) -> dict[str, tuple[int, int]]:
    """Width and height of each picture, so that the page does not jump."""
    paths = [f"figures/{n}{end}.png" for n in drawn for end in ("", "_dark")]
    paths += [p.source for p in shown]
    found = {}
    for path in paths:
        with Image.open(out / path) as picture:
            found[path] = picture.size
    return found


def _folders(material: Material, out: Path) -> dict[str, str]:
    """A link to each run's own page, or to its folder where it has none."""
    found = {}
    for run in (r for a in material.arms for r in a.runs):
        folder = run.place.folder
        target = folder / PAGE if (folder / PAGE).exists() else folder
        found[run.place.id] = os.path.relpath(target.resolve(), out.resolve())
    return found
