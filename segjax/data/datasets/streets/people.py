"""Pedestrians and cyclists: limbs between joints, each a tapered quadrilateral."""

import math

import cv2
import numpy as np

from segjax.data.datasets.streets.camera import Camera
from segjax.data.datasets.streets.canvas import Canvas, circle, disc, fixed, limb
from segjax.data.datasets.streets.classes import CYCLIST, PERSON
from segjax.data.datasets.streets.conditions import Conditions
from segjax.data.datasets.streets.world import Thing

_SHOE, _RUBBER = (40, 36, 36), (30, 30, 32)

# Parts are drawn in this order, the far arm and leg first: (from, to, half-widths in
# metres, cloth, darkness). Joints are those of `_walker`; the first of a pair is left.
_ARM = ((6, 8, 0.060, 0.052, "top"), (8, 10, 0.052, 0.038, "top"))
_LEG = ((0, 2, 0.095, 0.070, "legs"), (2, 4, 0.070, 0.048, "legs"))


def paint_person(
    canvas: Canvas,
    camera: Camera,
    light: Conditions,
    thing: Thing,
    d: float,
    s: float,
    time: float,
) -> None:
    """Paint somebody who stands or walks; the stride follows the way walked."""
    if s < 1.3:
        return
    style, k = thing.style, thing.style["tall"] / 1.75
    m = camera.scale(s) * k
    middle = camera.project(np.array([d, 0.85, s]))
    if not canvas.sees(np.stack([middle - m, middle + m])):
        return
    joints = _walker(thing, time) * k
    pixels = camera.project(_place(thing.heading, d, s, joints))
    sin, cos = math.sin(thing.heading), math.cos(thing.heading)
    facing = max(0.25, light.facing(0.0, 0.3, -0.8))

    def tone(albedo: tuple, dark: float = 1.0) -> tuple:
        return light.shade(tuple(dark * c for c in albedo), s, facing)

    _contact(canvas, camera, light, d, s, 0.32)
    trunk = 0.13 + 0.08 * abs(cos)
    far, near = (0, 1) if sin < 0 else (1, 0)
    parts = [(a + far, b + far, p, q, cloth, 0.75) for a, b, p, q, cloth in _ARM]
    parts += [(a + far, b + far, p, q, cloth, 0.75) for a, b, p, q, cloth in _LEG]
    parts += [(a + near, b + near, p, q, cloth, 1.0) for a, b, p, q, cloth in _LEG]
    parts.append((13, 15 if style["coat"] else 12, trunk, 0.86 * trunk, "top", 1.0))
    parts += [(a + near, b + near, p, q, cloth, 0.88) for a, b, p, q, cloth in _ARM]
    start, end, at_p, at_q, cloths, darks = zip(*parts, strict=True)
    quads = limb(
        pixels[list(start)], pixels[list(end)], np.array(at_p) * m, np.array(at_q) * m
    )
    for quad, cloth, dark in zip(fixed(quads), cloths, darks, strict=True):
        canvas.polygon(quad, tone(style[cloth], dark), PERSON)
    if m > 10:
        for i in (4, 5):
            toe = pixels[i] + np.array([0.09 * sin, 0.015]) * m
            canvas.polygon(disc(toe, 0.09 * m, 0.05 * m, 6), tone(_SHOE), PERSON)
        for i in (10, 11):
            canvas.polygon(
                disc(pixels[i], 0.045 * m, 0.055 * m, 6), tone(style["skin"]), PERSON
            )
    if style["bag"] is not None:
        bag = pixels[12] + np.array([0.5 * trunk - 0.22 * sin, -0.25]) * m
        canvas.polygon(disc(bag, 0.14 * m, 0.2 * m, 8), tone(style["bag"]), PERSON)
    _head(canvas, pixels[13:15], m, tone, style, thing.heading, PERSON)


def paint_cyclist(
    canvas: Canvas,
    camera: Camera,
    light: Conditions,
    thing: Thing,
    d: float,
    s: float,
    time: float,
) -> None:
    """Paint a rider and the bicycle; the label fills the wheels, as annotators do."""
    if s < 2.0:
        return
    style, m = thing.style, camera.scale(s)
    middle = camera.project(np.array([d, 0.85, s]))
    if not canvas.sees(np.stack([middle - m, middle + m])):
        return
    pixels = camera.project(_place(thing.heading, d, s, _rider(thing, time)))
    sin, cos = math.sin(thing.heading), math.cos(thing.heading)
    facing = max(0.25, light.facing(0.0, 0.3, -0.8))

    def tone(albedo: tuple, dark: float = 1.0) -> tuple:
        return light.shade(tuple(dark * c for c in albedo), s, facing)

    _contact(canvas, camera, light, d, s, 0.4)
    for hub in (-0.52, 0.52):
        u, v = circle(16).T * 0.34
        ring = np.stack([hub + u, 0.34 + v, np.full(16, 0.025)], -1)
        ring = np.concatenate([ring, ring * (1, 1, -1)])
        tyre = camera.project(_place(thing.heading, d, s, ring))
        hull = cv2.convexHull(tyre.astype(np.float32))[:, 0].astype(np.float64)
        from_aside = abs(sin) > 0.5
        canvas.polygon(hull, None if from_aside else tone(_RUBBER), CYCLIST)
        if from_aside:
            loop = np.concatenate([tyre[:16], tyre[:1]])[None]
            canvas.lines(loop, tone(_RUBBER), CYCLIST, 0.05 * m)
    far, near = (0, 1) if sin < 0 else (1, 0)
    trunk = 0.13 + 0.07 * abs(cos)
    parts = [(i, j, 0.022, 0.022, "frame", 1.0) for i, j in _FRAME]
    for i, dark in ((far, 0.75), (near, 1.0)):
        parts.append((7 + i, 9 + i, 0.09, 0.07, "legs", dark))
        parts.append((9 + i, 11 + i, 0.065, 0.045, "legs", dark))
    parts.append((16, 15, trunk, 0.8 * trunk, "top", 1.0))
    parts += [(13 + i, 5 + i, 0.055, 0.04, "top", 0.85) for i in (0, 1)]
    start, end, at_p, at_q, cloths, darks = zip(*parts, strict=True)
    quads = limb(
        pixels[list(start)], pixels[list(end)], np.array(at_p) * m, np.array(at_q) * m
    )
    for quad, cloth, dark in zip(fixed(quads), cloths, darks, strict=True):
        canvas.polygon(quad, tone(style[cloth], dark), CYCLIST)
    _head(canvas, pixels[16:18], m, tone, style, thing.heading, CYCLIST)
    if style["helmet"]:
        cap = pixels[17] + np.array(_HELMET) * m
        canvas.polygon(cap, tone(style["frame"]), CYCLIST)


