"""One mask file: how its numbers are stored, and whether each is declared.

Numbers that are not declared are diagnosed: soft edges, 0 and 255, raw Cityscapes ids,
ids that count from one, ids of instances.
"""

import dataclasses
import hashlib

import cv2
import numpy as np
from jaxtyping import Bool, Integer, UInt8, UInt32
from PIL import Image

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE
from segjax.data import decode, labels
from segjax.data.audit import files
from segjax.data.audit.files import Packed
from segjax.data.audit.findings import Finding
from segjax.data.labels import LabelMap

NEAR_EDGES = 0.8
"""Share of the minor values that must lie between others for edges to be soft."""

_CITYSCAPES = set(range(34))


@dataclasses.dataclass(frozen=True)
class MaskLook:
    """What a mask file holds.

    Attributes:
      size: `(height, width)` as stored.
      stored: how its numbers are stored: `"8-bit grey"`, `"palette"`, ...
      palette: `(index, colour)` of the indices that occur; empty without a palette.
      digest: of the numbers and the size.
      counts: pixels of each of the ids 0..255 after mapping; None where a number is
        not declared.
      grid: the class ids (or the low byte of the numbers) on a small grid.
      several: whether the grid has more than one value, and so edges.
    """

    size: tuple[int, int]
    stored: str
    palette: tuple[tuple[int, tuple[int, ...]], ...]
    digest: str
    counts: np.ndarray | None
    grid: Packed
    several: bool


def look_at_mask(
    path: str, where: str, rule: LabelMap
) -> tuple[MaskLook | None, list[Finding]]:
    """What the file holds, None if it is no picture, and what is wrong with it."""
    head, problem = files.read_head(path, where)
    if head is None:
        return None, [problem]
    content, image = head
    findings = files.suffix_problems(path, where, image)
    stored, found = _storage(where, image, rule)
    findings += found
    palette = ()
    try:
        if rule.colours:
            raw = decode.decode_colour_label(content, where)
        elif stored == "colours":
            raw = decode.decode_image(content, where)[..., 0]  # for its size and edges
        else:
            raw = decode.decode_label(content, where, lossy=True)
    except UserError as error:
        if any(f.kind == "jpeg_mask" for f in findings):
            return None, findings
        return None, [*findings, Finding("damaged", (where,), error.problems[0])]
    if stored == "palette":
        palette = _palette(image, raw)
    label, found = _classes(raw, rule, where, stored)
    findings += found
    shown = label if label is not None else raw.reshape(*raw.shape[:2], -1)[..., 0]
    side = (files.GRID, files.GRID)
    shown = (shown & 255).astype(np.uint8)
    grid = cv2.resize(shown, side, interpolation=cv2.INTER_NEAREST)
    look = MaskLook(
        size=raw.shape[:2],
        stored=stored,
        palette=palette,
        digest=hashlib.sha256(repr(raw.shape).encode() + raw.tobytes()).hexdigest(),
        counts=None if label is None else _counts(label),
        grid=Packed.of(grid),
        several=bool((grid != grid[0, 0]).any()),
    )
    return look, findings


def _counts(label: UInt8[np.ndarray, "H W"]) -> UInt32[np.ndarray, "256"]:
    return np.bincount(label.ravel(), minlength=256).astype(np.uint32)


def _storage(where: str, image: Image.Image, rule: LabelMap):
    """`(how the numbers are stored, findings)` from the head of the file."""
    findings, mode = [], image.mode
    if image.format in ("JPEG", "MPO"):
        declared = rule.threshold is not None
        text = f"{where}: is a JPEG; "
        text += f"read by threshold={rule.threshold}." if declared else "ids are lost."
        verdict = "fix" if declared else "refuse"
        findings.append(Finding("jpeg_mask", (where,), text, verdict))
    if mode in ("L", "1"):
        return ("8-bit grey" if mode == "L" else "1-bit"), findings
    if mode == "P":
        if not rule.colours:
            text = f"{where}: has a palette; its indices are read."
            findings.append(Finding("palette_mask", (where,), text))
        return "palette", findings
    if mode.startswith("I"):
        text = f"{where}: has 16 bits or more; its whole range is read."
        findings.append(Finding("wide_mask", (where,), text))
        return "16-bit grey", findings
    if not rule.colours and not (findings and findings[0].verdict == "refuse"):
        text = f"{where}: is a {mode} picture; 1-bit, grey and palette masks are read."
        findings.append(Finding("colour_mask", (where,), text))
    return "colours", findings


