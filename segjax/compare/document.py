"""All numbers of a comparison as plain values, for programs and for later doubts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segjax.compare import tables, verdict
from segjax.compare.arms import Material
from segjax.compare.numbers import Numbers, Pair
from segjax.compare.statistics import Estimate

FORMAT = "segjax comparison 1"


def of(material: Material, numbers: Numbers, out: Path) -> dict[str, Any]:
    """What `comparison.json` holds: each number with the runs that it comes from."""
    ids = {a.name: [r.place.id for r in a.runs] for a in material.arms}
    best = numbers.best
    changing, fixed = verdict.varying(material)
    return {
        "format": FORMAT,
        "split": material.split,
        "shared": dict(material.shared),
        "fingerprint": material.reference.fingerprint(material.split),
        "images": len(material.reference.images),
        "clusters": material.clusters,
        "score": numbers.score.name,
        "score_sentence": numbers.score.sentence,
        "level": numbers.level,
        "best": best.arm.name,
        "verdict": [verdict.headline(numbers), *verdict.sentences(numbers, few=10**6)],
        "basis": verdict.basis(material, numbers),
        "notes": list(material.notes),
        "differing": changing,
        "equal_values": fixed,
        "arms": [
            {
                "name": s.arm.name,
                "kind": s.arm.kind,
                "marks": list(s.arm.marks),
                "runs": ids[s.arm.name],
                "seeds": [r.seed for r in s.arm.runs],
                "score": _estimate(s.score),
                "classes": {
                    name: _estimate(e)
                    for name, e in zip(material.class_names, s.classes, strict=True)
                },
                "facts": vars(s.facts),
            }
            for s in numbers.standings
        ],
        "differences": [_pair(p, ids) for p in numbers.pairs],
        "beside": [_pair(p, ids) for p in numbers.beside],
        "missing": [
            {"arm": m.place.arm, "run": m.place.id, "why": m.why}
            for m in material.missing
        ],
        "runs": [
            dict(zip((c.title for c in t.columns), row, strict=True))
            for t in [tables.trace(material, out)]
            for row in t.rows
        ],
    }


def _estimate(e: Estimate | None) -> dict[str, Any] | None:
    if e is None:
        return None
    names = ("value", "low", "high", "images_sd", "seed_sd", "seeds")
    return {name: getattr(e, name) for name in names}


def _pair(pair: Pair, ids: Mapping[str, list[str]]) -> dict[str, Any]:
    d = pair.difference
    names = ("value", "low", "high", "p", "effect", "images_sd", "seed_sd")
    return {
        "a": pair.a,
        "b": pair.b,
        "runs": [*ids[pair.a], *ids[pair.b]],
        **{name: getattr(d, name) for name in names},
        "p_corrected": pair.p,
        "wins": pair.wins,
        "resolved": pair.resolved,
    }
