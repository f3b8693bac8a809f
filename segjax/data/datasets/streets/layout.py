"""Drawing a world: which street, which lots, who is about."""

import numpy as np

from segjax.data.datasets.streets import population
from segjax.data.datasets.streets.styles import (
    grey,
    leaves,
    pick,
    seed,
    tree_style,
    vary,
)
from segjax.data.datasets.streets.world import BEHIND, LANE, PERIOD, Side, Thing, World

# share of each kind of street side, by the kind of the scene
_SIDES = {
    "downtown": {"downtown": 0.75, "town": 0.25},
    "town": {"downtown": 0.1, "town": 0.68, "park": 0.12, "suburb": 0.1},
    "suburb": {"suburb": 0.75, "town": 0.1, "park": 0.15},
}
_SCENES = {"downtown": 0.3, "town": 0.42, "suburb": 0.28}
_GREENS = ((104, 122, 62), (122, 128, 74), (88, 108, 56), (134, 128, 82))

# facade width, height of the walls, gap between facades, setback beyond the sidewalk
_LOTS = {
    "downtown": ((11, 26), (14, 42), (0, 0.6), (0, 0.5)),
    "town": ((6, 13), (7, 14), (0, 2.5), (0, 1.8)),
    "suburb": ((9, 14), (4.6, 7), (4, 9), (5, 8)),
}
_WALLS = {
    "downtown": (
        (150, 148, 146),
        (112, 114, 120),
        (176, 166, 148),
        (92, 86, 84),
        (134, 104, 84),
    ),
    "town": (
        (150, 88, 66),
        (176, 132, 96),
        (214, 206, 190),
        (188, 170, 132),
        (132, 120, 112),
        (226, 222, 214),
        (164, 100, 78),
        (158, 172, 176),
    ),
    "suburb": (
        (206, 198, 180),
        (178, 118, 88),
        (226, 224, 218),
        (156, 160, 150),
        (190, 176, 140),
    ),
}


def make(rng: np.random.Generator) -> World:
    """Draw a world."""
    scene = pick(rng, _SCENES)
    lanes_left = 1 + int(rng.random() < (0.45 if scene == "downtown" else 0.12))
    lanes_right = int(rng.random() < (0.45 if scene == "downtown" else 0.12))
    often = 0.6 if scene != "suburb" else 0.35
    parking = (bool(rng.random() < often), bool(rng.random() < often))
    sides = tuple(
        _side(rng, scene, lanes, parked)
        for lanes, parked in zip((lanes_left, lanes_right), parking, strict=True)
    )
    crossings = []
    if rng.random() < 0.62:
        start = float(rng.uniform(12, 70))
        crossings.append((start, start + float(rng.uniform(8, 13))))
        if rng.random() < 0.5:
            start += float(rng.uniform(70, 110))
            crossings.append((start, start + float(rng.uniform(8, 12))))
    zebras = [near - 5.0 for near, _ in crossings if rng.random() < 0.6]
    if not zebras and rng.random() < 0.3:
        zebras.append(float(rng.uniform(10, 40)))
    waiting = bool(rng.random() < 0.3)
    bend = float(rng.normal(0, 1 / 900)) if rng.random() < 0.55 else 0.0
    plan = population.Plan(
        scene=scene,
        sides=sides,
        crossings=tuple(crossings),
        zebras=tuple(zebras),
        lanes_left=lanes_left,
        lanes_right=lanes_right,
        parking=parking,
        speed=0.0 if waiting else float(rng.uniform(4, 11)),
    )
    things = []
    for sign, side in zip((-1, 1), sides, strict=True):
        things += _lots(rng, sign, side, plan)
    things += population.make(rng, plan)
    width = LANE * (lanes_left + lanes_right + 1)
    patches = np.stack(
        [
            rng.uniform(-width, width, 14),
            rng.uniform(-BEHIND, PERIOD - BEHIND, 14),
            rng.uniform(0.4, 2.2, 14),
            rng.uniform(1.0, 9.0, 14),
            rng.choice([0.8, 0.86, 1.1], 14),
        ],
        -1,
    )
    return World(
        sides=sides,
        road=grey(rng, 92.0, 132.0, 4.0),
        walk=vary(
            rng, ((158, 154, 148), (140, 136, 132), (172, 150, 134), (150, 118, 104))
        ),
        lanes_left=lanes_left,
        lanes_right=lanes_right,
        crossings=tuple(crossings),
        zebras=tuple(zebras),
        patches=patches,
        things=tuple(things),
        backdrop=(
            pick(rng, {"skyline": 0.4, "trees": 0.4, "hills": 0.2}),
            int(rng.integers(1 << 30)),
        ),
        speed=plan.speed,
        yaw=float(np.clip(rng.normal(0, 0.05), -0.12, 0.12) + 0.45 * bend * 60),
        pitch=float(rng.uniform(-0.08, 0.03)),
        d=float(rng.normal(0, 0.25)),
        y=float(rng.uniform(1.25, 1.75)),
        bend=bend,
        rise=float(rng.uniform(0, 2.5e-4)) if rng.random() < 0.5 else 0.0,
        mirrored=bool(rng.random() < 0.5),
        seed=int(rng.integers(1 << 30)),
    )


def _side(rng: np.random.Generator, scene: str, lanes: int, parked: bool) -> Side:
    kind = pick(rng, _SIDES[scene])
    road = LANE * (0.5 + lanes) + (2.3 if parked else 0.5)
    verge = (
        float(rng.uniform(1.0, 2.2)) if kind == "suburb" and rng.random() < 0.6 else 0.0
    )
    green = kind in ("suburb", "park")
    return Side(
        road=road,
        walk=road + verge + float(rng.uniform(2.0, 3.4 if kind != "downtown" else 5.0)),
        kind=kind,
        lot=vary(rng, _GREENS) if green else grey(rng, 110.0, 150.0, 6.0),
        green=green,
        verge=verge,
    )


