"""What an audit found, as plain values, as words, and as a page with pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segjax.core.errors import SegjaxError
from segjax.core.pixels import RGB, Pixels
from segjax.data import decode
from segjax.data.audit import Audit
from segjax.data.audit.findings import KINDS, VERDICTS, Finding
from segjax.data.datasets.folder import generated_colours
from segjax.data.display import shown
from segjax.report import drawing, templates
from segjax.report.files import write_text

PAGE = "index.html"

_WORDS = 5  # messages of a kind on a terminal
_FILES = 4  # pictures side by side
_HEIGHT = 180
_FEW = 64  # values of a mask that are shown as colours


def entry(found: Audit) -> dict[str, Any]:
    """The audit as plain values, with every finding."""
    return {
        "dataset": found.dataset,
        "root": found.root,
        "examples": found.examples,
        "class_pixels": found.class_pixels,
        "left_out": found.left_out,
        "counts": found.counts(),
        "refused": found.refused(),
        "findings": [
            {
                "kind": f.kind,
                "verdict": f.verdict,
                "files": f.files,
                "message": f.message,
                "score": f.score,
            }
            for f in found.findings
        ],
    }


def text(found: Audit) -> str:
    """The audit for a terminal: each kind with its advice and its worst files."""
    splits = ", ".join(f"{n} {split}" for split, n in found.examples.items())
    lines = [f"{found.dataset}: {splits or 'no pairs'}"]
    lines += [f"not audited: {s}: {why}" for s, why in found.left_out.items()]
    for (verdict, kind), group in _groups(found).items():
        row = KINDS[kind]
        lines += ["", f"{verdict}  {kind}: {len(group)}  ({row.what})"]
        lines += [f"  {finding.message}" for finding in group[:_WORDS]]
        if len(group) > _WORDS:
            lines.append(f"  ... and {len(group) - _WORDS} more in audit.json")
        lines.append(f"  -> {_advice(verdict, kind)}")
    return "\n".join([*lines, "", verdict_words(found)])


def verdict_words(found: Audit) -> str:
    """How many findings there are of each verdict."""
    if not found.findings:
        return "Nothing was found."
    number = {v: sum(f.verdict == v for f in found.findings) for v in VERDICTS}
    says = {"refuse": "to correct", "warn": "to look at", "fix": "handled by a rule"}
    parts = [f"{number[v]} {says.get(v, 'noted')}" for v in VERDICTS if number[v]]
    return f"Found: {', '.join(parts)}."


def write(found: Audit, out: Path, worst: int = 6) -> Path:
    """Write `index.html` with a strip of pictures for the worst of each kind.

    Args:
      found: the audit.
      out: folder; the strips go to `pictures/`.
      worst: strips of a kind.

    Raises:
      EnvironmentFault: if the disk refuses.
    """
    rows = []
    for (verdict, kind), group in _groups(found).items():
        shown = []
        for i, finding in enumerate(group):
            name = f"pictures/{kind}_{i}.png"
            drawn = i < worst and _draw(finding, found, out / name)
            shown.append({"message": finding.message, "picture": name if drawn else ""})
        row = KINDS[kind]
        rows.append(
            {
                "verdict": verdict,
                "kind": kind,
                "what": row.what,
                "advice": _advice(verdict, kind),
                "findings": shown,
            }
        )
    template = templates.environment().get_template("audit.html")
    html = template.render(audit=found, rows=rows, words=verdict_words(found))
    write_text(out / PAGE, html)
    return out / PAGE


def _groups(found: Audit) -> dict[tuple[str, str], list[Finding]]:
    out: dict[tuple[str, str], list[Finding]] = {}
    for finding in found.findings:
        out.setdefault((finding.verdict, finding.kind), []).append(finding)
    return out


def _advice(verdict: str, kind: str) -> str:
    """What to do; nothing where a rule that the config declares handles it."""
    if verdict == "fix" and KINDS[kind].verdict != "fix":
        return "Handled by the rule that is declared."
    return KINDS[kind].advice


def _draw(finding: Finding, found: Audit, path: Path) -> bool:
    """Draw the readable pictures of a finding side by side; whether there are any."""
    root = Path(found.root)
    pictures = [picture(root / name, found.pixels) for name in finding.files[:_FILES]]
    pictures = [p for p in pictures if p is not None]
    if not pictures:
        return False
    _strip(pictures, finding.files, path)
    return True


def picture(path: Path, pixels: Pixels = RGB) -> Image.Image | None:
    """A file as a small picture, a map of few ids in colours; None if unreadable.

    An image is of the declared pixels; a mask among them is of its own.
    """
    for kind in dict.fromkeys((pixels, RGB)):
        try:
            array = shown(decode.read_image(path, pixels=kind))
            break
        except SegjaxError:
            continue
    else:
        return None
    try:
        raw = decode.read_label(path, lossy=True)
        values, place = np.unique(raw, return_inverse=True)
        if len(values) <= _FEW:
            colours = np.array(generated_colours(len(values)), np.uint8)
            array = colours[place.reshape(raw.shape)]
    except SegjaxError:
        pass  # colours, which are shown as they are
    image = Image.fromarray(array)
    smooth = max(image.size) > _HEIGHT
    return drawing.fit(image, 2 * _HEIGHT, _HEIGHT, smooth)


def _strip(pictures: Sequence[Image.Image], names: Sequence[str], path: Path) -> None:
    gap = 8
    width = sum(p.width for p in pictures) + gap * (len(pictures) - 1)
    strip = Image.new("RGB", (width, _HEIGHT), drawing.PAPER)
    left = 0
    for small in drawing.few_colours(pictures):
        strip.paste(small, (left, 0))
        left += small.width + gap
    drawing.save(strip, path)
