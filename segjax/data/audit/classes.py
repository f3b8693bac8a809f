"""Over all masks of the audited splits: classes, their shares, ways of storing."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from segjax.core.info import DatasetInfo
from segjax.data.audit.findings import Finding
from segjax.data.audit.pairs import PairLook

EXTREME = 1000
"""The largest class over the smallest, in pixels, from which the balance is told."""


def pixels_by_split(
    looks: Sequence[PairLook], info: DatasetInfo
) -> dict[str, tuple[int, ...]]:
    """Split -> `K` pixel counts over the masks that could be read."""
    out: dict[str, np.ndarray] = {}
    for p in looks:
        total = out.setdefault(p.candidate.split, np.zeros(info.num_classes, np.int64))
        if p.mask is not None and p.mask.counts is not None:
            total += p.mask.counts[: info.num_classes]
    return {split: tuple(int(n) for n in total) for split, total in out.items()}


def shares(looks: Sequence[PairLook], info: DatasetInfo) -> list[Finding]:
    """Classes without pixels, in one split alone, or with very few."""
    by_split = pixels_by_split(looks, info)
    total = np.sum([*by_split.values(), (0,) * info.num_classes], axis=0)
    out, names = [], info.class_names
    unread = sum(p.mask is not None and p.mask.counts is None for p in looks)
    if not total.any() or unread > len(looks) / 2:
        return out  # the masks are wrong as a whole: what is left says nothing
    if unused := [names[k] for k in np.flatnonzero(total == 0)]:
        text = f"{len(unused)} of {len(names)} classes have no pixel in "
        text += f"{', '.join(by_split)}: {', '.join(unused)}."
        out.append(Finding("unused_class", (), text))
    train = np.array(by_split.get("train", total))
    if unseen := [names[k] for k in np.flatnonzero((train == 0) & (total > 0))]:
        text = f"{len(unseen)} of {len(names)} classes are not in train, but in "
        text += f"another split: {', '.join(unseen)}."
        out.append(Finding("unseen_class", (), text))
    for k in np.flatnonzero(total):
        name = names[k]
        if total[k] * EXTREME < total.max():
            share = total[k] / total.sum()
            text = f"class {k} {name!r}: has {100 * share:.4f} % of the labelled "
            text += (
                f"pixels, {total.max() / total[k]:.0f} times fewer than the largest."
            )
            out.append(Finding("imbalance", (), text, score=float(1 - share)))
    return out


def storage(looks: Sequence[PairLook]) -> list[Finding]:
    """Masks that are stored in another way, or with another palette, than most."""
    looks = [p for p in looks if p.mask is not None]
    ways = Counter(p.mask.stored for p in looks)
    out = []
    if len(ways) > 1:
        usual = ways.most_common(1)[0][0]
        for p in looks:
            if p.mask.stored != usual:
                text = f"{p.at[1]}: is stored as {p.mask.stored}, most as {usual}."
                out.append(Finding("mixed_masks", p.at, text))
    return out + _palettes(looks)


def _palettes(looks: Sequence[PairLook]) -> list[Finding]:
    """Masks in which an index has another colour than in most."""
    with_palette = [(p, dict(p.mask.palette)) for p in looks if p.mask.palette]
    votes: dict[int, Counter] = {}
    for _, palette in with_palette:
        for index, colour in palette.items():
            votes.setdefault(index, Counter())[colour] += 1
    usual = {index: counter.most_common(1)[0][0] for index, counter in votes.items()}
    out = []
    for p, palette in with_palette:
        off = [i for i, c in palette.items() if votes[i][c] < votes[i][usual[i]]]
        if off:
            text = f"{p.at[1]}: index {off[0]} has the colour {palette[off[0]]}, in "
            text += f"most masks {usual[off[0]]}."
            out.append(Finding("palettes_differ", p.at, text))
    return out
