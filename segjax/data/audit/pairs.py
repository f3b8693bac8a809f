"""An image with its mask: sizes, and whether the mask's edges lie on the image's.

Agreement is the mean rank (-0.5 to 0.5) of the image's edges along the boundaries of
the mask; 0 is chance. It is compared between masks, never judged alone.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, UInt8

from segjax.core.keys import IGNORE
from segjax.data import decode
from segjax.data.audit.candidates import Candidate, Candidates
from segjax.data.audit.files import ImageLook, Packed, look_at_image
from segjax.data.audit.findings import Finding
from segjax.data.audit.masks import MaskLook, look_at_mask

BETTER = 0.1
"""By how much another turn of a mask must agree better to be reported."""


@dataclasses.dataclass(frozen=True)
class PairLook:
    """A candidate and what its two files hold; None where a file does not decode.

    Attributes:
      candidate: the paths.
      at: the image and the mask, as findings call them.
      image: what the image holds.
      mask: what the mask holds.
      findings: of the two files and of the pair.
      size: `(height, width)` of the mask, turned as its image is.
      label: the mask's class ids on a grid, turned as its image is.
    """

    candidate: Candidate
    at: tuple[str, ...]
    image: ImageLook | None
    mask: MaskLook | None
    findings: tuple[Finding, ...]
    size: tuple[int, int] | None = None
    label: Packed | None = None


def look(candidate: Candidate, candidates: Candidates, pixels: bool = True) -> PairLook:
    """Read both files once, and compare them.

    Args:
      candidate: the pair.
      candidates: what it is one of.
      pixels: of the image; else its head alone is read.
    """
    image_at = candidates.where(candidate.image)
    held = candidates.info.pixels
    image, findings = look_at_image(candidate.image, image_at, held, pixels)
    if not candidate.mask:  # a frame without a label
        size = image and image.size
        return PairLook(candidate, (image_at,), image, None, tuple(findings), size)
    mask_at = candidates.where(candidate.mask)
    rule = candidate.rule or candidates.rule
    mask, found = look_at_mask(candidate.mask, mask_at, rule)
    findings += found
    if image is None or mask is None:
        return PairLook(candidate, (image_at, mask_at), image, mask, tuple(findings))
    stored = candidates.mask_orientation == "stored"
    orientation = image.orientation
    size = mask.size[::-1] if stored and orientation >= 5 else mask.size
    if size != image.size:
        findings.append(_sizes(image_at, mask_at, image, mask, size))
    label = mask.grid
    if stored and orientation != 1:
        label = Packed.of(decode.turn_upright(label.array(), orientation))
    if pixels and orientation != 1 and size == image.size:
        findings = [f for f in findings if f.kind != "orientation"]
        findings += _turned(image_at, mask_at, image, mask, stored)
    if mask.counts is not None:
        findings += _contents(mask_at, mask.counts)
    at = image_at, mask_at
    return PairLook(candidate, at, image, mask, tuple(findings), size, label)


def boundary(grid: UInt8[np.ndarray, "G G"]) -> Bool[np.ndarray, "G G"]:
    """Points whose right or lower neighbour differs, and those neighbours."""
    on = np.zeros(grid.shape, bool)
    across, down = grid[:, 1:] != grid[:, :-1], grid[1:] != grid[:-1]
    on[:, 1:] |= across
    on[:, :-1] |= across
    on[1:] |= down
    on[:-1] |= down
    return on


def agreement(edges: UInt8[np.ndarray, "G G"], grid: UInt8[np.ndarray, "G G"]) -> float:
    """How well the boundaries of `grid` lie on `edges`; nan where it has none."""
    on = boundary(grid)
    return float(edges[on].mean() / 255 - 0.5) if on.any() else float("nan")


def _sizes(image_at, mask_at, image: ImageLook, mask: MaskLook, size) -> Finding:
    (H, W), (h, w) = image.size, mask.size
    text = f"{mask_at}: mask is {h}x{w} and its image {image_at} is {H}x{W} (height x "
    text += "width)."
    if image.orientation >= 5 and size[::-1] == image.size:
        text += " The image is turned by EXIF: try the other `mask_orientation`."
    share = min(h * w, H * W) / max(h * w, H * W)
    return Finding("size_mismatch", (image_at, mask_at), text, score=1 - share)


def _turned(image_at, mask_at, image: ImageLook, mask: MaskLook, stored: bool):
    """Whether the mask of a photograph that EXIF turns lies as it is declared."""
    edges, grid = image.edges.array(), mask.grid.array()
    shown = agreement(edges, grid)
    turned = agreement(edges, decode.turn_upright(grid, image.orientation))
    text = f"{image_at}: has EXIF orientation {image.orientation} and is turned "
    text += f"upright; edges of its mask agree {shown:.2f} as displayed and "
    text += f"{turned:.2f} as stored."
    out = [Finding("orientation", (image_at, mask_at), text)]
    own, other = (turned, shown) if stored else (shown, turned)
    if other > own + BETTER:
        text = f"{mask_at}: fits {image_at} better as the photograph is "
        text += (
            f"{'displayed' if stored else 'stored'} ({other:.2f} against {own:.2f})."
        )
        out.append(Finding("turned_mask", (image_at, mask_at), text, "", other - own))
    return out


def _contents(mask_at: str, counts: np.ndarray) -> list[Finding]:
    ids = np.flatnonzero(counts)
    if ids.tolist() == [IGNORE]:
        text = f"{mask_at}: every pixel is ignored."
        return [Finding("all_ignored", (mask_at,), text)]
    labelled = ids[ids != IGNORE]
    if len(labelled) > 1:
        return []
    text = f"{mask_at}: every labelled pixel has class {labelled[0]}."
    return [Finding("single_class", (mask_at,), text)]
