"""`index.html`: one page about a run, made from the files in its folder.

It works from `file://`, asks for nothing outside the folder, and can be written while
the run is going on: what is not there yet is said to be missing.
"""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from segjax.core.errors import UserError
from segjax.report import findings, metrics_log, record, templates
from segjax.report.files import number, write_text
from segjax.report.progress import duration

PAGE = "index.html"

PICTURES = {
    "curves": "Loss and mean IoU over the steps of training, for both splits.",
    "panel": "Examples of the validation split with their predictions and errors.",
    "best": "The examples with the highest mIoU.",
    "worst": "The examples with the lowest mIoU.",
    "confusion": "Where each true class went, in percent of its pixels.",
    "augmented": "Training samples as the model sees them, tinted by their labels.",
    "reliability": "What came true of what was believed: on the diagonal, "
    "probabilities can be taken at their word. Bars are shares of the pixels.",
    "roc": "Each class against all others at every threshold; crosses are the "
    "decisions that were scored.",
    "risk_coverage": "The share of wrong pixels, were only the surest kept.",
}
"""`pictures/<name>.png` and what it shows; the table of classes has its own bars."""

_COLUMNS = ("iou", "dice", "precision", "recall")


def write(workdir: str | Path, embed: bool = False) -> Path:
    """Write `index.html` and the plots that it shows, from what the folder holds.

    Reads `record.json`, `config.json`, `metrics.jsonl`, `timing.jsonl`,
    `evaluation/*.json`, `evaluation/*_images.jsonl` and `pictures/*.png`; each may be
    missing. `curves.png`, `classes.png` and `confusion.png` are drawn anew where their
    numbers are newer.

    Args:
      workdir: the run folder.
      embed: put the pictures into the page, so that the file can travel alone.

    Returns:
      The path of the page.

    Raises:
      UserError: if the folder does not exist.
      EnvironmentFault: if the disk refuses.
    """
    workdir = Path(workdir)
    if not workdir.is_dir():
        raise UserError(
            f"{workdir}: no such run folder; a run makes it. Check the path."
        )
    notes: list[str] = []
    facts = findings.read(notes, record.read, workdir) or {}
    config_there = (workdir / record.CONFIG).exists()
    config = (
        findings.read(notes, record.read_config, workdir) if config_there else None
    ) or {}
    rows = findings.read(notes, metrics_log.read, workdir / metrics_log.METRICS) or []
    timing = findings.read(notes, metrics_log.read, workdir / metrics_log.TIMING) or []
    evaluations = findings.evaluations(workdir, facts, notes)
    _draw(workdir, rows, evaluations)
    attempts = facts.get("attempts", [])
    html = (
        _environment()
        .get_template("page.html")
        .render(
            title=findings.title(facts, config) or workdir.resolve().name,
            workdir=workdir.resolve().name,
            status=findings.status(attempts, rows),
            headline=findings.headline(evaluations, rows),
            tiles=findings.tiles(attempts, config, rows, timing),
            evaluations=evaluations,
            pictures=_pictures(workdir, embed),
            captions=PICTURES,
            dataset=facts.get("dataset", {}),
            config=sorted(record.flat(config).items()),
            attempts=attempts,
            notes=notes,
            columns=_COLUMNS,
        )
    )
    write_text(workdir / PAGE, html)
    return workdir / PAGE


def _environment() -> jinja2.Environment:
    environment = templates.environment()
    environment.filters |= {
        "score": lambda x: "absent" if math.isnan(number(x)) else f"{number(x):.3f}",
        "measured": lambda x: "-" if math.isnan(number(x)) else f"{number(x):.4g}",
        "percent": lambda x: (
            "-" if math.isnan(number(x)) else f"{100 * number(x):.1f} %"
        ),
        "width": lambda x: f"{100 * min(1.0, max(0.0, np.nan_to_num(number(x)))):.1f}%",
        "rgb": lambda c: "rgb({:d}, {:d}, {:d})".format(*c),
        "duration": duration,
        "pretty": lambda x: json.dumps(x, indent=2, sort_keys=True),
        "value": lambda x: json.dumps(x, ensure_ascii=False),
    }
    return environment


def _draw(
    workdir: Path,
    rows: Sequence[Mapping[str, Any]],
    evaluations: Sequence[Mapping[str, Any]],
) -> None:
    """Draw the plots whose numbers are newer than their pictures."""
    from segjax.report import plots  # a fifth of a second, spared at the start

    folder = workdir / "pictures"
    if any(k in r for r in rows for k in ("loss", "miou")) and _is_newer(
        workdir / metrics_log.METRICS, folder / "curves.png"
    ):
        plots.curves(rows, folder / "curves.png")
    for data in evaluations[:1]:
        info, path = data["info"], data["path"]
        if _is_newer(path, folder / "classes.png"):
            iou = [number(c["iou"]) for c in data["classes"]]
            mean = number(data["summary"].get("miou"))
            plots.class_bars(iou, info, folder / "classes.png", mean)
        if data.get("counts") and _is_newer(path, folder / "confusion.png"):
            counts = np.asarray(data["counts"], np.int64)
            plots.confusion_matrix(counts, info, folder / "confusion.png")


def _is_newer(source: Path, picture: Path) -> bool:
    if not picture.exists():
        return True
    return source.stat().st_mtime_ns >= picture.stat().st_mtime_ns


def _pictures(workdir: Path, embed: bool) -> dict[str, dict[str, Any]]:
    """Source and size of each picture that exists, by name."""
    found = {}
    for name in PICTURES:
        path = workdir / "pictures" / f"{name}.png"
        if not path.exists():
            continue
        source = f"pictures/{name}.png"
        if embed:
            coded = base64.b64encode(path.read_bytes()).decode()
            source = f"data:image/png;base64,{coded}"
        with Image.open(path) as picture:
            width, height = picture.size
        found[name] = {"source": source, "width": width, "height": height}
    return found
