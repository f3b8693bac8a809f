"""What weakens a comparison, to be read before any number."""

from collections.abc import Sequence
from typing import Any

from segjax.compare.runs import SHARED, Missing, Run
from segjax.report.files import digest


def of(
    arms: Sequence[Any],
    there: Sequence[Run],
    missing: Sequence[Missing],
    split: str,
) -> tuple[str, ...]:
    """The sentences, the worst first; `arms` as `arms.gather` makes them."""
    found = [
        f"{arm.name}: {SHARED[mark][1]} than the rest; shown because it was allowed."
        for arm in arms
        for mark in arm.marks
    ]
    if missing:
        found.append(
            f"{len(missing)} of {len(missing) + len(there)} runs are missing: "
            + "; ".join(f"{m.place.id} ({m.why})" for m in missing)
            + "."
        )
    trained = [r for r in there if r.kind == "run"]
    for what, values in _surroundings(trained).items():
        if len(values) > 1:
            listed = "; ".join(f"{v}: {_few(ids)}" for v, ids in values.items())
            found.append(f"Runs differ in their {what}. {listed}.")
    if any((r.last.get("code") or {}).get("dirty") for r in trained):
        found.append(
            "Some runs were made with files that differ from their commit; the commit "
            "alone does not give their code."
        )
    train = {
        r.fingerprint(r.config.get("data", {}).get("train_split", "train")): r
        for r in trained
    }
    if len(train) > 1:
        found.append("Runs were trained on different files.")
    unknown = sum("wall_seconds" not in a for r in trained for a in r.attempts)
    if unknown:
        found.append(
            f"{unknown} start{'s' * (unknown > 1)} of runs ended without a word, by a "
            "kill: their time and energy are not in the numbers."
        )
    seeds = {len(arm.runs) for arm in arms if arm.kind == "run"}
    if len(seeds) > 1:
        found.append(
            "Arms have different numbers of seeds: "
            + ", ".join(f"{a.name} {len(a.runs)}" for a in arms if a.kind == "run")
            + "."
        )
    if 1 in seeds:
        found.append(
            "Some arms have one seed, so how much another training would change is not "
            "known: their intervals and p speak of these networks, not of the recipes."
        )
    for arm in arms:
        if len({digest(r.settings) for r in arm.runs}) > 1:
            found.append(f"{arm.name}: its runs differ in more than the seed.")
    if len({r.evaluation.get("postprocess", "") for r in trained}) > 1:
        found.append(_of_steps(trained, split))
    if any(r.val_split == split for r in trained):
        found.append(
            f"Each run's weights are those of its best evaluation on {split}, which is "
            "scored here: all scores are somewhat too high."
        )
    return tuple(found)


def _of_steps(trained: Sequence[Run], split: str) -> str:
    """What a comparison of post-processing may be used for."""
    differ = f"Runs differ in post-processing, and are scored on {split}"
    if all(r.val_split == split for r in trained):
        return (
            f"{differ}, on which it is to be chosen: the score of the best one is "
            "somewhat too high. Score the chosen one alone on a split that chose none."
        )
    return f"{differ}: who chooses by it has no split left that chose nothing."


def _surroundings(trained: Sequence[Run]) -> dict[str, dict[str, list[str]]]:
    """Code, versions and devices -> the ids of the runs that had them."""
    found: dict[str, dict[str, list[str]]] = {"code": {}, "versions": {}, "devices": {}}
    every = [r.last.get("versions") or {} for r in trained]
    packages = sorted(set().union(*every)) if every else []
    unequal = [p for p in packages if len({v.get(p) for v in every}) > 1]
    for run in trained:
        code = run.last.get("code") or {}
        commit = code.get("commit", "not recorded")[:10] or "not recorded"
        changed = code.get("dirty") and f" + changes {code.get('diff_digest', '')[:6]}"
        own = run.last.get("versions") or {}
        texts = {
            "code": f"commit {commit}{changed or ''}".rstrip(),
            "versions": ", ".join(f"{p} {own.get(p, 'none')}" for p in unequal),
            "devices": ", ".join(sorted(set(run.last.get("devices") or ["unknown"]))),
        }
        for what, text in texts.items():
            found[what].setdefault(text, []).append(run.place.id)
    return found


def _few(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
