"""Lamp posts, bollards, traffic signs, traffic lights and fences."""

import numpy as np

from segjax.data.datasets.streets.camera import NEAR, Camera
from segjax.data.datasets.streets.canvas import Canvas, disc, limb
from segjax.data.datasets.streets.classes import FENCE, POLE, SIGN
from segjax.data.datasets.streets.conditions import Conditions
from segjax.data.datasets.streets.world import Thing

_METAL = (128, 130, 132)
_RED, _WHITE, _BLUE, _YELLOW = (
    (196, 30, 36),
    (232, 232, 230),
    (30, 84, 168),
    (238, 196, 40),
)
_BACK = (120, 122, 124)
_RIGHT, _DOWN = np.array([1.0, 0.0]), np.array([0.0, 1.0])
_LAMPS = {"red": (255, 50, 40), "amber": (255, 180, 40), "green": (60, 230, 150)}


def paint_lamp(
    canvas: Canvas,
    camera: Camera,
    light: Conditions,
    thing: Thing,
    d: float,
    s: float,
    time: float,
) -> None:
    """Paint a lamp post, or a wooden mast with crossbars."""
    if s < 1.2:
        return
    style = thing.style
    tall, scale = style["tall"], camera.scale(s)
    foot, top, arm = camera.project(
        np.array([(d, 0, s), (d, tall, s), (d + style["arm"], tall + 0.35, s)])
    )
    if not canvas.sees(np.stack([foot, top, arm])):
        return
    colour = light.shade((104, 84, 66) if style["wood"] else style["colour"], s, 0.45)
    width = 0.11 * scale if style["wood"] else 0.075 * scale
    canvas.polygon(limb(foot, top, 1.25 * width, 0.8 * width), colour, POLE)
    dark = light.shade(tuple(0.7 * c for c in style["colour"]), s, 0.1)
    if width > 1.2:
        canvas.polygon(
            limb(
                foot + 0.5 * width * _RIGHT,
                top + 0.4 * width * _RIGHT,
                width * 0.4,
                width * 0.25,
            ),
            dark,
            None,
        )
    if style["wood"]:
        for down in (0.5, 1.2):
            left, right = camera.project(
                np.array([(d - 0.9, tall - down, s), (d + 0.9, tall - down, s)])
            )
            canvas.polygon(limb(left, right, 0.05 * scale, 0.05 * scale), colour, POLE)
        return
    canvas.polygon(limb(top, arm, 0.6 * width, 0.5 * width), colour, POLE)
    head = (
        arm + np.array([(-0.4, -0.06), (0.35, -0.06), (0.35, 0.1), (-0.4, 0.1)]) * scale
    )
    canvas.polygon(
        head, light.shade((255, 226, 170), s, 0.0, 1.0) if light.lamps else dark, POLE
    )


def paint_bollard(
    canvas: Canvas,
    camera: Camera,
    light: Conditions,
    thing: Thing,
    d: float,
    s: float,
    time: float,
) -> None:
    """Paint a bollard."""
    if s < 1.2:
        return
    foot, top = camera.project(np.array([(d, 0, s), (d, 0.95, s)]))
    width = 0.08 * camera.scale(s)
    if canvas.sees(np.stack([foot, top])):
        canvas.polygon(
            limb(foot, top, width, width), light.shade(thing.style["colour"], s), POLE
        )
        band = foot + 0.82 * (top - foot)
        canvas.polygon(limb(band, top, width, width), light.shade(_WHITE, s), None)


def paint_sign(
    canvas: Canvas,
    camera: Camera,
    light: Conditions,
    thing: Thing,
    d: float,
    s: float,
    time: float,
) -> None:
    """Paint a traffic sign on its post, from the front or from behind."""
    if s < 1.2:
        return
    style, scale = thing.style, camera.scale(s)
    plate, size = style["plate"], style["size"]
    if plate == "board":
        size *= 1.5
    foot, top = camera.project(np.array([(d, 0, s), (d, style["tall"], s)]))
    width = 0.045 * scale
    post = light.shade(_METAL, s, 0.4)
    centre, r = top, 0.5 * size * scale
    if not canvas.sees(np.stack([foot - r, top - 2 * r, foot + r, top + 2 * r])):
        return
    canvas.polygon(limb(foot, top, width, width), post, POLE)
    facing = max(0.15, light.facing(0.0, 0.0, -1.0))
    if style["second"] and plate != "board":
        low = centre + 1.35 * r * _DOWN
        box = (
            low + np.array([(-0.8, -0.25), (0.8, -0.25), (0.8, 0.25), (-0.8, 0.25)]) * r
        )
        canvas.polygon(
            box, light.shade(_BACK if style["back"] else _WHITE, s, facing), SIGN
        )
    for shape, albedo in _plate(plate, thing.seed):
        colour = light.shade(_BACK if style["back"] else albedo, s, facing)
        canvas.polygon(centre + shape * r, colour, SIGN)
        if style["back"]:
            break


