"""Cars, vans, trucks and buses: a side view pulled out to the width of the car."""

import dataclasses
import functools
import math

import numpy as np

from segjax.data.datasets.streets.camera import NEAR, Camera
from segjax.data.datasets.streets.canvas import Canvas, circle, fixed
from segjax.data.datasets.streets.classes import CAR
from segjax.data.datasets.streets.conditions import Conditions
from segjax.data.datasets.streets.world import Thing

# Outline from the rear bumper over the roof to the front bumper, in shares of length
# and height; rear and front glass by the index of their edge; wheels and side window
# in shares of length.
_MODELS = {
    "sedan": {
        "size": (4.6, 1.8, 1.44),
        "x": (0, 0, 0.14, 0.28, 0.55, 0.72, 0.97, 1),
        "y": (0.2, 0.62, 0.66, 0.97, 1, 0.66, 0.52, 0.2),
        "glass": (2, 4),
        "wheels": (0.18, 0.81),
        "window": (0.22, 0.68),
    },
    "hatchback": {
        "size": (4.0, 1.75, 1.5),
        "x": (0, 0, 0.09, 0.2, 0.52, 0.73, 0.97, 1),
        "y": (0.2, 0.6, 0.95, 1, 0.99, 0.64, 0.5, 0.2),
        "glass": (1, 4),
        "wheels": (0.17, 0.81),
        "window": (0.12, 0.69),
    },
    "estate": {
        "size": (4.7, 1.82, 1.5),
        "x": (0, 0, 0.08, 0.2, 0.56, 0.74, 0.97, 1),
        "y": (0.2, 0.6, 0.96, 1, 0.98, 0.63, 0.5, 0.2),
        "glass": (1, 4),
        "wheels": (0.19, 0.82),
        "window": (0.1, 0.7),
    },
    "suv": {
        "size": (4.6, 1.9, 1.75),
        "x": (0, 0, 0.05, 0.2, 0.58, 0.72, 0.98, 1),
        "y": (0.24, 0.62, 0.97, 1, 0.98, 0.66, 0.58, 0.24),
        "glass": (1, 4),
        "wheels": (0.19, 0.81),
        "window": (0.08, 0.68),
    },
    "van": {
        "size": (5.2, 1.95, 2.2),
        "x": (0, 0, 0.01, 0.1, 0.72, 0.88, 0.99, 1),
        "y": (0.16, 0.55, 0.97, 1, 1, 0.58, 0.45, 0.16),
        "glass": (1, 4),
        "wheels": (0.18, 0.83),
        "window": (0.62, 0.86),
    },
    "truck": {
        "size": (7.5, 2.4, 3.2),
        "x": (0, 0, 0, 0.1, 0.76, 0.99, 1, 1),
        "y": (0.16, 0.5, 0.99, 1, 1, 0.66, 0.4, 0.16),
        "glass": (None, 4),
        "wheels": (0.2, 0.86),
        "window": (0.86, 0.96),
    },
    "bus": {
        "size": (10.5, 2.5, 3.0),
        "x": (0, 0, 0, 0.05, 0.96, 0.99, 1, 1),
        "y": (0.13, 0.45, 0.96, 1, 1, 0.45, 0.4, 0.13),
        "glass": (1, 4),
        "wheels": (0.2, 0.8),
        "window": (0.04, 0.95),
    },
}
_GLASS, _TYRE, _RIM = (40, 48, 56), (24, 24, 26), (136, 138, 142)


