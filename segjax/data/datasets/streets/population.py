"""What stands along the kerb and who moves: poles, trees, signs, cars, people."""

import dataclasses

import numpy as np

from segjax.data.datasets.streets.styles import person, pick, seed, tree_style, vary
from segjax.data.datasets.streets.world import BEHIND, LANE, PERIOD, Side, Thing

_CARS = {
    "sedan": 0.3,
    "hatchback": 0.27,
    "estate": 0.13,
    "suv": 0.16,
    "van": 0.09,
    "truck": 0.03,
    "bus": 0.02,
}
_PAINT = (
    (206, 208, 210),
    (164, 168, 172),
    (92, 96, 102),
    (34, 36, 40),
    (150, 30, 32),
    (38, 66, 124),
    (226, 226, 224),
    (52, 84, 66),
    (190, 150, 60),
    (110, 100, 88),
)
_SIGNS = {
    "limit": 0.22,
    "warning": 0.16,
    "stop": 0.1,
    "yield": 0.1,
    "blue": 0.14,
    "parking": 0.12,
    "diamond": 0.06,
    "board": 0.1,
}


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is settled about a scene before it is filled; fields as in `World`."""

    scene: str
    sides: tuple[Side, Side]
    crossings: tuple[tuple[float, float], ...]
    zebras: tuple[float, ...]
    lanes_left: int
    lanes_right: int
    parking: tuple[bool, bool]
    speed: float

    def street_at(self, near: float, far: float) -> float | None:
        """The far end of a cross street that `near..far` runs into, or None."""
        for start, end in self.crossings:
            if near < end and far > start:
                return end
        return None


def make(rng: np.random.Generator, plan: Plan) -> list[Thing]:
    """Everything that is neither a lot nor a building."""
    things = []
    for sign, side in zip((-1, 1), plan.sides, strict=True):
        things += _kerb(rng, sign, side, plan)
        things += _pedestrians(rng, sign, side, plan)
    for near, far in plan.crossings:
        things += _junction(rng, near, far, plan)
    things += _parked(rng, plan) + _traffic(rng, plan) + _cyclists(rng, plan)
    return things


def _kerb(rng: np.random.Generator, sign: int, side: Side, plan: Plan) -> list[Thing]:
    """Lamp posts, street trees, signs and bollards."""
    things = []
    lamp = {
        "tall": float(rng.uniform(5.5, 9)),
        "arm": float(rng.uniform(0.8, 2.2)) * -sign,
        "colour": vary(
            rng, ((86, 90, 92), (140, 144, 146), (52, 56, 54), (110, 98, 84))
        ),
        "wood": bool(rng.random() < 0.15),
    }
    gap, s = float(rng.uniform(18, 30)), -BEHIND + float(rng.uniform(0, 25))
    edge = side.road + 0.5
    while s < PERIOD - BEHIND - 5:
        if plan.street_at(s - 0.5, s + 0.5) is None:
            things.append(Thing("lamp", sign * edge, s, style=lamp, seed=seed(rng)))
        s += gap
    if rng.random() < {"downtown": 0.45, "town": 0.4}.get(side.kind, 0.55):
        look = tree_style(rng, street=True)
        gap = float(rng.uniform(8, 18))
        for at in np.arange(-BEHIND + 3, PERIOD - BEHIND - 5, gap):
            if plan.street_at(at - 5, at + 5) is None and rng.random() < 0.85:
                style = look | {
                    "radius": look["radius"] * float(rng.uniform(0.8, 1.15))
                }
                things.append(
                    Thing(
                        "tree",
                        sign * (edge + 0.35),
                        float(at) + 1.1,
                        style=style,
                        seed=seed(rng),
                    )
                )
    for _ in range(int(rng.integers(2, 7))):
        at = _near_or_far(rng, 7.0)
        if plan.street_at(at - 1, at + 1) is None:
            things.append(_sign(rng, sign, edge + float(rng.uniform(-0.1, 0.5)), at))
    if side.kind in ("downtown", "town") and rng.random() < 0.35:
        start = float(rng.uniform(4, 60))
        rail = rng.random() < 0.6
        style = {
            "rails": True,
            "tall": 1.05,
            "colour": vary(rng, ((120, 124, 126), (60, 62, 64), (166, 140, 60))),
        }
        bollard = {"colour": vary(rng, ((60, 60, 62), (150, 148, 140)))}
        for at in np.arange(start, start + 22, 4.0 if rail else 2.0):
            if plan.street_at(at - 1, at + 5) is None:
                where = sign * (side.road + 0.25)
                if rail:
                    things.append(
                        Thing(
                            "fence", where, float(at), 4.0, style=style, seed=seed(rng)
                        )
                    )
                else:
                    things.append(Thing("bollard", where, float(at), style=bollard))
    return things


def _sign(rng: np.random.Generator, sign: int, d: float, s: float) -> Thing:
    plate = pick(rng, _SIGNS)
    return Thing(
        "sign",
        sign * d,
        s,
        style={
            "plate": plate,
            "size": float(rng.uniform(0.62, 0.9)),
            "tall": float(rng.uniform(2.2, 3.0)),
            "back": bool(sign < 0 and rng.random() < 0.6),
            "second": bool(rng.random() < 0.3),
        },
        seed=seed(rng),
    )


def _junction(
    rng: np.random.Generator, near: float, far: float, plan: Plan
) -> list[Thing]:
    """Traffic lights at a cross street, and who crosses while the camera waits."""
    left, right = (side.road + 0.6 for side in plan.sides)
    things = []
    if rng.random() < 0.6:
        lit = "red" if plan.speed == 0 else pick(rng, {"green": 0.85, "amber": 0.15})
        arm = float(rng.uniform(2.5, 4.5)) if rng.random() < 0.35 else 0.0
        style = {"lit": lit, "tall": 3.3, "arm": 0.0}
        things.append(Thing("light", right, near - 1.5, style=style | {"arm": -arm}))
        things.append(Thing("light", -left, near - 1.5, style=style))
        things.append(Thing("light", right, far + 1.0, style=style))
    if plan.speed == 0 and near > 14:
        for _ in range(int(rng.integers(0, 3))):
            way = 1 if rng.random() < 0.5 else -1
            lane = (near + far) / 2 - way * 1.8
            things.append(
                Thing(
                    "car",
                    float(rng.uniform(-20, 20)),
                    lane,
                    speed_d=way * float(rng.uniform(5, 8)),
                    heading=way * np.pi / 2,
                    span=60.0,
                    style=_car(rng),
                    seed=seed(rng),
                )
            )
    return things


def _parked(rng: np.random.Generator, plan: Plan) -> list[Thing]:
    things = []
    for sign, side, allowed in zip((-1, 1), plan.sides, plan.parking, strict=True):
        share = rng.uniform(0.2, 0.75) if allowed else 0.0
        for at in np.arange(-BEHIND, PERIOD - BEHIND - 6, 6.2):
            near_zebra = any(abs(at - z - 2) < 7 for z in plan.zebras)
            if (
                rng.random() < share
                and not near_zebra
                and plan.street_at(at - 7, at + 7) is None
            ):
                style = _car(rng)
                if style["model"] in ("truck", "bus"):
                    style["model"] = "van"
                things.append(
                    Thing(
                        "car",
                        sign * (side.road - 1.1) + float(rng.normal(0, 0.08)),
                        float(at + rng.uniform(-0.4, 0.4)),
                        heading=(np.pi if sign < 0 else 0.0)
                        + float(rng.normal(0, 0.02)),
                        style=style | {"lights": False},
                        seed=seed(rng),
                    )
                )
    return things


def _traffic(rng: np.random.Generator, plan: Plan) -> list[Thing]:
    things = []
    for lane in range(-plan.lanes_left, plan.lanes_right + 1):
        oncoming = lane < 0
        if oncoming:
            speed = -float(rng.uniform(5, 11))
        elif lane == 0:
            speed = plan.speed  # the camera's own lane: nobody is run into
        else:
            speed = plan.speed + float(rng.uniform(-1.5, 3)) if plan.speed else 0.0
        at = float(rng.uniform(9, 60)) if lane == 0 else float(rng.uniform(5, 35))
        while at < PERIOD - BEHIND - 12:
            if not (speed == 0 and plan.street_at(at - 4, at + 4) is not None):
                things.append(
                    Thing(
                        "car",
                        lane * LANE + float(rng.normal(0, 0.15)),
                        at,
                        speed_s=speed,
                        heading=np.pi if oncoming else 0.0,
                        style=_car(rng) | {"lights": True},
                        seed=seed(rng),
                    )
                )
            at += float(rng.uniform(12, 90))
    return things


def _car(rng: np.random.Generator) -> dict:
    return {
        "model": pick(rng, _CARS),
        "paint": vary(rng, _PAINT, 8.0),
        "lights": True,
    }


def _pedestrians(
    rng: np.random.Generator, sign: int, side: Side, plan: Plan
) -> list[Thing]:
    busy = {"downtown": 12, "town": 8, "suburb": 3, "park": 5}[side.kind]
    inner, outer = side.road + side.verge + 0.7, side.walk - 0.3
    things = []
    for _ in range(int(rng.poisson(busy))):
        still = rng.random() < 0.2
        way = 1 if rng.random() < 0.5 else -1
        things.append(
            Thing(
                "person",
                sign * float(rng.uniform(inner, max(outer, inner + 0.1))),
                _near_or_far(rng, 5.0),
                speed_s=0.0 if still else way * float(rng.uniform(0.9, 1.6)),
                heading=float(rng.uniform(-np.pi, np.pi))
                if still
                else (0.0 if way > 0 else np.pi),
                style=person(rng),
                seed=seed(rng),
            )
        )
    if sign > 0 and plan.speed == 0:
        places = [z + 2.0 for z in plan.zebras if z > 6] or [float(rng.uniform(9, 16))]
        for _ in range(int(rng.poisson(1.6))):
            way = 1 if rng.random() < 0.5 else -1
            things.append(
                Thing(
                    "person",
                    float(rng.uniform(-5, 5)),
                    places[0] + float(rng.uniform(-1, 1)),
                    speed_d=way * float(rng.uniform(1.0, 1.6)),
                    heading=way * np.pi / 2,
                    span=outer,
                    style=person(rng),
                    seed=seed(rng),
                )
            )
    return things


def _cyclists(rng: np.random.Generator, plan: Plan) -> list[Thing]:
    things = []
    left, right = plan.sides
    for _ in range(int(rng.poisson(2.2))):
        oncoming = rng.random() < 0.4
        edge = left.road if oncoming else right.road
        parked = plan.parking[0 if oncoming else 1]
        offset = edge - (2.9 if parked else 0.6)
        things.append(
            Thing(
                "cyclist",
                -offset if oncoming else offset,
                _near_or_far(rng, 6.0),
                speed_s=(-1 if oncoming else 1) * float(rng.uniform(3.5, 6)),
                heading=np.pi if oncoming else 0.0,
                style=person(rng)
                | {"helmet": bool(rng.random() < 0.5), "frame": vary(rng, _PAINT)},
                seed=seed(rng),
            )
        )
    if plan.speed == 0 and rng.random() < 0.5:
        way = 1 if rng.random() < 0.5 else -1
        at = plan.crossings[0][0] + 1.5 if plan.crossings else float(rng.uniform(9, 18))
        things.append(
            Thing(
                "cyclist",
                float(rng.uniform(-6, 6)),
                max(at, 9.0),
                speed_d=way * float(rng.uniform(3, 5)),
                heading=way * np.pi / 2,
                span=40.0,
                style=person(rng)
                | {"helmet": bool(rng.random() < 0.5), "frame": vary(rng, _PAINT)},
                seed=seed(rng),
            )
        )
    return things


def _near_or_far(rng: np.random.Generator, nearest: float) -> float:
    """A place ahead, more often near than far."""
    if rng.random() < 0.6:
        return float(nearest + 40 * rng.random() ** 1.4)
    return float(rng.uniform(nearest, PERIOD - BEHIND - 10))