def _lots(
    rng: np.random.Generator, sign: int, side: Side, plan: "population.Plan"
) -> list[Thing]:
    """Buildings with their gardens, or a park, along one side."""
    if side.kind == "park":
        return _park(rng, sign, side, plan)
    (w0, w1), (h0, h1), (g0, g1), (b0, b1) = _LOTS[side.kind]
    setback = float(rng.uniform(b0, b1))
    boundary = pick(rng, {"hedge": 0.3, "fence": 0.45, "none": 0.25})
    look = {
        "rails": bool(rng.random() < 0.6),
        "tall": float(rng.uniform(0.9, 1.7)),
        "colour": vary(
            rng, ((62, 60, 58), (136, 108, 80), (206, 200, 190), (108, 112, 104))
        ),
    }
    leaf = leaves(rng)
    things, s, previous = [], -BEHIND, None
    while s < PERIOD - BEHIND - w0:
        length = float(min(rng.uniform(w0, w1), PERIOD - BEHIND - s))
        if (after := plan.street_at(s - 3.0, s + length + 3.0)) is not None:
            s = after + 3.1  # clearly past it, or rounding would find it again
            continue
        empty = side.kind != "downtown" and rng.random() < 0.1
        if empty:
            for _ in range(int(rng.integers(1, 4))):
                things.append(
                    _tree(
                        rng,
                        sign * (side.walk + rng.uniform(2, 9)),
                        s + rng.uniform(0, length),
                    )
                )
        else:
            height = float(rng.uniform(h0, h1))
            if previous and rng.random() < 0.25:  # a terrace of like houses
                height, walls = previous
            else:
                walls = vary(rng, _WALLS[side.kind], 12.0)
            previous = height, walls
            back = setback + float(rng.uniform(0, 0.6))
            style = _building(rng, side.kind, height, walls)
            things.append(
                Thing(
                    "building",
                    sign * (side.walk + back),
                    s,
                    length,
                    style=style,
                    seed=seed(rng),
                )
            )
        edge = boundary if setback > 2 else ("fence" if empty else "none")
        if edge != "none":
            for part in np.arange(s, s + length + g0, 4.0):
                gate = edge != "none" and not empty and abs(part - s - length / 2) < 2.0
                if not gate:
                    style = (
                        {"leaf": leaf, "tall": look["tall"]}
                        if edge == "hedge"
                        else look
                    )
                    things.append(
                        Thing(
                            edge,
                            sign * (side.walk + 0.25),
                            float(part),
                            4.0,
                            style=style,
                            seed=seed(rng),
                        )
                    )
        if setback > 4 and rng.random() < 0.55:
            things.append(
                _tree(
                    rng,
                    sign * (side.walk + rng.uniform(1.5, setback)),
                    s + rng.uniform(0, length),
                )
            )
        s += length + float(rng.uniform(g0, g1))
    return things


def _park(
    rng: np.random.Generator, sign: int, side: Side, plan: "population.Plan"
) -> list[Thing]:
    things, s = [], -BEHIND
    edge = pick(rng, {"hedge": 0.25, "fence": 0.55, "none": 0.2})
    style = {
        "rails": bool(rng.random() < 0.7),
        "tall": float(rng.uniform(0.9, 1.8)),
        "colour": vary(rng, ((52, 58, 54), (120, 96, 74), (150, 146, 138))),
    }
    if edge == "hedge":
        style = {"leaf": leaves(rng), "tall": style["tall"]}
    while s < PERIOD - BEHIND - 4:
        if (after := plan.street_at(s - 2.0, s + 6.0)) is not None:
            s = after + 2.1
            continue
        if edge != "none":
            things.append(
                Thing(
                    edge, sign * (side.walk + 0.2), s, 4.0, style=style, seed=seed(rng)
                )
            )
        for _ in range(int(rng.integers(0, 3))):
            things.append(
                _tree(
                    rng, sign * (side.walk + rng.uniform(2, 22)), s + rng.uniform(0, 4)
                )
            )
        s += 4.0
    return things


def _building(rng: np.random.Generator, kind: str, height: float, walls: tuple) -> dict:
    pitched = kind == "suburb" or (kind == "town" and rng.random() < 0.55)
    return {
        "height": height,
        "walls": walls,
        "depth": float(rng.uniform(9, 15)),
        "roof": vary(rng, ((112, 72, 58), (86, 84, 88), (70, 66, 66), (140, 88, 66)))
        if pitched
        else None,
        "trim": vary(
            rng, ((224, 220, 210), (236, 236, 232), (70, 66, 62), (150, 144, 134))
        ),
        "glass": vary(rng, ((52, 60, 70), (70, 82, 96), (38, 42, 48), (96, 112, 124))),
        "pattern": pick(rng, {"holes": 0.5, "bands": 0.25, "curtain": 0.25})
        if kind == "downtown"
        else "holes",
        "shop": vary(
            rng,
            ((150, 40, 40), (36, 74, 120), (40, 92, 66), (60, 58, 60), (196, 158, 60)),
        )
        if kind != "suburb" and rng.random() < 0.55
        else None,
        "brick": bool(rng.random() < 0.6)
        if kind != "downtown"
        else bool(rng.random() < 0.3),
    }


def _tree(rng: np.random.Generator, d: float, s: float) -> Thing:
    return Thing("tree", float(d), float(s), style=tree_style(rng), seed=seed(rng))