def paint(
    canvas: Canvas,
    camera: Camera,
    light: Conditions,
    thing: Thing,
    d: float,
    s: float,
    time: float,
) -> None:
    """Paint one vehicle; see `render.PAINTERS` for the arguments."""
    body, style = _body(thing.style["model"]), thing.style
    length, width, height = body.size
    sin, cos = math.sin(thing.heading), math.cos(thing.heading)
    reach = 0.5 * (length * abs(cos) + width * abs(sin))
    if s + reach < NEAR + 0.4:
        return
    turn = np.array([(sin, 0.0, cos), (0.0, 1.0, 0.0), (cos, 0.0, -sin)])
    placed = body.points @ turn + (d, 0.0, s)
    pixels = camera.project(placed)
    if not canvas.sees(pixels):
        return
    at = fixed(pixels)
    distance = max(s - reach, NEAR)
    tall = camera.scale(distance) * height  # pixels: how much detail is worth it

    def shade(albedo: tuple, facing: float, glow: float = 0.0) -> tuple:
        return light.shade(albedo, distance, facing, glow)

    black = shade((20, 20, 22), 0.0)
    canvas.polygon(at[body.under], black, None)
    if tall > 5:
        for part in body.below:
            canvas.polygon(at[part], black, CAR)
    normals = body.normals @ turn
    toward = (camera.d, camera.y, 0.0) - placed[body.centres]
    facing = np.maximum(normals @ np.array(light.sun), 0.0)
    seen = (normals * toward).sum(-1) > 0
    for k in np.flatnonzero(seen).tolist():
        canvas.polygon(at[body.faces[k]], shade(style["paint"], float(facing[k])), CAR)
        if k in body.panes:
            canvas.polygon(at[body.panes[k]], _pane(light, distance, body, k), None)
        if k >= body.first_side and tall > 8:
            bars = at[body.bars[k]]
            width_px = max(1.0, 0.06 * camera.scale(distance))
            canvas.lines(bars, shade(style["paint"], float(facing[k])), None, width_px)
        if k >= body.first_side and tall > 5:
            for tyre, rim in body.wheels[k]:
                canvas.polygon(at[tyre], shade(_TYRE, 0.1), CAR)
                if tall > 8:
                    canvas.polygon(at[rim], shade(_RIM, 0.3), None)
    if tall > 7:
        on = light.lamps and style["lights"]
        rear = seen[0]
        panels = body.rear if rear else body.front if seen[body.last_face] else ()
        colours = (
            shade(tuple(0.6 * c for c in style["paint"]), 0.2),
            shade((176, 24, 26), 0.3, 1.0 if on else 0.0)
            if rear
            else shade((255, 250, 226) if on else (206, 208, 206), 0.5, float(on)),
            shade((222, 220, 200), 0.35),
            shade((30, 30, 32), 0.1),
        )
        for part, colour in zip(
            panels, (colours[k] for k in _PANEL_COLOURS), strict=False
        ):
            canvas.polygon(at[part], colour, None)


_PANEL_COLOURS = (0, 1, 1, 2, 3)  # bumper, two lamps, plate, and in front a grille


def _pane(light: Conditions, distance: float, body: "_Body", k: int) -> tuple:
    """Glass: dark, with more of the sky in it the more it looks up."""
    share = 0.12 + 0.3 * max(0.0, float(body.normals[k, 1]))
    albedo = tuple(
        (1 - share) * g + share * h for g, h in zip(_GLASS, light.horizon, strict=True)
    )
    return light.shade(albedo, distance, 0.25)


@dataclasses.dataclass(frozen=True)
class _Body:
    """A model in its own coordinates: (ahead, up, right) from its middle on the road.

    Attributes:
      size: length, width, height, metres.
      points: `(N, 3)`; the parts below are index arrays into it.
      under: shadow on the road.
      below: skirts and treads under the body.
      faces: outlines: bumper to bumper over the roof, then the right and left sides.
      normals: `(F, 3)` outward normals of the faces.
      centres: `(F,)` a point of each face.
      panes: face -> its glass.
      bars, wheels: side face -> its window posts, its (tyre, rim) pairs.
      rear, front: panels of the ends.
      last_face, first_side: index of the front bumper's face and of the right side.
    """

    size: tuple
    points: np.ndarray
    under: np.ndarray
    below: list
    faces: list
    normals: np.ndarray
    centres: np.ndarray
    panes: dict
    bars: dict
    wheels: dict
    rear: list
    front: list
    last_face: int
    first_side: int


