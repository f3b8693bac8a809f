"""The tables of a comparison.

A table keeps its numbers; how one is shown is said by its column, so that a page rounds
where a spreadsheet does not.
"""

import dataclasses
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from segjax.compare import verdict
from segjax.compare.arms import Material
from segjax.compare.numbers import Numbers, Standing
from segjax.report import record
from segjax.report.progress import duration

UNKNOWN = "not known"


@dataclasses.dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
      title: its head.
      show: a value as text.
      fields: names of its values in a CSV; several where a value is a tuple.
      left: whether it is aligned to the left.
    """

    title: str
    show: Callable[[Any], str]
    fields: tuple[str, ...]
    left: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of values under columns.

    Attributes:
      name: of its file.
      title: what it shows.
      columns: from left to right.
      rows: a value a column.
      bold: rows whose arm is not told from the best one.
      notes: sentences to read it by.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    bold: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()

    def texts(self) -> list[list[str]]:
        """The rows as they are shown."""
        return [
            [c.show(v) for c, v in zip(self.columns, row, strict=True)]
            for row in self.rows
        ]


def every(material: Material, numbers: Numbers, out: Path) -> dict[str, Table]:
    """All tables, by name; paths are relative to `out`."""
    made = [
        arms(material, numbers),
        differences(numbers),
        classes(material, numbers),
        cost(numbers),
        settings(material),
        images(material, numbers),
        missing(material),
        trace(material, out),
    ]
    return {table.name: table for table in made}


def arms(material: Material, numbers: Numbers) -> Table:
    """Each arm's score with its interval, the seeds apart."""
    rows = []
    for s in numbers.standings:
        e, trained = s.score, s.arm.kind == "run"
        rows.append(
            (
                label(s),
                s.value,
                (e.low, e.high) if e else (math.nan, math.nan),
                e.seed_sd if e else math.nan,
                len(s.arm.runs) if trained else None,
            )
        )
    columns = (
        _words("arm"),
        Column(f"{numbers.score.title}, %", verdict.per_cent, ("score",)),
        _interval(verdict.level(numbers)),
        Column("seeds' sd", verdict.per_cent, ("seed_sd",)),
        Column("seeds", _number("{}", "-"), ("seeds",)),
    )
    notes = [
        f"Interval: {verdict.level(numbers)}, from the choice of images and, where "
        "there are several, from the seeds; seeds' sd: standard deviation over "
        "trainings alone, in points.",
    ]
    if numbers.pairs:
        notes.insert(0, "Bold: the best arm and those not told from it.")
    if any(s.arm.marks for s in numbers.standings):
        notes.append("\N{DAGGER}: not like the rest; see the notes.")
    note = material.reference.dataset.get("note", "")
    if note and not any(s.arm.kind == "annotator" for s in numbers.standings):
        notes.append(f"Annotators: {note}")
    bold = _undecided(numbers)
    return Table("arms", "Arms", columns, tuple(rows), bold, tuple(notes))


def cost(numbers: Numbers) -> Table:
    """What each arm costs; a column that is known of no arm is left out and named."""
    names = ("parameters", "gmac", "seconds", "images_per_s", "peak_mb", "joules")
    rows = [
        (label(s), *(getattr(s.facts, name) for name in names))
        for s in numbers.standings
    ]
    columns = (
        _words("arm"),
        Column("parameters", _number("{:,}", UNKNOWN), ("parameters",)),
        Column("GMAC", _number("{:,.3g}", UNKNOWN), ("gmac",)),
        Column("time", _time, ("seconds",)),
        Column("images/s", _number("{:.1f}", UNKNOWN), ("images_per_s",)),
        Column("memory, MB", _number("{:,.0f}", UNKNOWN), ("peak_mb",)),
        Column("energy, kJ", _kilo, ("joules",)),
    )
    notes = [
        "Time: training, or a baseline's fit, all included; images/s: reading, "
        "predicting and counting together; memory: of the process on the host.",
        *_cost_notes(numbers),
    ]
    known = [i for i in range(len(columns)) if any(row[i] is not None for row in rows)]
    unknown = [c.title for i, c in enumerate(columns) if i not in known]
    if unknown := [title for title in unknown if not title.startswith("energy")]:
        notes.append(f"Of no arm known: {', '.join(unknown)}.")
    return Table(
        "cost",
        "Cost",
        tuple(columns[i] for i in known),
        tuple(tuple(row[i] for i in known) for row in rows),
        notes=tuple(notes),
    )


