"""A world seen at a time under some conditions, as an image and its label."""

import cv2
import numpy as np

from segjax.core.keys import IGNORE
from segjax.data.datasets.streets import (
    buildings,
    camera,
    furniture,
    ground,
    lens,
    people,
    plants,
    sky,
    traffic,
)
from segjax.data.datasets.streets.canvas import Canvas
from segjax.data.datasets.streets.classes import PRIORITY
from segjax.data.datasets.streets.conditions import Conditions
from segjax.data.datasets.streets.world import Thing, World, place

PAINTERS = {
    "building": buildings.paint,
    "tree": plants.paint_tree,
    "hedge": plants.paint_hedge,
    "lamp": furniture.paint_lamp,
    "bollard": furniture.paint_bollard,
    "sign": furniture.paint_sign,
    "light": furniture.paint_light,
    "fence": furniture.paint_fence,
    "car": traffic.paint,
    "person": people.paint_person,
    "cyclist": people.paint_cyclist,
}
"""Kind of thing -> `paint(canvas, camera, light, thing, d, s, time)`.

A painter paints `thing` at `(d, s)` metres on the canvas, in place, or nothing where
the camera does not see it. Nothing that it draws in the label depends on the light.
"""

_SIGHT = {
    "person": 80.0,
    "cyclist": 90.0,
    "sign": 110.0,
    "bollard": 70.0,
    "light": 120.0,
}
_SIGHT |= {"fence": 110.0, "hedge": 130.0, "lamp": 150.0, "car": 150.0}


def run(
    world: World,
    light: Conditions,
    size: tuple[int, int],
    time: float = 0.0,
    frame: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Render one frame.

    Args:
      world: what is there.
      light: what changes the image alone.
      size: `(H, W)`.
      time: seconds since the world's time 0.
      frame: number of the frame, which the sensor noise depends on.

    Returns:
      image `(H, W, 3)` uint8 RGB and label `(H, W)` uint8, ids or `IGNORE`.
    """
    height, width = size
    view = camera.make(
        size, world.yaw, world.pitch, world.d, world.y, world.bend, world.rise
    )
    canvas = Canvas(
        np.empty((height, width, 3), np.uint8), np.empty((height, width), np.uint8)
    )
    travelled = world.speed * time
    placed = [(thing, *place(thing, time, travelled)) for thing in world.things]
    placed = [item for item in placed if _in_view(view, *item)]
    placed.sort(key=lambda item: -(item[2] + item[0].length + 0.6 * abs(item[1])))
    lamps = []
    if light.lamps:
        lamps = [
            (d + thing.style["arm"], s)
            for thing, d, s in placed
            if thing.kind == "lamp" and s < 60 and not thing.style["wood"]
        ]
    sky.paint(canvas, view, light, time)
    sky.paint_backdrop(canvas, view, light, world.backdrop)
    shadow = _shadows(placed, view, light)
    ground.paint(canvas, view, world, light, travelled, shadow, lamps)
    for thing, d, s in placed:
        PAINTERS[thing.kind](canvas, view, light, thing, d, s, time)
    image = lens.expose(canvas, view, light, placed, lamps, time, frame)
    label = void_edges(canvas.label)
    if world.mirrored:
        image, label = image[:, ::-1], label[:, ::-1]
    return np.ascontiguousarray(image), np.ascontiguousarray(label)


def void_edges(label: np.ndarray) -> np.ndarray:
    """Ids `(H, W)` with the thin lines that annotators leave between classes ignored.

    A line is one pixel wide up to 400 rows and grows from there; it lies on the side of
    the class that comes first in `PRIORITY`.
    """
    rank = np.zeros(256, np.uint8)
    rank[list(PRIORITY)] = np.arange(len(PRIORITY))
    ranked = rank[label]
    reach = max(1, round(label.shape[0] / 400))
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    grown = cv2.dilate(ranked, cross, iterations=reach)
    return np.where(grown != ranked, np.uint8(IGNORE), label)


def _in_view(view: camera.Camera, thing: Thing, d: float, s: float) -> bool:
    """Whether something or its shadow may be seen; the painters look closer."""
    far = s + thing.length
    if far < 0.5 or s > _SIGHT.get(thing.kind, ground.FURTHEST):
        return False
    edge = (
        max(view.u0, view.width - view.u0) / view.focal + abs(view.bend) * far
    ) * far
    return abs(d - view.d) < edge + 7.0


def _shadows(placed: list, view: camera.Camera, light: Conditions) -> np.ndarray:
    """Cast shadows on the ground, uint8 `(H, W)`, soft-edged."""
    sheet = np.zeros((view.height, view.width), np.uint8)
    if light.shadow < 0.1:
        return sheet
    for thing, d, s in placed:
        if s > 90:
            continue
        if thing.kind == "building":
            out = d + np.sign(d) * thing.style["depth"]
            base = [(d, s), (d, s + thing.length), (out, s + thing.length), (out, s)]
            height = thing.style["height"]
        elif thing.kind in ("hedge", "fence"):
            base = [(d, s), (d, s + thing.length)]
            height = thing.style["tall"]
        elif thing.kind == "tree":
            _tree_shadow(sheet, view, light, thing, d, s)
            base = [(d - 0.12, s), (d + 0.12, s)]
            height = thing.style["trunk"]
        else:
            half_d, half_s, height = {
                "car": (0.9, 2.1, 1.2),
                "person": (0.2, 0.15, 1.6),
                "cyclist": (0.2, 0.7, 1.5),
                "lamp": (0.07, 0.07, 7.0),
                "sign": (0.2, 0.03, 2.4),
                "light": (0.08, 0.08, 3.5),
                "bollard": (0.08, 0.08, 0.9),
            }[thing.kind]
            if abs(np.sin(thing.heading)) > 0.7:
                half_d, half_s = half_s, half_d
            base = [
                (d - half_d, s - half_s),
                (d + half_d, s - half_s),
                (d + half_d, s + half_s),
                (d - half_d, s + half_s),
            ]
        ground.cast(sheet, view, light, np.array(base, float), height)
    return cv2.blur(sheet, (3, 3))


def _tree_shadow(
    sheet: np.ndarray, view: camera.Camera, light: Conditions, thing, d, s
) -> None:
    """A ragged patch where the crown's shadow falls."""
    radius = thing.style["radius"]
    middle = thing.style["trunk"] + radius
    reach = min(middle / max(light.sun[1], 0.08), 40.0)
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    rng = np.random.default_rng(thing.seed + 1)
    ragged = radius * (1 + 0.18 * rng.standard_normal(24))
    stretch = ragged / np.sqrt(max(light.sun[1], 0.2))
    at_d = d - light.sun[0] * reach + np.cos(turn) * ragged
    at_s = s - light.sun[2] * reach + np.sin(turn) * stretch
    if at_s.max() < 1:
        return
    ground.fill(sheet, view, at_d, at_s, 220)
