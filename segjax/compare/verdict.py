"""The verdict in sentences: who is above whom, by how much, and how sure that is."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from segjax.compare.arms import Material
from segjax.compare.numbers import Numbers, Pair
from segjax.compare.statistics import Difference

FEW = 6
"""Sentences of pairs; the table has them all."""


def headline(numbers: Numbers) -> str:
    """One sentence for the top, and another if a baseline is above the best arm."""
    above = [
        p.b
        for p in numbers.beside
        if p.difference.high < 0 and _kind(p.b, numbers) == "baseline"
    ]
    more = f" A baseline, {above[0]}, is above it." if above else ""
    return _headline(numbers) + more


def _headline(numbers: Numbers) -> str:
    best, pairs = numbers.best, numbers.pairs
    title = numbers.score.title
    if best.score is None:
        return f"No arm has a score: {title} is not defined here."
    value = f"{per_cent(best.value)} % {title}"
    own = [p for p in pairs if best.arm.name in (p.a, p.b)]
    if not own:
        return f"{best.arm.name} reaches {value}; there is nothing to set it against."
    tied = [p.b if p.a == best.arm.name else p.a for p in own if not p.resolved]
    if not tied and any(p.difference.one_seed for p in own):
        return (
            f"{best.arm.name} has the best network, with {value}; one seed an arm says "
            "nothing of the recipes."
        )
    if not tied:
        return f"{best.arm.name} is the best of the arms, with {value}."
    if len(tied) == len(own):
        return (
            f"Not resolved: {best.arm.name} is ahead with {value}, but no difference "
            "from it is told from chance."
        )
    return (
        f"{best.arm.name} leads with {value}; its lead on {_listed(tied)} is not "
        "resolved."
    )


def sentences(numbers: Numbers, few: int = FEW) -> list[str]:
    """A sentence a pair, those of the best arm first; then the baselines."""
    best = numbers.best.arm.name
    ranked = sorted(numbers.pairs, key=lambda p: best not in (p.a, p.b))
    found = [of_pair(p, numbers) for p in ranked[:few]]
    if len(ranked) > few:
        found.append(f"{len(ranked) - few} more pairs stand in the table below.")
    found += [_beside(p, _kind(p.b, numbers), numbers) for p in numbers.beside]
    return found + _doubts(numbers)


def _kind(name: str, numbers: Numbers) -> str:
    return next(s.arm.kind for s in numbers.standings if s.arm.name == name)


def _beside(pair: Pair, kind: str, numbers: Numbers) -> str:
    """How the best arm stands to a baseline or a second annotator."""
    d = pair.difference
    thing = {
        "baseline": f"the best baseline, {pair.b}",
        "annotator": "the second annotator",
    }[kind]
    words = "above" if d.low > 0 else "below" if d.high < 0 else "not told from"
    return (
        f"{pair.a} is {words} {thing} (difference {points(d.value)}, "
        f"{_ci(d, numbers)})."
    )


def _doubts(numbers: Numbers) -> list[str]:
    """What would resolve what is not: seeds or images."""
    open_ = [p.difference for p in numbers.pairs if not p.resolved]
    known = [d for d in open_ if not d.one_seed]
    if not known:
        return []
    seeds = sum(d.seed_sd > d.images_sd for d in known)
    number = f"{len(known)} unresolved pair{'s' * (len(known) > 1)}"
    if seeds == len(known):
        return [f"Of {number}, the seeds are the larger doubt: train more of them."]
    if not seeds:
        return [f"Of {number}, the images are the larger doubt: score more of them."]
    return [
        f"Of {number}, the seeds are the larger doubt in {seeds}, the images in the "
        "others."
    ]


def of_pair(pair: Pair, numbers: Numbers) -> str:
    """`a beats b by 2.3 points ...`, or that it is not resolved."""
    d = pair.difference
    ci = _ci(d, numbers)
    number = len(numbers.pairs)
    corrected = f"p {p_value(pair.p)}"
    if number > 1:
        corrected += f" after Holm over {number} comparisons"
    if pair.resolved and d.one_seed:
        return (
            f"The networks of {pair.a} are above those of {pair.b} by "
            f"{points(d.value)} points {numbers.score.title} ({ci}, {corrected}); with "
            "one seed that says nothing of their recipes."
        )
    if pair.resolved:
        return (
            f"{pair.a} beats {pair.b} by {points(d.value)} points "
            f"{numbers.score.title} ({ci}, {corrected})."
        )
    return (
        f"{pair.a} and {pair.b}: not resolved (difference {points(d.value)}, {ci}, "
        f"{corrected})."
    )


def _ci(difference: Difference, numbers: Numbers) -> str:
    """The interval, and whether it knows nothing of other seeds."""
    alone = " over images alone" if difference.one_seed else ""
    return f"{level(numbers)} CI {interval(difference.low, difference.high)}{alone}"


def basis(material: Material, numbers: Numbers) -> list[str]:
    """What the verdict stands on: data, images, seeds, rules, what was held fixed."""
    shared, data = material.shared, material.reference.dataset
    images = len(material.reference.images)
    seeds = sorted({len(a.runs) for a in material.trained})
    print_ = material.reference.fingerprint(material.split)
    files = f"fingerprint {print_[:16]}" if print_ else "no fingerprint recorded"
    where = f"{material.split} of {data.get('name', 'a set without a name')}"
    found = [
        f"Scored on {images} images of {where}, resampled as {material.clusters}.",
        f"Files: {files}. Predicted by: {shared['protocol'] or 'not recorded'}.",
    ]
    if seeds:
        many = " to ".join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))
        found.append(f"{many} seed{'s' * (seeds != [1])} an arm.")
    if numbers.score.sentence:
        title = numbers.score.title
        found.append(f"{title[0].upper()}{title[1:]}: {numbers.score.sentence}.")
    changing, fixed = varying(material)
    if changing:
        found.append(
            f"Arms differ in {_listed(list(changing))}; the other {fixed} values of "
            "their configs are equal."
        )
    elif len(material.trained) > 1:
        found.append(f"All {fixed} values of the arms' configs are equal.")
    return found


def varying(material: Material) -> tuple[dict[str, dict[str, Any]], int]:
    """Config values that differ between trained arms: key -> arm -> value, or "-".

    Returns:
      Them, and the number of values that are equal.
    """
    settings: dict[str, Mapping[str, Any]] = {
        a.name: a.runs[0].settings for a in material.trained
    }
    keys = sorted(set().union(*settings.values())) if settings else []
    rows = {k: {n: s.get(k, "-") for n, s in settings.items()} for k in keys}
    changing = {
        k: row for k, row in rows.items() if len({*map(repr, row.values())}) > 1
    }
    return changing, len(rows) - len(changing)


def per_cent(value: float, digits: int = 1) -> str:
    """`0.6132` -> `61.3`; nan -> `-`."""
    return "-" if math.isnan(value) else f"{100 * value:.{digits}f}"


def points(value: float, digits: int = 1) -> str:
    """A difference in points of a hundred, with a true minus; never `-0.0`."""
    text = f"{100 * value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def interval(low: float, high: float, digits: int = 1) -> str:
    """`1.1 to 3.4`, in points or per cent."""
    return f"{points(low, digits)} to {points(high, digits)}"


def p_value(p: float) -> str:
    """`= 0.003`, or `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def level(numbers: Numbers) -> str:
    """`95 %`."""
    return f"{100 * numbers.level:g} %"


def _listed(words: Sequence[str]) -> str:
    shown = list(words[:6]) + ([f"{len(words) - 6} more"] if len(words) > 6 else [])
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"