def _palette(image: Image.Image, raw: np.ndarray):
    """The colours of the indices that are in use."""
    colours = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    used = np.unique(raw)
    return tuple((int(i), tuple(colours[i].tolist())) for i in used if i < len(colours))


def _classes(raw: np.ndarray, rule: LabelMap, where: str, stored: str):
    """`(class ids or None, findings)` of the numbers."""
    if rule.colours:
        try:
            return labels.from_colours(raw, rule, where), []
        except UserError as error:
            text = error.problems[0]
            return None, [Finding("undeclared_colour", (where,), text)]
    if stored == "colours":
        return None, []
    if rule.threshold is not None:
        ids = _values(raw)
        label, inner = labels.from_numbers(raw, rule, where), ids[1:-1]
        if not len(inner):
            return label, []
        share = float(np.isin(raw, inner).mean())
        text = f"{where}: {100 * share:.2f} % of the pixels lie between {ids[0]} and "
        text += f"{ids[-1]}; threshold={rule.threshold} decides them."
        return label, [Finding("soft_mask", (where,), text, "fix", share)]
    try:
        label = labels.from_numbers(raw, rule, where)
    except UserError as error:
        return None, [_diagnosis(raw, rule, where, error.problems[0])]
    if (255, IGNORE) in rule.values and _values(raw).tolist() == [0, 255]:
        text = f"{where}: holds 0 and 255 alone, and 255 is declared as ignored. If it "
        text += "is the foreground, declare it as a class."
        return label, [Finding("binary_mask", (where,), text, "warn")]
    return label, []


def _values(raw: Integer[np.ndarray, "H W"]) -> np.ndarray:
    """The numbers that occur, in order."""
    if raw.dtype != np.uint8:
        return np.unique(raw)
    return np.flatnonzero(np.bincount(raw.ravel()))  # sorting would take longer


def _diagnosis(raw, rule: LabelMap, where: str, text: str) -> Finding:
    """Why a mask holds numbers that are not declared, as far as its file tells."""
    ids, counts = np.unique(raw, return_counts=True)
    present, declared = {int(i) for i in ids}, {v for v, _ in rule.values}
    off = present - declared
    classes = {v for v, k in rule.values if k != IGNORE}
    share = float(counts[np.isin(ids, list(off))].sum() / raw.size)
    kind = "undeclared_ids"
    if present <= {0, 255} and 255 in off:
        kind = "binary_mask"
    elif soft := soft_edges(raw):
        kind = "soft_mask"
        text = f"{where}: {100 * soft:.2f} % of the pixels hold values between those "
        text += f"of their neighbours, as soft edges do ({len(present)} values)."
    elif max(present) > 255:
        kind = "instance_ids"
    elif off == {max(classes) + 1} and 0 not in present and min(classes) == 0:
        kind = "shifted_mask"
    elif _from_cityscapes(rule, present, off):
        kind = "cityscapes_ids"
    return Finding(kind, (where,), text, "refuse", share)


def _from_cityscapes(rule: LabelMap, present: set[int], off: set[int]) -> bool:
    if rule.layout == "labelIds":
        return off == {IGNORE}
    trains = len({k for _, k in rule.values if k != IGNORE}) == 19
    return trains and off <= _CITYSCAPES and present <= _CITYSCAPES | {IGNORE}


def soft_edges(raw: Integer[np.ndarray, "H W"]) -> float:
    """Share of the pixels that lie on a soft edge; 0 where the edges are hard.

    A value is minor if under 1 % of the pixels have it and another value is not. The
    mask has soft edges if there are at least three minor values and `NEAR_EDGES` of
    their pixels lie strictly between two values in their 5x5 neighbourhood.
    """
    _, place, counts = np.unique(raw, return_inverse=True, return_counts=True)
    minor = counts < 0.01 * raw.size
    if minor.all():
        minor[np.argsort(counts)[-2:]] = False
    if minor.sum() < 3 or minor.all() or raw.max() > 65535 or raw.min() < 0:
        return 0.0
    soft: Bool[np.ndarray, "H W"] = minor[place.reshape(raw.shape)]
    wide = raw.astype(np.uint16)
    square = np.ones((5, 5), np.uint8)
    between = (cv2.erode(wide, square) < wide) & (wide < cv2.dilate(wide, square))
    near = float((soft & between).sum() / soft.sum())
    return float(soft.mean()) if near >= NEAR_EDGES else 0.0
