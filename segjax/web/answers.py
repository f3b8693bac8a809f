"""What is made of a prediction for people and programs: pictures, shares, scores."""

import io

import numpy as np
from jaxtyping import Float32, Int, UInt8
from PIL import Image

from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE
from segjax.metrics import scores
from segjax.predict import ids as counted
from segjax.web.refused import Refused

CONVENTION = "truth"
"""Of means over classes, see `metrics.scores`."""

Ids = UInt8[np.ndarray, "H W"]
Shares = Float32[np.ndarray, "h w K"]


def grey(values: UInt8[np.ndarray, "H W"]) -> bytes:
    """A map as an 8-bit grey PNG: its numbers are the map's."""
    return _png(Image.fromarray(values))


def palette(ids: Ids, info: DatasetInfo) -> bytes:
    """Ids as `segjax predict` writes them: a PNG whose indices are the ids."""
    picture = Image.fromarray(ids)
    picture.putpalette(info.palette().tobytes())
    return _png(picture)


def confidence(shares: Shares) -> UInt8[np.ndarray, "h w"]:
    """The largest probability of each pixel; 255 is 1."""
    return np.rint(255 * np.clip(shares.max(-1), 0, 1)).astype(np.uint8)


def entropy(shares: Shares) -> UInt8[np.ndarray, "h w"]:
    """The entropy of each pixel's probabilities, of the largest there is; 255 is 1."""
    total = np.zeros(shares.shape[:2], np.float32)
    for k in range(shares.shape[2]):
        share = shares[..., k]
        total -= share * np.log(np.maximum(share, 1e-12))
    part = total / np.float32(np.log(shares.shape[2]))
    return np.rint(255 * np.clip(part, 0, 1)).astype(np.uint8)


def errors(ids: Ids, truth: Ids) -> Ids:
    """0 where right, 1 where wrong, 255 where the reference is ignored."""
    wrong = (ids != truth).astype(np.uint8)
    return np.where(truth == IGNORE, np.uint8(IGNORE), wrong)


def class_shares(ids: Ids, num_classes: int) -> list[float]:
    """Share of the pixels, class by class."""
    return (np.bincount(ids.ravel(), minlength=num_classes) / ids.size).tolist()


def understood(reference: Ids, size: tuple[int, int], info: DatasetInfo) -> Ids:
    """A reference mask as ids of the model; 0 and 255 are the two classes of a mask
    that has no other number, for a model of two.

    Raises:
      Refused: it is of another size, or has ids that the model has not.
    """
    if reference.shape != size:
        (h, w), (H, W) = reference.shape, size
        raise Refused(
            "bad_reference",
            f"The reference mask has {h} rows and {w} columns, and the picture {H} and "
            f"{W}, upright. Give one of the same size.",
        )
    present = np.flatnonzero(np.bincount(reference.ravel(), minlength=256))
    if info.num_classes == 2 and set(present) <= {0, IGNORE} and IGNORE in present:
        return (reference == IGNORE).astype(np.uint8)
    odd = [int(i) for i in present if info.num_classes <= i < IGNORE]
    if odd:
        raise Refused(
            "bad_reference",
            f"The reference mask has the ids {', '.join(map(str, odd[:5]))}; the model "
            f"has 0 to {info.num_classes - 1}, and 255 is ignored.",
        )
    return reference


def scored(ids: Ids, truth: Ids, info: DatasetInfo) -> dict:
    """Scores of a picture against its reference, as JSON has them.

    Returns:
      `classes` with IoU and Dice of those that are true or predicted, `miou` and
      `mean_dice` over those that are true, `pixel_accuracy`, and `convention`, the rule
      of the means in words. None where there is nothing to be scored.
    """
    counts = counted.count(truth, ids, info.num_classes).astype(np.int64)
    return scores_of(counts, info)


def scores_of(counts: Int[np.ndarray, "K K"], info: DatasetInfo) -> dict:
    """As `scored`, of confusion counts."""
    iou, dice = scores.iou(counts), scores.dice(counts)
    there = [k for k in range(info.num_classes) if np.isfinite(iou[k])]
    return {
        "classes": [
            {
                "id": k,
                "name": info.class_names[k],
                "iou": float(iou[k]),
                "dice": float(dice[k]),
                "true": bool(counts[k].any()),
            }
            for k in there
        ],
        "miou": _number(scores.miou(counts, CONVENTION)),
        "mean_dice": _number(scores.mean_dice(counts, CONVENTION)),
        "pixel_accuracy": _number(scores.pixel_accuracy(counts, CONVENTION)),
        "convention": scores.CONVENTIONS[CONVENTION],
    }


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return float(value) if np.isfinite(value) else None


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()
