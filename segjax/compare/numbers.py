"""The numbers of a comparison: each arm's score, each pair's difference, each class.

What they mean, and what makes them uncertain, stands in `statistics`.
"""

import dataclasses
import itertools
import math
import statistics as middle
import warnings
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from segjax.compare import scoring, statistics
from segjax.compare.arms import Arm, Material
from segjax.compare.runs import Run
from segjax.compare.scoring import Score
from segjax.compare.statistics import Difference, Estimate
from segjax.core.errors import UserError
from segjax.core.tables import unknown


@dataclasses.dataclass(frozen=True)
class Facts:
    """What an arm costs; None where its runs do not record it.

    Attributes:
      parameters: trained numbers.
      gmac: 1e9 multiply-adds of a forward pass of one image, half of XLA's FLOPs.
      size: `HxW` of that image; "" where it is not recorded.
      seconds: wall time of a training (of a baseline's fit), the median of its runs.
      images_per_s: images scored a second, reading and counting included, the median.
      peak_mb: largest memory of the process on the host, the median.
      joules: energy of a training (of a baseline's fit), the median of its runs.
      energy_of: what that is of, or why it is not known.
      devices: on which it ran.
    """

    parameters: int | None
    gmac: float | None
    size: str
    seconds: float | None
    images_per_s: float | None
    peak_mb: float | None
    joules: float | None
    energy_of: str
    devices: str


@dataclasses.dataclass(frozen=True, eq=False)
class Standing:
    """An arm with its score.

    Attributes:
      arm: the arm.
      score: its estimate; None where it cannot be computed, as of a class it lacks.
      classes: `K` estimates of the per-class score, None where the class is absent.
      facts: what it costs.
    """

    arm: Arm
    score: Estimate | None
    classes: tuple[Estimate | None, ...]
    facts: Facts

    @property
    def value(self) -> float:
        """The score in 0..1; nan where there is none."""
        return math.nan if self.score is None else self.score.value


@dataclasses.dataclass(frozen=True)
class Pair:
    """The better arm `a`, the other arm `b`, and how far `a` is above it.

    Attributes:
      a: name of an arm.
      b: name of an arm.
      difference: of `a` minus `b`, paired over images.
      p: corrected for the number of comparisons.
      wins: share of the images that `a` answers better, ties by half.
      resolved: whether the difference is told from nothing at this level.
    """

    a: str
    b: str
    difference: Difference
    p: float
    wins: float
    resolved: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Numbers:
    """All that is computed.

    Attributes:
      score: what is compared.
      class_score: `iou` or `dice`, that of the classes.
      level: of the intervals, such as 0.95.
      standings: the best arm first, baselines among them.
      pairs: of trained arms on the same images, the largest difference first.
      beside: the best trained arm against the best baseline and the best second
        annotator, as far as there are any; each uncorrected.
      images: name of an arm -> `(N,)` score of each image, the mean over seeds.
    """

    score: Score
    class_score: str
    level: float
    standings: tuple[Standing, ...]
    pairs: tuple[Pair, ...]
    beside: tuple[Pair, ...]
    images: dict[str, Float64[np.ndarray, "N"]]

    @property
    def best(self) -> Standing:
        """The best trained arm, or the best of all where none was trained."""
        trained = [s for s in self.standings if s.arm.kind == "run"]
        return (trained or list(self.standings))[0]