def _cost_notes(numbers: Numbers) -> list[str]:
    """Of what GMAC and energy are, or why they are not known."""
    found = []
    sizes = _shared({s.arm.name: s.facts.size for s in numbers.standings})
    if sizes:
        found.append(f"GMAC: forward pass of one image as in training, {sizes}.")
    trained = {s.arm.name: s.facts for s in numbers.standings if s.arm.kind == "run"}
    energy = _shared({name: facts.energy_of for name, facts in trained.items()})
    if energy.startswith("not known"):
        found.append(f"Energy is {energy}.")
    elif energy:
        found.append(f"Energy, over the same time, of: {energy}.")
    return found


def _shared(texts: Mapping[str, str]) -> str:
    """What all arms have, or what each has; "" of none."""
    each = {name: text for name, text in texts.items() if text}
    if len({*each.values()}) == 1:
        return next(iter(each.values()))
    return "; ".join(f"{name} {text}" for name, text in each.items())


def differences(numbers: Numbers) -> Table:
    """Each pair's difference, paired over images."""
    rows = [
        (
            f"{p.a} \N{MINUS SIGN} {p.b}",
            p.difference.value,
            (p.difference.low, p.difference.high),
            p.difference.effect,
            p.wins,
            p.difference.p,
            p.p,
            ("yes" if p.resolved else "not resolved")
            + ", one seed" * p.difference.one_seed,
        )
        for p in numbers.pairs
    ]
    columns = (
        _words("pair"),
        Column("points", lambda v: verdict.points(v, 2), ("difference",)),
        _interval(verdict.level(numbers), digits=2),
        Column("effect size", _number("{:.2f}", "-"), ("effect",)),
        Column("wins, %", lambda v: verdict.per_cent(v, 0), ("wins",)),
        Column("p", _p, ("p",)),
        Column("p corrected", _p, ("p_corrected",)),
        _words("resolved"),
    )
    count = len(rows)
    notes = (
        "Paired over images, both arms on the same resamples. Effect size: Hedges' g, "
        "the difference over the spread of a training.",
        "Wins: images that the first answers better in the mean over these trainings, "
        "ties by half; of other trainings it says nothing.",
        f"Corrected by Holm over {count} comparison{'s' * (count != 1)}.",
    )
    if any(p.difference.shared for p in numbers.pairs):
        notes += ("Arms that share their trainings are paired by training, too.",)
    if any(p.difference.one_seed for p in numbers.pairs):
        notes += ("One seed: of these networks, over images alone.",)
    return Table("differences", "Differences", columns, tuple(rows), notes=notes)


def classes(material: Material, numbers: Numbers) -> Table:
    """Each class's score under each arm; absent apart from 0."""
    counts = material.reference.counts.sum(0)
    share = counts.sum(1) / max(1, counts.sum())
    rows = [
        (
            name,
            share[k],
            *(
                (e.value, e.low, e.high) if e else (math.nan,) * 3
                for e in (s.classes[k] for s in numbers.standings)
            ),
        )
        for k, name in enumerate(material.class_names)
    ]
    columns = (
        _words("class"),
        Column("pixels, %", lambda v: f"{100 * v:.2f}", ("share",)),
        *(
            Column(label(s), _class_score, tuple(f"{s.arm.name} {x}" for x in _VALUES))
            for s in numbers.standings
        ),
    )
    words = {"iou": "IoU", "dice": "Dice"}[numbers.class_score]
    notes = (
        f"{words} in per cent with its {verdict.level(numbers)} interval.",
        "Absent: no pixel is of the class, in truth or prediction; 0 is a score.",
    )
    return Table("classes", f"Classes, {words}", columns, tuple(rows), notes=notes)


_VALUES = ("value", "low", "high")


def settings(material: Material) -> Table:
    """The config values in which trained arms differ."""
    changing, fixed = verdict.varying(material)
    names = [a.name for a in material.trained]
    rows = tuple((key, *(row[n] for n in names)) for key, row in changing.items())
    columns = (_words("value"), *(Column(n, _value, (n,), left=True) for n in names))
    note = f"{fixed} more values are equal in all of them."
    return Table("settings", "What differs", columns, rows, notes=(note,))


