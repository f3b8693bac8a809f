"""Pixels of a training split, so many and no more, whatever the split's size.

The pixels of an image are drawn from a stream of its own, seeded by its content, and
images stand in the order of a hash of theirs: so the order of the files, which differs
between disks, moves nothing.
"""

import hashlib
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int, Int64, UInt8

from segjax.baselines.examples import Examples, Image, Progress, each
from segjax.core.errors import UserError

Features = Callable[[Image, Int[np.ndarray, "N"]], Float[np.ndarray, "N F"]]
"""`(image, positions in its rows laid end to end) -> a row of numbers for each`."""

SPARE = 4
"""A balanced draw takes so many times its share of a class from an image that has it,
since other images may lack the class."""


def draw(
    source: Examples,
    features: Features,
    *,
    number: int,
    seed: int,
    balanced: bool = False,
    progress: Progress = None,
) -> tuple[Float[np.ndarray, "N F"], UInt8[np.ndarray, "N"], Int64[np.ndarray, "K"]]:
    """Features and true classes of about `number` labelled pixels; counts of all.

    Args:
      source: the training split; ignored pixels are never drawn.
      features: what is kept of a pixel.
      number: of pixels; fewer where there are fewer, one more an image for rounding.
      seed: of the draw.
      balanced: as many of each class, as far as there are; else evenly over images.
      progress: see `Examples`.

    Raises:
      UserError: no pixel of the split is labelled.
    """
    K, parts = source.info.num_classes, []
    counts = np.zeros(K, np.int64)
    share = number / len(source) if len(source) else 0
    quota = int(np.ceil(SPARE * share / K if balanced else share))
    for image, label in each(source, progress):
        content = hashlib.sha256(image.tobytes() + label.tobytes()).digest()
        rng = np.random.default_rng([seed, *content[:8]])
        flat = label.ravel()
        counts += np.bincount(flat, minlength=256)[:K]
        classes = [flat == k for k in range(K)] if balanced else [flat < K]
        found = [_some(np.flatnonzero(mask), quota, rng) for mask in classes]
        chosen = np.sort(np.concatenate(found))
        if len(chosen):
            parts.append((content, features(image, chosen), flat[chosen]))
    if not parts:
        raise UserError(unlabelled(source))
    parts.sort(key=lambda part: part[0])
    X, y = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
    if balanced:
        rng = np.random.default_rng(seed)
        per_class = [_some(np.flatnonzero(y == k), number // K, rng) for k in range(K)]
        kept = np.sort(np.concatenate(per_class))
        X, y = X[kept], y[kept]
    return X, y, counts


def unlabelled(source: Examples) -> str:
    """The message for a split from which nothing can be learnt."""
    return (
        f"{source.info.name}: none of {len(source)} training images has a labelled "
        "pixel, so no baseline can be fitted. Check the split and its masks."
    )


def place(
    shape: tuple[int, ...], chosen: Int[np.ndarray, "N"]
) -> Float[np.ndarray, "N 2"]:
    """Row and column of pixels, -1 at the upper and left edge and 1 at the others."""
    sides = np.asarray(shape[:2])
    found = np.stack(np.unravel_index(chosen, shape[:2]), axis=-1)
    return ((2 * found + 1) / sides - 1).astype(np.float32)


def _some(positions: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    if len(positions) <= most:
        return positions
    return rng.choice(positions, most, replace=False, shuffle=False)
