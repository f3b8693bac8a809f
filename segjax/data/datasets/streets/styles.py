"""Colours and shapes drawn at random: of walls, leaves, clothes."""

import bisect
import itertools

import numpy as np

_CLOTHES = (
    (44, 48, 60),
    (90, 90, 94),
    (150, 44, 44),
    (52, 82, 130),
    (196, 190, 178),
    (28, 28, 30),
    (70, 96, 66),
    (210, 170, 60),
    (128, 96, 74),
)
_SKIN = ((228, 184, 156), (198, 146, 112), (140, 96, 70), (92, 62, 48))


def pick(rng: np.random.Generator, shares: dict):
    """One of the keys of `shares`, whose values sum to 1."""
    where = bisect.bisect(
        list(itertools.accumulate(shares.values()))[:-1], rng.random()
    )
    return list(shares)[where]


def grey(rng: np.random.Generator, low: float, high: float, tint: float = 5.0) -> tuple:
    """A nearly grey RGB albedo."""
    level, *tints = rng.random(4)
    level = low + (high - low) * level
    return tuple(int(level + 3.4 * tint * (t - 0.5)) for t in tints)


def vary(rng: np.random.Generator, colours: tuple, spread: float = 9.0) -> tuple:
    """One of some RGB albedos, a little lighter or darker and of another tint."""
    which, level, *tints = rng.random(5).tolist()
    level = 3.4 * spread * (level - 0.5)
    return tuple(
        int(min(255, max(0, c + level + 1.1 * spread * (t - 0.5))))
        for c, t in zip(colours[int(which * len(colours))], tints, strict=True)
    )


def tree_style(rng: np.random.Generator, street: bool = False) -> dict:
    """Shape and leaves of a tree; street trees have a clear trunk."""
    radius = float(rng.uniform(1.3, 2.4) if street else rng.uniform(1.6, 3.8))
    form = str(
        rng.choice(["round", "tall", "cone", "bare"], p=[0.62, 0.14, 0.12, 0.12])
    )
    return {
        "form": form,
        "trunk": float(rng.uniform(2.0, 3.0) if street else rng.uniform(1.0, 2.6)),
        "radius": radius * (0.6 if form == "tall" else 1.0),
        "leaf": leaves(rng, evergreen=form == "cone"),
    }


def leaves(rng: np.random.Generator, evergreen: bool = False) -> tuple:
    """RGB of foliage."""
    if evergreen:
        return vary(rng, ((44, 66, 44), (52, 74, 58)), 6.0)
    return vary(
        rng,
        (
            (84, 108, 48),
            (66, 92, 44),
            (100, 116, 58),
            (120, 120, 54),
            (72, 84, 52),
            (142, 104, 48),
        ),
    )


def person(rng: np.random.Generator) -> dict:
    """Build and clothes of a person."""
    return {
        "tall": float(np.clip(rng.normal(1.71, 0.12), 1.1, 1.95)),
        "top": vary(rng, _CLOTHES),
        "legs": vary(rng, _CLOTHES[:6]),
        "skin": vary(rng, _SKIN, 5.0),
        "hair": vary(
            rng, ((40, 30, 24), (90, 64, 40), (150, 120, 70), (120, 118, 116))
        ),
        "coat": bool(rng.random() < 0.3),
        "bag": vary(rng, _CLOTHES) if rng.random() < 0.25 else None,
    }


def seed(rng: np.random.Generator) -> int:
    """The seed of a painter's details."""
    return int(rng.integers(1 << 30))
