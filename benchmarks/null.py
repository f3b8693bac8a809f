"""Do the intervals of `segjax compare` hold what they say?

Simulates studies whose truth is known and counts: how often two equal arms are told
apart (at most 5 % is promised), how often a planted difference is found, how often an
interval holds the truth (95 % is promised).

An image's accuracy in a class is a logistic function of the class, the arm, how the
training went (one draw a seed), the clip, the image, and how this training does on this
image. The truth is the mean over trainings of the score on endless images.

    python -m benchmarks.null                     # 1,000 studies a setting
    python -m benchmarks.null --studies=100 --out=runs/null.json
"""

import argparse
import dataclasses
import itertools
import json
import pathlib
import time

import numpy as np

from segjax.compare import statistics
from segjax.compare.statistics import Arm
from segjax.metrics import scores

CLASSES = np.array([2.5, 1.5, 0.5, 2.0, 0.0])
"""Log-odds of a right pixel, for each class of an average image."""

PIXELS = 20_000
SHIFT = 0.25
"""What is planted: log-odds by which one arm is better, about 0.037 of mIoU."""


@dataclasses.dataclass(frozen=True)
class World:
    """What varies by how much, in log-odds, and how much of it is seen.

    Attributes:
      images: scored images.
      clips: that these are of, equally long.
      seeds: trainings of an arm.
      seed_sd: spread between trainings.
      clip_sd: spread between clips, the same for all arms.
      image_sd: spread between images of a clip, the same for all arms.
      own_sd: spread between images of one training alone.
      clip_own_sd: spread between clips of one training alone.
    """

    images: int
    clips: int
    seeds: int
    seed_sd: float = 0.1
    clip_sd: float = 0.4
    image_sd: float = 0.5
    own_sd: float = 0.2
    clip_own_sd: float = 0.1


SIZES = ((100, 100), (100, 20), (100, 5), (500, 3))
WORLDS = (
    *(World(*size, seeds) for size, seeds in itertools.product(SIZES, (3, 5))),
    World(100, 100, 1),
    World(100, 100, 1, seed_sd=0.0),
)


def arms(
    world: World, shifts: tuple[float, ...], rng: np.random.Generator
) -> list[Arm]:
    """One study: arms of the same images, each better than the first by its shift."""
    N, S, K = world.images, world.seeds, len(CLASSES)
    clip = np.arange(N) * world.clips // N
    hard = world.clip_sd * rng.standard_normal((world.clips, K))[clip]
    hard += world.image_sd * rng.standard_normal((N, K))
    share = rng.dirichlet(np.full(K, 2.0), N)
    found = []
    for k, shift in enumerate(shifts):
        logit = CLASSES + shift + hard + np.zeros((S, 1, 1))
        logit = logit + world.seed_sd * rng.standard_normal((S, 1, 1))
        logit = logit + world.own_sd * rng.standard_normal((S, N, K))
        own = rng.standard_normal((S, world.clips, K))[:, clip]
        right = 1 / (1 + np.exp(-(logit + world.clip_own_sd * own)))
        wrong = (1 - right)[..., None] / (K - 1) * (1 - np.eye(K))
        rates = wrong + right[..., None] * np.eye(K)
        counts = np.rint(PIXELS * share[None, :, :, None] * rates).astype(np.int64)
        found.append(Arm(f"arm{k}", counts, tuple(f"clip{c}" for c in clip)))
    return found


def truth(world: World, shift: float, rng: np.random.Generator) -> float:
    """The mean score of many trainings on very many images."""
    large = dataclasses.replace(world, images=2_000, clips=2_000, seeds=20)
    means = [
        miou(arm.counts.sum(1)).mean()
        for arm in (arms(large, (shift,), rng)[0] for _ in range(20))
    ]
    return float(np.mean(means))


def miou(counts: np.ndarray) -> np.ndarray:
    """`(D, K, K) -> (D,)`."""
    return np.nanmean(scores.iou(counts), axis=-1)


def simulate(world: World, studies: int, draws: int, seed: int = 0) -> dict[str, float]:
    """Rates over many studies of three equal arms and one that is better."""
    rng = np.random.default_rng(seed)
    equal, better = truth(world, 0.0, rng), truth(world, SHIFT, rng)
    score = statistics.pooled(miou)
    told = family = found = holds_arm = holds_difference = 0
    for study in range(studies):
        *same, best = arms(world, (0.0, 0.0, 0.0, SHIFT), rng)
        options = {"draws": draws, "seed": study}
        pairs = [
            statistics.difference(a, b, score, **options)
            for a, b in itertools.combinations(same, 2)
        ]
        told += pairs[0].p < 0.05
        family += min(statistics.adjust([d.p for d in pairs])) < 0.05
        planted = statistics.difference(best, same[0], score, **options)
        found += planted.p < 0.05 and planted.value > 0
        holds_difference += planted.low <= better - equal <= planted.high
        own = statistics.estimate(same[0], score, **options)
        holds_arm += own.low <= equal <= own.high
    return {
        "shift": better - equal,
        "told_apart": told / studies,
        "any_of_three_told_apart": family / studies,
        "planted_found": found / studies,
        "interval_of_difference_holds": holds_difference / studies,
        "interval_of_arm_holds": holds_arm / studies,
    }


def main() -> None:
    """Simulate every world and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1_000)
    parser.add_argument("--draws", type=int, default=500, help="resamples a study")
    parser.add_argument("--out", type=pathlib.Path, help="JSON of the rates")
    args = parser.parse_args()
    begin, rows = time.perf_counter(), []
    print(
        "| images | clips | seeds | seed spread | equal arms told apart | any of 3 "
        "pairs, Holm | planted found | interval of a difference holds | of an arm |\n"
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    )
    for world in WORLDS:
        found = simulate(world, args.studies, args.draws)
        rows.append(dataclasses.asdict(world) | found)
        rates = [f"{100 * v:.1f} %" for k, v in found.items() if k != "shift"]
        cells = [world.images, world.clips, world.seeds, world.seed_sd, *rates]
        print(f"| {' | '.join(map(str, cells))} |", flush=True)
    print(f"\n{args.studies} studies each, {time.perf_counter() - begin:.0f} s")
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