@functools.lru_cache(maxsize=len(_MODELS))
def _body(model: str) -> _Body:
    spec = _MODELS[model]
    length, width, height = spec["size"]
    half = width / 2
    points: list[np.ndarray] = []

    def add(x, y, z) -> np.ndarray:
        """Add points; `x` counts from the rear. Returns their indices."""
        x, y, z = np.broadcast_arrays(np.asarray(x, float) - length / 2, y, z)
        start = sum(len(p) for p in points)
        points.append(np.stack([x, y, z], -1))
        return np.arange(start, start + len(x))

    low_car = height < 2
    across = np.array([-1, -1, 1, 1])
    under = add([-0.1, length + 0.1, length + 0.1, -0.1], 0.0, -across * half * 1.04)
    below, low_edge = [], spec["y"][0] * height + 0.02
    for x in (0.03 * length, 0.97 * length):
        skirt = [0.12, low_edge, low_edge, 0.12]
        below.append(add([x] * 4, skirt, across * half * 0.94))
        for z in (-half * 0.8, half * 0.8):
            tread = [0, low_edge, low_edge, 0]
            below.append(add([x] * 4, tread, z + 0.11 * across))

    x, y = np.array(spec["x"]) * length, np.array(spec["y"]) * height
    inset = half * np.where(y > 0.7 * height, 0.86 if low_car else 0.97, 1.0)
    right, left = add(x, y, inset), add(x, y, -inset)
    faces, normals, panes = [], [], {}
    for k in range(len(x) - 1):
        faces.append(np.array([left[k], left[k + 1], right[k + 1], right[k]]))
        step = np.array([x[k + 1] - x[k], y[k + 1] - y[k]])
        normals.append((-step[1] / np.hypot(*step), step[0] / np.hypot(*step), 0.0))
        if k in spec["glass"]:
            start, end = (0.12, 0.94) if k == spec["glass"][1] else (0.2, 0.9)
            share = np.array([start, end, end, start])
            z = across * 0.8 * (inset[k] + share * (inset[k + 1] - inset[k]))
            panes[k] = add(x[k] + share * step[0], y[k] + share * step[1], z)
    first_side, bars, wheels = len(faces), {}, {}
    low, top = (0.66 if low_car else 0.55) * height, 0.93 * height
    start, end = (w * length for w in spec["window"])
    slope = (0.07 if low_car else 0.02) * length
    radius = 0.32 if low_car else 0.3 + 0.05 * height
    places = (0.5,) if length < 6 else (0.2, 0.4, 0.6, 0.8)
    for sign, side in ((1, right), (-1, left)):
        k = len(faces)
        faces.append(side)
        normals.append((0.0, 0.05, float(sign)))
        z = sign * half * np.array([1, 0.88, 0.88, 1])
        window = [start, start + slope, end - 1.9 * slope, end]
        panes[k] = add(window, [low, top, top, low], z)
        bars[k] = np.stack(
            [add([start + (end - start) * p] * 2, [low, top], z[:2]) for p in places]
        )
        rings = []
        for place in spec["wheels"]:
            u, v = circle(12).T * radius
            tyre = add(place * length + u, radius + v, sign * half)
            rings.append(
                (tyre, add(place * length + 0.6 * u, radius + 0.6 * v, sign * half))
            )
        wheels[k] = rings

    ends = {}
    for x_end, edge, drop in ((0.0, y[1], 0.28), (length, y[-2], 0.22)):

        def panel(z0, z1, y0, y1, x_end=x_end):
            return add([x_end] * 4, [y0, y1, y1, y0], [z0, z0, z1, z1])

        tall, bottom = 0.09 * min(height, 1.8), edge - drop
        middle = 0.5 * (y[0] + edge)
        ends[x_end] = [
            panel(-half, half, y[0], y[0] + 0.1),
            panel(-0.95 * half, -0.62 * half, bottom, bottom + 1.6 * tall),
            panel(0.62 * half, 0.95 * half, bottom, bottom + 1.6 * tall),
            panel(-0.27, 0.27, middle - 0.12, middle),
        ]
        if x_end:
            ends[x_end].append(panel(-0.5 * half, 0.5 * half, bottom, bottom + tall))
    return _Body(
        size=spec["size"],
        points=np.concatenate(points),
        under=under,
        below=below,
        faces=faces,
        normals=np.array(normals),
        centres=np.array([face[0] for face in faces]),
        panes=panes,
        bars=bars,
        wheels=wheels,
        rear=ends[0.0],
        front=ends[length],
        last_face=first_side - 1,
        first_side=first_side,
    )
