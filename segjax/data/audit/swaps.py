"""Masks that were exchanged between two images, by how well edges agree.

Where two pairs differ in size and exchanging their masks cures both, that is strong
evidence. Otherwise the edges must say so: for each image the agreement (`pairs`) with
its own mask is compared with that of every other mask, and two pairs are suspects if
exchanging their masks raises the agreement of both by `GAIN` of what an own mask
usually has over others', and by `SPREADS` times the spread among others. Where an own
mask usually has less than that over others', the edges tell nothing and are not asked.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8

from segjax.data.audit.findings import Finding
from segjax.data.audit.pairs import PairLook, agreement, boundary

GAIN = 0.35
SPREADS = 2.0

SAMPLE = 64
"""Pairs that tell what is usual."""

LARGEST = 1000
"""Doubtful pairs that are compared with each other; the most doubtful first."""

BLOCK = 128
"""Images that are compared at once; bounds the memory."""


def suspects(looks: Sequence[PairLook]) -> list[Finding]:
    """Exchanged masks among readable pairs; each pair is in one finding at most."""
    looks = [
        p
        for p in looks
        if p.image is not None and p.label is not None and p.mask.several
    ]
    if len(looks) < 2:
        return []
    own = np.array([agreement(p.image.edges.array(), p.label.array()) for p in looks])
    usual, spread, chance = _usual(looks, own)
    fits = np.array([_fits(p) for p in looks])
    doubtful = np.flatnonzero(~fits | (own < chance + usual / 2))
    doubtful = doubtful[np.argsort(own[doubtful] - chance[doubtful])][:LARGEST]
    if len(doubtful) < 2:
        return []
    doubtful.sort()
    few = [looks[i] for i in doubtful]
    table = _agreements(_edges(few), _lines(few))
    own = np.diag(table)
    gain = np.minimum(table - own[:, None], (table - own[:, None]).T)
    crossed, cured = _crossed(few)
    tells = usual > SPREADS * spread  # else own masks fit hardly better than others'
    least = max(GAIN * usual, SPREADS * spread) if tells else np.inf
    least = np.where(cured, 0.0, least)
    mixed = fits[doubtful][:, None] != fits[doubtful][None]
    gain[(gain <= least) | ~crossed | mixed] = -1
    np.fill_diagonal(gain, -1)
    out = []
    while gain.size and gain.max() > 0:
        i, j = sorted(map(int, np.unravel_index(gain.argmax(), gain.shape)))
        out.append(_finding(few[i], few[j], table, i, j))
        gain[[i, j]] = gain[:, [i, j]] = -1
    return out


def _fits(p: PairLook) -> bool:
    """Whether image and mask have one size; turned photographs are let through."""
    return p.mask.size in (p.image.size, p.image.size[::-1])


def _edges(looks: Sequence[PairLook]) -> UInt8[np.ndarray, "IMAGES POINTS"]:
    return np.stack([p.image.edges.array().ravel() for p in looks])


def _lines(looks: Sequence[PairLook]) -> Bool[np.ndarray, "MASKS POINTS"]:
    return np.stack([boundary(p.label.array()).ravel() for p in looks])


def _agreements(
    edges: np.ndarray, lines: np.ndarray
) -> Float[np.ndarray, "IMAGES MASKS"]:
    """The agreement of every image with every mask."""
    count = lines.sum(1).astype(np.float32)
    sums = edges.astype(np.float32) @ lines.astype(np.float32).T
    return sums / (255 * count) - 0.5


def _usual(looks, own) -> tuple[float, float, np.ndarray]:
    """What own masks have over others', the spread of others', and their middle.

    The middle is that of each image, the other two are over all.
    """
    some = np.random.default_rng(0).permutation(len(looks))[:SAMPLE]
    lines = _lines([looks[i] for i in some])
    chance, spread = np.empty(len(looks)), np.empty(len(looks))
    for start in range(0, len(looks), BLOCK):
        block = slice(start, start + BLOCK)
        table = _agreements(_edges(looks[block]), lines)
        table[np.arange(len(looks))[block, None] == some[None]] = np.nan
        chance[block] = np.nanmedian(table, axis=1)
        spread[block] = np.nanstd(table, axis=1)
    return float(np.median(own - chance)), float(np.median(spread)), chance


def _crossed(looks: Sequence[PairLook]) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of pairs that fit if exchanged, and those of them that fit only so."""
    image = np.array([p.image.size for p in looks])
    mask = np.array([p.mask.size for p in looks])
    crossed = (image[:, None] == mask[None]).all(-1)
    wrong = ~np.array([_fits(p) for p in looks])
    return crossed & crossed.T, crossed & crossed.T & wrong[:, None] & wrong[None]


def _finding(a: PairLook, b: PairLook, table, i: int, j: int) -> Finding:
    before, after = table[i, i] + table[j, j], table[i, j] + table[j, i]
    text = f"{a.candidate.name} and {b.candidate.name}: their masks seem exchanged: "
    text += f"edges agree {table[i, i]:.2f} and {table[j, j]:.2f} as they are, "
    text += f"{table[i, j]:.2f} and {table[j, i]:.2f} exchanged"
    text += "." if _fits(a) and _fits(b) else "; their sizes too fit only so."
    return Finding("swapped", a.at + b.at, text, score=float(after - before))