_FRAME = ((0, 2), (2, 4), (3, 2), (3, 4), (0, 3), (4, 1), (5, 6))
_HELMET = ((-0.12, -0.02), (-0.09, -0.12), (0.09, -0.12), (0.12, -0.02))


def _walker(thing: Thing, time: float) -> np.ndarray:
    """Joints `(16, 3)` of a person of 1.75 m as (ahead, up, right)."""
    speed = abs(thing.speed_s) + abs(thing.speed_d)
    swing = 0.04
    if speed:
        swing = 0.30 * math.sin(thing.seed % 7 + 2 * math.pi * speed * time / 1.45)
    wide = 0.11 if speed else 0.14
    return np.array(
        [
            (0, 0.92, -0.09),  # 0 hips
            (0, 0.92, 0.09),
            (0.55 * swing, 0.5, -wide),  # 2 knees
            (-0.55 * swing, 0.5, wide),
            (swing, 0.04, -wide),  # 4 feet
            (-swing, 0.04, wide),
            (0, 1.46, -0.19),  # 6 shoulders
            (0, 1.46, 0.19),
            (-0.5 * swing, 1.14, -0.25),  # 8 elbows
            (0.5 * swing, 1.14, 0.25),
            (-0.9 * swing + 0.06, 0.88, -0.24),  # 10 hands
            (0.9 * swing + 0.06, 0.88, 0.24),
            (0, 0.95, 0),  # 12 pelvis
            (0, 1.48, 0),  # 13 neck
            (0.02, 1.65, 0),  # 14 head
            (0, 0.72, 0),  # 15 hem of a coat
        ]
    )


def _rider(thing: Thing, time: float) -> np.ndarray:
    """Joints `(18, 3)` of a bicycle and its rider as (ahead, up, right)."""
    speed = abs(thing.speed_s) + abs(thing.speed_d)
    pedal = thing.seed % 7 + speed * time / 0.34 / 2.5
    sin, cos = math.sin(pedal), math.cos(pedal)
    return np.array(
        [
            (-0.52, 0.34, 0),  # 0 wheels
            (0.52, 0.34, 0),
            (-0.05, 0.30, 0),  # 2 pedals' axle
            (-0.18, 0.92, 0),  # 3 saddle
            (0.38, 0.85, 0),  # 4 head tube
            (0.40, 1.02, -0.24),  # 5 ends of the bars
            (0.40, 1.02, 0.24),
            (-0.16, 0.98, -0.08),  # 7 hips
            (-0.16, 0.98, 0.08),
            (0.16 + 0.08 * cos, 0.66 + 0.12 * sin, -0.11),  # 9 knees
            (0.16 - 0.08 * cos, 0.66 - 0.12 * sin, 0.11),
            (-0.02 + 0.17 * cos, 0.28 + 0.17 * sin, -0.11),  # 11 feet
            (-0.02 - 0.17 * cos, 0.28 - 0.17 * sin, 0.11),
            (0.12, 1.44, -0.19),  # 13 shoulders
            (0.12, 1.44, 0.19),
            (-0.16, 0.96, 0),  # 15 pelvis
            (0.13, 1.47, 0),  # 16 neck
            (0.2, 1.66, 0),  # 17 head
        ]
    )


def _head(
    canvas: Canvas,
    joints: np.ndarray,
    m: float,
    tone,
    style: dict,
    heading: float,
    class_id: int,
) -> None:
    """Neck and head on `joints` (neck, head); from behind the head is all hair."""
    neck, head = joints
    canvas.polygon(limb(neck, head, 0.05 * m, 0.05 * m), tone(style["skin"]), class_id)
    canvas.polygon(disc(head, 0.09 * m, 0.115 * m, 10), tone(style["hair"]), class_id)
    if math.cos(heading) < 0.6:
        face = head + np.array([0.025 * math.sin(heading), 0.03]) * m
        canvas.polygon(disc(face, 0.07 * m, 0.085 * m, 10), tone(style["skin"]), None)


def _contact(
    canvas: Canvas, camera: Camera, light: Conditions, d: float, s: float, radius: float
) -> None:
    """The dark spot under the feet."""
    u, v = circle(10).T * radius
    spot = camera.project(np.stack([d + u, 0 * u, s + 0.3 * v], -1))
    canvas.polygon(spot, light.shade((58, 58, 60), s, 0.0), None)


def _place(heading: float, d: float, s: float, joints: np.ndarray) -> np.ndarray:
    """Body coordinates (ahead, up, right) as `(d, y, s)`."""
    sin, cos = math.sin(heading), math.cos(heading)
    return joints @ np.array([(sin, 0, cos), (0, 1, 0), (cos, 0, -sin)]) + (d, 0, s)
