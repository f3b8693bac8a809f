"""What can be said of arms that were trained with seeds and scored on images.

Two things make a score uncertain, and they are kept apart: which images the test set
happens to hold, and how one training differs from the next. The first comes from a
bootstrap over images, whole clusters at a time (a clip, a city, a patient), with the
same resamples for both arms of a difference; the second from the spread over seeds.
An interval has both:

    value +- t(level, f) sqrt(images_sd**2 + seed_sd_a**2 / S_a + seed_sd_b**2 / S_b)

with Satterthwaite's degrees of freedom `f` of the `G - 1` clusters and `S - 1` seeds.
With one seed an arm the second part is not known and left out: then the interval speaks
of these very networks, not of their recipes. Arms that share their trainings, as steps
behind one network do, are paired by training as well: the variance of the `S`
differences over `S` stands in place of the last two terms. `benchmarks/null.py` shows
how often such intervals hold the truth and how often equal arms are told apart.

Source: Efron, Tibshirani, An Introduction to the Bootstrap, 1993, chapters 6 and 8;
Field, Welsh, Bootstrapping Clustered Data, 2007; Satterthwaite, An Approximate
Distribution of Estimates of Variance Components, 1946; Holm 1979; Hedges 1981.
Differs: seeds and images are added as variances instead of being resampled together,
since three seeds are too few to resample.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Sequence

import numpy as np
import scipy.stats
from jaxtyping import Float, Int

from segjax.core.errors import UserError

FEWEST = 5
"""Clusters that are needed to resample them; with fewer, blocks of neighbours are."""

BLOCK = 10
"""Neighbouring images that make a block."""

DRAWS = 2000

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""`(weights (D, N), counts (N, K, P)) -> (D,)`: the score of images taken so often."""


