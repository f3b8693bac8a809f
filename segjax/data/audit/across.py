"""Between pairs: equal and nearly equal images, copied masks, groups in two splits.

Nearly equal images share one of eight bytes of a 64-bit hash (DCT of a grey 32x32
picture) and are then compared on a 64x64 grid. The hash is looked up, never compared
with all others, and a mirrored picture is looked up too.

Within one split the frames of a clip are alike and no finding: there a picture must be
the same up to its coding. Across splits being nearly equal is enough.
"""

import itertools
import re
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from jaxtyping import UInt8

from segjax.data.audit.findings import Finding
from segjax.data.audit.pairs import PairLook

BITS = 10
"""Bits of the 64 that two hashes may differ in."""

ALIKE = 0.98
"""Correlation on the grid below which two pictures are surely different."""

ACROSS = 0.99
"""... from which they are nearly equal: two retinas in equal frames reach 0.988."""

SAME = 0.9985
"""... and from which they are one picture, coded in two ways."""

CLIP_LIKE = 0.75
"""How often neighbours in a clip are more alike than two pictures by chance; 0.5 is
no clip."""

FEWEST = 6
"""Pictures that a group must have to be called a clip."""


def duplicates(looks: Sequence[PairLook]) -> list[Finding]:
    """Images of equal bytes, within a split and across."""
    groups: dict[str, list[PairLook]] = {}
    for p in looks:
        if p.image is not None:
            groups.setdefault(p.image.sha256, []).append(p)
    out = []
    for group in groups.values():
        if len(group) > 1:
            splits = dict.fromkeys(p.candidate.split for p in group)
            kind = "duplicate_across" if len(splits) > 1 else "duplicate"
            names = ", ".join(f"{p.at[0]} ({p.candidate.split})" for p in group)
            text = f"{names}: equal content{_annotations(group)}."
            out.append(Finding(kind, tuple(f for p in group for f in p.at), text))
    return out


def near_duplicates(looks: Sequence[PairLook]) -> list[Finding]:
    """Images that are nearly equal and not equal, a finding for two of them."""
    looks = [p for p in looks if p.image is not None and p.image.grey.std() > 2]
    out = []
    for i, j, mirrored in sorted(_close(looks)):
        a, b = looks[i], looks[j]
        if a.image.sha256 == b.image.sha256:
            continue
        one, two = a.image.grey, b.image.grey
        alike = correlation(one, two[:, ::-1] if mirrored else two)
        across = a.candidate.split != b.candidate.split
        if alike < (ACROSS if across else SAME) or (mirrored and not across):
            continue
        kind = "near_duplicate_across" if across else "near_duplicate"
        text = f"{a.at[0]} ({a.candidate.split}), {b.at[0]} ({b.candidate.split}): "
        text += f"{'mirrored, ' if mirrored else ''}correlate {alike:.4f}."
        out.append(Finding(kind, a.at + b.at, text, score=alike))
    return out


def copied_masks(looks: Sequence[PairLook]) -> list[Finding]:
    """One mask for images that are not alike."""
    groups: dict[str, list[PairLook]] = {}
    for p in looks:
        if p.image is not None and p.mask is not None and p.mask.several:
            groups.setdefault(p.mask.digest, []).append(p)
    out = []
    for group in groups.values():
        other = [
            p
            for p in group[1:]
            if correlation(p.image.grey, group[0].image.grey) < ALIKE
        ]
        if other:
            group = [group[0], *other]
            text = f"{', '.join(p.at[1] for p in group)}: equal masks, other images."
            out.append(
                Finding("same_mask", tuple(f for p in group for f in p.at), text)
            )
    return out