def images(material: Material, numbers: Numbers) -> Table:
    """Each image's score under each arm, and how far the arms are apart."""
    names = list(numbers.images)
    shown = material.reference.images if names else ()
    rows = []
    for i, image in enumerate(shown):
        own = [float(numbers.images[name][i]) for name in names]
        rows.append((image, *own, max(own) - min(own)))
    columns = (
        _words("image"),
        *(Column(n, verdict.per_cent, (n,)) for n in names),
        Column("apart", verdict.per_cent, ("apart",)),
    )
    note = f"{numbers.score.title} of the image alone, the mean over seeds."
    return Table("images", "Images", columns, tuple(rows), notes=(note,))


def missing(material: Material) -> Table:
    """The runs that are not in the numbers."""
    rows = tuple((m.place.arm or "-", m.place.id, m.why) for m in material.missing)
    columns = (_words("arm"), _words("run"), _words("why"))
    return Table("missing", "Missing runs", columns, rows)


def trace(material: Material, out: Path) -> Table:
    """Where each number comes from."""
    rows = []
    for arm, run in ((a, r) for a in material.arms for r in a.runs):
        last, code = run.last, run.last.get("code") or {}
        versions = (last.get("versions") or {}).items()
        rows.append(
            (
                run.place.id,
                record.run_id(run.record),
                arm.name,
                run.seed,
                os.path.relpath(run.place.folder.resolve(), out.resolve()),
                code.get("commit", "")[:10] + " + changes" * bool(code.get("dirty")),
                run.fingerprint(material.split)[:16],
                last.get("config_digest", "")[:16],
                run.evaluation.get("step"),
                ", ".join(f"{name} {version}" for name, version in versions),
                ", ".join(last.get("devices") or ()),
                " ".join(last.get("argv") or ()),
            )
        )
    heads = ("run", "id", "arm", "seed", "folder", "commit", "data", "config", "step")
    heads += ("versions", "devices", "command")
    columns = tuple(Column(h, _plain, (h,), left=True) for h in heads)
    return Table("runs", "Runs", columns, tuple(rows))


def label(standing: Standing) -> str:
    """An arm's name, marked if it is no trained arm like the rest."""
    arm = standing.arm
    kind = f" ({arm.kind})" if arm.kind != "run" else ""
    return arm.name + kind + " \N{DAGGER}" * bool(arm.marks)


def _undecided(numbers: Numbers) -> frozenset[int]:
    """Rows of the best trained arm and of those not told from it."""
    best = numbers.best.arm.name
    own = [p for p in numbers.pairs if best in (p.a, p.b)]
    if not own:
        return frozenset()
    names = {best} | {p.b if p.a == best else p.a for p in own if not p.resolved}
    return frozenset(i for i, s in enumerate(numbers.standings) if s.arm.name in names)


def _words(title: str) -> Column:
    return Column(title, str, (title,), left=True)


def _interval(title: str, digits: int = 1) -> Column:
    def show(pair: tuple[float, float]) -> str:
        return "-" if math.isnan(pair[0]) else verdict.interval(*pair, digits)

    return Column(f"{title} interval", show, ("low", "high"))


def _number(shape: str, nothing: str) -> Callable[[Any], str]:
    return lambda value: nothing if is_nothing(value) else shape.format(value)


def _class_score(value: tuple[float, float, float]) -> str:
    middle, low, high = value
    if math.isnan(middle):
        return "absent"
    return f"{verdict.per_cent(middle)} ({verdict.interval(low, high)})"


def _kilo(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value / 1000:,.3g}"


def _time(seconds: float | None) -> str:
    if seconds is not None and seconds < 10:
        return f"{seconds:.1f} s"
    return UNKNOWN if seconds is None else duration(seconds)


def _p(p: float) -> str:
    if math.isnan(p):
        return "-"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _value(value: Any) -> str:
    return str(value)


def _plain(value: Any) -> str:
    return "-" if value in (None, "") else str(value)


def is_nothing(value: Any) -> bool:
    """Whether a value is None or nan."""
    return value is None or (isinstance(value, float) and math.isnan(value))