@dataclasses.dataclass(frozen=True)
class Arm:
    """One recipe, trained `S` times and scored on `N` images.

    Attributes:
      name: what it is called.
      counts: `(S, N, K, P)` confusion counts of each training and image.
      groups: for each image what it is of (a clip, city or patient); "" if that is not
        known, and such an image stands for itself. In the order of the images.
      trainings: `S` ids, by which arms are known to share them; none if they do not.
    """

    name: str
    counts: Int[np.ndarray, "S N K P"]
    groups: tuple[str, ...]
    trainings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What is known of one arm's score.

    Attributes:
      value: mean over seeds of the score on all images.
      low: lower end of the interval.
      high: upper end.
      seeds: the score of each training.
      images_sd: standard error from the choice of images.
      seed_sd: standard deviation over trainings; nan of one.
    """

    value: float
    low: float
    high: float
    seeds: tuple[float, ...]
    images_sd: float
    seed_sd: float


@dataclasses.dataclass(frozen=True)
class Difference:
    """What is known of the difference between two arms, the first minus the second.

    Attributes:
      value: difference of their mean scores.
      low: lower end of the interval.
      high: upper end.
      p: probability of a difference so large between equal arms, two-sided.
      images_sd: standard error from the choice of images, paired.
      seed_sd: standard error from the seeds; nan with one seed on either side.
      effect: `value` over the spread of a training, Hedges' g; nan without spread.
      shared: whether both arms have the same trainings, and are paired by them.
    """

    value: float
    low: float
    high: float
    p: float
    images_sd: float
    seed_sd: float
    effect: float
    shared: bool = False

    @property
    def one_seed(self) -> bool:
        """Whether how trainings differ is not known."""
        return bool(np.isnan(self.seed_sd))


def pooled(score: Callable[[np.ndarray], np.ndarray]) -> Score:
    """A score of summed counts, `(D, K, P) -> (D,)`, as one of weighted images."""

    def weighted(weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
        N = len(counts)
        # Products of doubles are quick, and exact below 2**53 pixels.
        flat = weights.astype(np.float64) @ counts.reshape(N, -1).astype(np.float64)
        return score(flat.astype(np.int64).reshape(-1, *counts.shape[1:]))

    return weighted


def estimate(
    arm: Arm, score: Score, *, level: float = 0.95, draws: int = DRAWS, seed: int = 0
) -> Estimate:
    """The arm's score with its interval.

    Args:
      arm: what was measured.
      score: see `pooled`.
      level: share of such intervals that hold the truth.
      draws: resamples of the test set.
      seed: of the resamples; equal seeds and groups give equal resamples.
    """
    once = np.ones((1, len(arm.groups)), np.int64)
    seeds = _means(score, once, arm)[:, 0]
    weights, clusters = resamples(arm.groups, draws, seed)
    images = _spread(_means(score, weights, arm).mean(0), clusters)
    spread = _seed_variance(seeds)
    parts = [(images**2, clusters - 1)]
    if len(seeds) > 1:
        parts.append((spread / len(seeds), len(seeds) - 1))
    value = float(seeds.mean())
    low, high, _ = _interval(value, parts, level)
    return Estimate(
        value, low, high, tuple(map(float, seeds)), images, float(np.sqrt(spread))
    )


def difference(
    a: Arm,
    b: Arm,
    score: Score,
    *,
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> Difference:
    """`a` minus `b`, paired over images: both are scored on the same resamples.

    Raises:
      UserError: the arms were not scored on the same images.
    """
    if a.groups != b.groups:
        raise UserError(
            f"{a.name} has {len(a.groups)} images and {b.name} {len(b.groups)}, or "
            "they are of other clips; a paired difference needs the same images. "
            "Evaluate both on one split."
        )
    if shared := sorted(a.trainings) == sorted(b.trainings) != []:
        order = [b.trainings.index(training) for training in a.trainings]
        b = dataclasses.replace(b, counts=b.counts[order])
    once = np.ones((1, len(a.groups)), np.int64)
    ours, theirs = (_means(score, once, arm)[:, 0] for arm in (a, b))
    weights, clusters = resamples(a.groups, draws, seed)
    drawn = _means(score, weights, a).mean(0) - _means(score, weights, b).mean(0)
    images = _spread(drawn, clusters)
    parts, spread = [(images**2, clusters - 1)], np.nan
    if min(len(ours), len(theirs)) > 1:
        differing = (ours - theirs,) if shared else (ours, theirs)
        seeds = [(_seed_variance(x) / len(x), len(x) - 1) for x in differing]
        parts += seeds
        spread = float(np.sqrt(sum(variance for variance, _ in seeds)))
    value = float(ours.mean() - theirs.mean())
    low, high, p = _interval(value, parts, level)
    return Difference(
        value=value,
        low=low,
        high=high,
        p=p,
        images_sd=images,
        seed_sd=spread,
        effect=_effect(ours, theirs),
        shared=shared,
    )


def better(a: Arm, b: Arm, score: Score) -> float:
    """Share of images that `a` answers better in the mean over seeds, ties by half."""
    wins = known = 0.0
    alone = np.ones((1, 1), np.int64)
    for i in range(len(a.groups)):
        ours, theirs = (
            _mean([score(alone, counts[i : i + 1])[0] for counts in arm.counts])
            for arm in (a, b)
        )
        if not np.isnan(ours - theirs):
            known += 1
            wins += (ours > theirs) + (ours == theirs) / 2
    return wins / known if known else float("nan")


def adjust(p_values: Sequence[float], method: str = "holm") -> tuple[float, ...]:
    """p values corrected for their number.

    Args:
      p_values: of all comparisons that were made.
      method: `holm` (the chance of one false claim or more), `benjamini_hochberg` (the
        share of false ones among the claims) or `none`.

    Raises:
      UserError: there is no such method.
    """
    p = np.asarray(p_values, np.float64)
    if method == "none" or not len(p):
        return tuple(map(float, p))
    if method == "benjamini_hochberg":
        return tuple(map(float, scipy.stats.false_discovery_control(p)))
    if method != "holm":
        raise UserError(
            f"correction={method!r}: is not known. Known: holm, benjamini_hochberg, "
            "none."
        )
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1)
    return tuple(map(float, adjusted))


def clusters_of(groups: Sequence[str]) -> tuple[Int[np.ndarray, "N"], str]:
    """The cluster of each image, numbered from 0, and what they are in words.

    The groups themselves, where there are `FEWEST` or more. Images of too few groups
    are cut into blocks of `BLOCK` neighbours, as neighbours in a clip are alike; then
    nothing is said of other clips.
    """
    keys = [group or f"\0{i}" for i, group in enumerate(groups)]
    number = {key: k for k, key in enumerate(dict.fromkeys(keys))}
    if len(number) >= FEWEST or not any(groups):
        words = "groups" if any(groups) else "images, each for itself"
        return np.asarray([number[key] for key in keys]), f"{len(number)} {words}"
    found, last = np.empty(len(keys), np.int64), -1
    for _, run in itertools.groupby(range(len(keys)), key=keys.__getitem__):
        members = list(run)
        blocks = max(1, round(len(members) / BLOCK))
        for block in np.array_split(members, blocks):
            last += 1
            found[block] = last
    return found, (
        f"{last + 1} blocks of about {BLOCK} neighbours, since {len(number)} "
        f"group{'s are' if len(number) > 1 else ' is'} too few to resample: nothing is "
        "said of other clips, cities or patients"
    )


def resamples(
    groups: Sequence[str], draws: int, seed: int
) -> tuple[Int[np.ndarray, "D N"], int]:
    """How often each image is in each resample, and the number of clusters.

    Raises:
      UserError: there is one cluster alone.
    """
    return _resamples(tuple(groups), draws, seed)


@functools.lru_cache(maxsize=4)
def _resamples(groups: tuple[str, ...], draws: int, seed: int):
    cluster, _ = clusters_of(groups)
    G = int(cluster.max(initial=-1)) + 1
    if G < 2:
        raise UserError(
            f"{len(groups)} images in {G} cluster: nothing can be resampled. Evaluate "
            "a split of more images."
        )
    rng = np.random.default_rng(seed)
    times = rng.multinomial(G, np.full(G, 1 / G), size=draws)
    return times[:, cluster], G


def _means(score: Score, weights: np.ndarray, arm: Arm) -> Float[np.ndarray, "S D"]:
    return np.stack([score(weights, counts) for counts in arm.counts])


def _spread(drawn: np.ndarray, clusters: int) -> float:
    """Standard error of what was resampled; of `G` clusters it is a little narrow."""
    known = drawn[~np.isnan(drawn)]
    if len(known) < 2:
        return float("nan")
    return float(np.std(known, ddof=1) * np.sqrt(clusters / (clusters - 1)))


def _seed_variance(scores: np.ndarray) -> float:
    return float(np.var(scores, ddof=1)) if len(scores) > 1 else float("nan")


def _interval(
    value: float, parts: Sequence[tuple[float, int]], level: float
) -> tuple[float, float, float]:
    """`(low, high, p)` from `(variance, degrees of freedom)` of independent parts."""
    variance = sum(v for v, _ in parts)
    if np.isnan(variance) or np.isnan(value):
        return float("nan"), float("nan"), float("nan")
    if variance == 0:  # equal to the bit, or different beyond any doubt
        return value, value, float(value == 0)
    freedom = variance**2 / sum(v**2 / f for v, f in parts)
    half = scipy.stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(variance)
    p = 2 * scipy.stats.t.sf(abs(value) / np.sqrt(variance), freedom)
    return float(value - half), float(value + half), float(p)


def _effect(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Hedges' g over trainings."""
    freedom = len(ours) + len(theirs) - 2
    if min(len(ours), len(theirs)) < 2:
        return float("nan")
    squares = sum((len(x) - 1) * np.var(x, ddof=1) for x in (ours, theirs))
    if squares == 0:
        return float("nan")
    d = (ours.mean() - theirs.mean()) / np.sqrt(squares / freedom)
    return float(d * (1 - 3 / (4 * freedom - 1)))


def _mean(values: Sequence[float]) -> float:
    """Mean of those that are not NaN."""
    known = [v for v in values if not np.isnan(v)]
    return float(np.mean(known)) if known else float("nan")