def groups(
    looks: Sequence[PairLook], pattern: str = "", published: bool = False
) -> list[Finding]:
    """Groups of examples that are in two splits.

    Args:
      looks: all pairs.
      pattern: regular expression; what its first bracket (or all of it) matches of a
        name is the group. Without one, names with equal beginnings are a group if their
        pictures are alike, as those of a clip are.
      published: the split is the publisher's, hence only noted.
    """
    kinds = (
        (pattern,) if pattern else (r"^([^_\-/]+)[_\-/]", r"^(.*?)[^0-9a-zA-Z]*\d+$")
    )
    out: dict[tuple[str, ...], Finding] = {}
    for kind in kinds:
        members: dict[str, list[PairLook]] = {}
        for p in looks:
            if match := re.search(kind, p.candidate.name):
                members.setdefault(match.group(match.re.groups and 1), []).append(p)
        for name, group in sorted(members.items()):
            count = {}
            for p in group:
                count[p.candidate.split] = count.get(p.candidate.split, 0) + 1
            if len(count) < 2 or not (pattern or _clip(group, looks)):
                continue
            shares = ", ".join(f"{n} in {split}" for split, n in count.items())
            text = f"{name or 'all names'}: a group in {len(count)} splits ({shares})."
            files = tuple(p.at[0] for p in group)
            verdict = "note" if published else ""
            out.setdefault(files, Finding("group_across", files, text, verdict))
    return list(out.values())


def correlation(a: UInt8[np.ndarray, "S S"], b: UInt8[np.ndarray, "S S"]) -> float:
    """Pearson's, of the grey values; 0 where one is flat."""
    x, y = a.astype(np.float64) - a.mean(), b.astype(np.float64) - b.mean()
    scale = np.sqrt((x * x).sum() * (y * y).sum())
    return float((x * y).sum() / scale) if scale else 0.0


def picture_hash(grey: UInt8[np.ndarray, "S S"]) -> UInt8[np.ndarray, "8"]:
    """64 bits: which of the 8x8 lowest waves of the DCT are above their median.

    Source: Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions,
    2010, section 3.2.1.
    Differs: no blur before, and the constant wave is left out of the median.
    """
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA)
    waves = cv2.dct(small.astype(np.float32))[:8, :8].ravel()
    return np.packbits(waves > np.median(waves[1:]))


def _close(looks: Sequence[PairLook]) -> set[tuple[int, int, bool]]:
    """Pairs `(i, j, mirrored)` whose hashes differ in `BITS` at most."""
    if len(looks) < 2:
        return set()
    plain = np.stack([picture_hash(p.image.grey) for p in looks])
    mirror = np.stack([picture_hash(p.image.grey[:, ::-1]) for p in looks])
    found = set()
    for hashes, mirrored in ((plain, False), (mirror, True)):
        for i, j in _one_byte_equal(plain, hashes):
            far = np.bitwise_count(plain[i] ^ hashes[j]).sum() > BITS
            if not far:
                found.add((i, j, mirrored))
    return found


def _one_byte_equal(plain, other) -> Iterator[tuple[int, int]]:
    for k in range(8):
        bins: dict[int, list[int]] = {}
        for j, byte in enumerate(other[:, k]):
            bins.setdefault(int(byte), []).append(j)
        for i, byte in enumerate(plain[:, k]):
            yield from ((i, j) for j in bins.get(int(byte), ()) if i < j)


def _clip(group: Sequence[PairLook], looks: Sequence[PairLook]) -> bool:
    """Whether neighbours in the group are more alike than any two pictures are."""
    ordered = [p.image.grey for p in sorted(group, key=_place) if p.image is not None]
    others = [p.image.grey for p in looks if p.image is not None]
    if len(ordered) < FEWEST:
        return False
    some = np.random.default_rng(0).integers(0, len(others), (256, 2)).tolist()
    apart = np.array([correlation(others[i], others[j]) for i, j in some if i != j])
    near = np.array([correlation(a, b) for a, b in itertools.pairwise(ordered)])
    return float((near[:, None] > apart).mean()) > CLIP_LIKE


def _place(p: PairLook) -> list:
    """Sorts by the numbers in the name: `9` before `10`."""
    parts = re.split(r"(\d+)", p.candidate.name)
    return [(part.isdigit(), int(part) if part.isdigit() else part) for part in parts]


def _annotations(group: Sequence[PairLook]) -> str:
    """How far the masks of equal images agree, for a message."""
    grids = [p.label.array() for p in group if p.label is not None]
    if len(grids) < 2:
        return ""
    least = min(float((a == b).mean()) for a, b in itertools.combinations(grids, 2))
    return "" if least == 1 else f"; their masks agree on {100 * least:.1f} %"