def compute(
    material: Material,
    score: str = "miou",
    *,
    level: float = 0.95,
    against: str | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> Numbers:
    """Score the arms, their classes and their differences.

    Args:
      material: the arms.
      score: see `scoring.find`.
      level: of the intervals.
      against: name of an arm; differences are from it alone, which leaves fewer
        comparisons to correct for; None for all pairs.
      draws: resamples of the images.
      seed: of the resamples.

    Raises:
      UserError: no such score, class or arm.
    """
    known = [a.name for a in material.trained]
    if against is not None and against not in known:
        raise UserError(unknown("arm", against, known, f"--against={against}"))
    names, convention = material.class_names, material.convention
    wanted = scoring.find(score, names, convention)
    class_score = "dice" if "dice" in wanted.name else "iou"
    options = {"level": level, "draws": draws, "seed": seed}
    standings = sorted(
        (_standing(a, material, wanted, class_score, options) for a in material.arms),
        key=lambda s: (math.isnan(s.value), -s.value),
    )
    able = [s.arm for s in standings if s.arm.paired and s.score is not None]
    trained = [a for a in able if a.kind == "run"]
    chosen = [
        pair
        for pair in itertools.combinations(trained, 2)
        if against is None or against in (pair[0].name, pair[1].name)
    ]
    beside = [
        (trained[0], next(a for a in able if a.kind == kind))
        for kind in ("baseline", "annotator")
        if trained and any(a.kind == kind for a in able)
    ]
    per_image = scoring.find(wanted.name, names, "union")
    return Numbers(
        score=wanted,
        class_score=class_score,
        level=level,
        standings=tuple(standings),
        pairs=_pairs(chosen, wanted, options),
        beside=tuple(p for pair in beside for p in _pairs([pair], wanted, options)),
        images={a.name: _each_image(a, per_image) for a in able},
    )


def _standing(
    arm: Arm, material: Material, wanted: Score, class_score: str, options: dict
) -> Standing:
    own = arm.runs[0].class_names
    names = material.class_names
    if own != names:  # allowed, and marked
        try:
            wanted = scoring.find(wanted.name, own, material.convention)
        except UserError:
            return Standing(arm, None, (None,) * len(names), _facts(arm.runs))
    classes: list[Estimate | None] = [None] * len(names)
    sums = _remembered()
    for k, name in enumerate(names):
        if name in own:
            at = scoring.of_class(class_score, own.index(name), name)
            classes[k] = _estimate(arm, at, _of_sums(at, sums), options)
    own_score = _estimate(arm, wanted, wanted.weighted, options)
    return Standing(arm, own_score, tuple(classes), _facts(arm.runs))


def _estimate(
    arm: Arm, score: Score, weighted: statistics.Score, options: dict
) -> Estimate | None:
    """With its interval cut to 0..1, which no score leaves; None if undefined."""
    if np.isnan([score.whole(run.counts) for run in arm.runs]).all():
        return None
    found = statistics.estimate(arm.sample, weighted, **options)
    low, high = max(0.0, found.low), min(1.0, found.high)
    return dataclasses.replace(found, low=low, high=high)


def _pairs(
    chosen: Sequence[tuple[Arm, Arm]], score: Score, options: dict
) -> tuple[Pair, ...]:
    found = [
        statistics.difference(a.sample, b.sample, score.weighted, **options)
        for a, b in chosen
    ]
    corrected = statistics.adjust([d.p for d in found])
    pairs = [
        Pair(
            a=a.name,
            b=b.name,
            difference=d,
            p=p,
            wins=statistics.better(a.sample, b.sample, score.weighted),
            resolved=p < 1 - options["level"],
        )
        for (a, b), d, p in zip(chosen, found, corrected, strict=True)
    ]
    return tuple(sorted(pairs, key=lambda pair: -pair.difference.value))


def _of_sums(score: Score, sums: statistics.Score) -> statistics.Score:
    return lambda weights, counts: score.of(sums(weights, counts))


def _itself(counts: np.ndarray) -> np.ndarray:
    return counts


def _remembered() -> statistics.Score:
    """Sums of resampled counts, made once for all classes of an arm."""
    sums, known = statistics.pooled(_itself), {}

    def remembered(weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
        if len(weights) == 1:
            return sums(weights, counts)
        key = (weights.ctypes.data, counts.ctypes.data)
        if key not in known:
            known[key] = sums(weights, counts)
        return known[key]

    return remembered


def _each_image(arm: Arm, score: Score) -> Float64[np.ndarray, "N"]:
    with warnings.catch_warnings():  # an image without a label is nan for every seed
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmean(np.stack([score.images(run.counts) for run in arm.runs]), 0)


def _facts(runs: Sequence[Run]) -> Facts:
    first = runs[0]
    devices = sorted({d for r in runs for d in (r.fact("devices") or ())})
    forward = first.fact("gmac") or {}
    joules = [r.joules() for r in runs]
    return Facts(
        parameters=first.fact("parameters"),
        gmac=forward.get("gmac"),
        size="x".join(map(str, forward.get("size", ()))),
        seconds=_median([r.seconds() for r in runs]),
        images_per_s=_median([r.images_per_s() for r in runs]),
        peak_mb=_median([r.fact("peak_rss_mb") for r in runs]),
        joules=None if None in joules else _median(joules),
        energy_of="; ".join(dict.fromkeys(r.energy_of() for r in runs)),
        devices=", ".join(devices) or "not recorded",
    )


def _median(values: Sequence[float | int | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(middle.median(known)) if known else None