def _plate(plate: str, seed: int) -> list[tuple[np.ndarray, tuple]]:
    """Outlines in units of the plate's radius, back to front, with their colours."""
    origin = np.zeros(2)
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float)
    triangle = np.array([(0, -1.05), (1, 0.75), (-1, 0.75)])
    bar = square * (0.62, 0.18)
    if plate == "limit":
        black = square * (0.16, 0.34)
        return [
            (disc(origin, 1.0, 1.0, 16), _RED),
            (disc(origin, 0.74, 0.74, 16), _WHITE),
            (black - 0.26 * _RIGHT, (30, 30, 30)),
            (black + 0.26 * _RIGHT, (30, 30, 30)),
        ]
    if plate in ("warning", "yield"):
        flip = (1, -1) if plate == "yield" else (1, 1)
        inner = (triangle * 0.6 + (0, 0.08)) * flip
        mark = square * (0.1, 0.24) + (0, 0.2)
        parts = [(triangle * flip, _RED), (inner, _WHITE)]
        return [*parts, (mark, (30, 30, 30))] if plate == "warning" else parts
    if plate == "stop":
        return [(disc(origin, 1.0, 1.0, 8), _RED), (bar, _WHITE)]
    if plate == "blue":
        arrow = np.array(
            [
                (-0.5, 0.12),
                (0.1, 0.12),
                (0.1, 0.4),
                (0.6, 0),
                (0.1, -0.4),
                (0.1, -0.12),
                (-0.5, -0.12),
            ]
        )
        return [(disc(origin, 1.0, 1.0, 16), _BLUE), (arrow, _WHITE)]
    if plate == "parking":
        return [
            (square, _BLUE),
            (square * (0.2, 0.6) - (0.2, 0), _WHITE),
            (square * (0.3, 0.26) + (0.2, -0.34), _WHITE),
        ]
    if plate == "diamond":
        return [
            (disc(origin, 1.2, 1.2, 4) @ _QUARTER, _WHITE),
            (disc(origin, 0.9, 0.9, 4) @ _QUARTER, _YELLOW),
        ]
    ground = ((24, 92, 60), _BLUE, _WHITE, _YELLOW)[seed % 4]
    ink = (40, 40, 40) if ground in (_WHITE, _YELLOW) else _WHITE
    board = square * (1.35, 0.95)
    return [
        (board, ink),
        (board * 0.93, ground),
        (square * (0.7, 0.12) + (-0.3, -0.4), ink),
        (square * (0.9, 0.12) + (-0.1, 0.05), ink),
        (square * (0.5, 0.12) + (-0.5, 0.5), ink),
    ]


_QUARTER = np.array([(1, 1), (-1, 1)]) / np.sqrt(2)


def paint_light(
    canvas: Canvas,
    camera: Camera,
    light: Conditions,
    thing: Thing,
    d: float,
    s: float,
    time: float,
) -> None:
    """Paint a traffic light on a post, perhaps on an arm over the road."""
    if s < 1.2:
        return
    style, scale = thing.style, camera.scale(s)
    tall = style["tall"] + (2.2 if style["arm"] else 0)
    foot, top, tip = camera.project(
        np.array([(d, 0, s), (d, tall, s), (d + style["arm"], tall, s)])
    )
    if not canvas.sees(np.stack([foot - scale, top, tip, tip + scale])):
        return
    metal = light.shade((96, 98, 98), s, 0.4)
    canvas.polygon(limb(foot, top, 0.07 * scale, 0.055 * scale), metal, POLE)
    if style["arm"]:
        canvas.polygon(limb(top, tip, 0.05 * scale, 0.04 * scale), metal, POLE)
    box = np.array([(-0.19, -0.5), (0.19, -0.5), (0.19, 0.5), (-0.19, 0.5)]) * scale
    canvas.polygon(tip + box, light.shade((34, 36, 36), s, 0.3), SIGN)
    for name, down in (("red", -0.31), ("amber", 0.0), ("green", 0.31)):
        on = name == style["lit"]
        albedo = _LAMPS[name] if on else tuple(0.25 * c for c in _LAMPS[name])
        bulb = disc(tip + down * scale * _DOWN, 0.125 * scale, 0.125 * scale, 10)
        canvas.polygon(bulb, light.shade(albedo, s, 0.3, 1.0 if on else 0.0), None)


def paint_fence(
    canvas: Canvas,
    camera: Camera,
    light: Conditions,
    thing: Thing,
    d: float,
    s: float,
    time: float,
) -> None:
    """Paint a stretch of railing or of boards; the label fills the railing."""
    far = s + thing.length
    if far <= NEAR + 0.1:
        return
    style, near = thing.style, max(s, NEAR)
    tall, middle = style["tall"], (near + far) / 2
    panel = camera.project(
        np.array([(d, 0, near), (d, tall, near), (d, tall, far), (d, 0, far)])
    )
    if not canvas.sees(panel):
        return
    facing = light.facing(-np.sign(d), 0.0, 0.0)
    colour = light.shade(style["colour"], middle, facing)
    if not style["rails"]:
        canvas.polygon(panel, colour, FENCE)
        dark = light.shade(tuple(0.72 * c for c in style["colour"]), middle, facing)
        at = np.arange(s, far, 0.4 if camera.scale(middle) > 12 else 1.0)
        at = at[at > NEAR]
        canvas.lines(_uprights(camera, d, at, tall), dark, None)
        return
    canvas.polygon(panel, None, FENCE)
    at = np.arange(s, far, 0.25 if camera.scale(middle) > 14 else 0.6)
    at = at[at > NEAR]
    thick = max(1.0, 0.035 * camera.scale(middle))
    canvas.lines(_uprights(camera, d, at, tall), colour, None, thick)
    ends = [(y, end) for y in (0.12 * tall, tall) for end in (near, far)]
    rails = camera.project(np.array([(d, y, end) for y, end in ends])).reshape(2, 2, 2)
    canvas.lines(rails, colour, FENCE, max(1.0, 0.06 * camera.scale(middle)))


def _uprights(camera: Camera, d: float, at: np.ndarray, tall: float) -> np.ndarray:
    foot = np.stack([np.full_like(at, d), np.zeros_like(at), at], -1)
    return camera.project(np.stack([foot, foot + np.array([0, tall, 0])], 1))
