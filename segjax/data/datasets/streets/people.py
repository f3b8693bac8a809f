"""Pedestrians and cyclists: limbs between joints, each a tapered quadrilateral."""

import cv2
import numpy as np

from segjax.data.datasets.streets.camera import Camera
from segjax.data.datasets.streets.canvas import Canvas, disc, limb
from segjax.data.datasets.streets.classes import CYCLIST, PERSON
from segjax.data.datasets.streets.conditions import Conditions
from segjax.data.datasets.streets.world import Thing

_SHOE = (40, 36, 36)


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
    speed = abs(thing.speed_s) + abs(thing.speed_d)
    phase = thing.seed % 7 + 2 * np.pi * speed * time / 1.45
    swing = 0.30 * np.sin(phase) if speed else 0.04
    wide = 0.11 if speed else 0.14
    joints = _place(
        thing.heading,
        d,
        s,
        k
        * np.array(
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
                (0, 0.95, 0),  # 12 pelvis, neck, head
                (0, 1.48, 0),
                (0.02, 1.65, 0),
                (0, 0.72, 0),  # 15 hem
            ]
        ),
    )
    pixels = camera.project(joints)
    m = camera.scale(s) * k
    if not canvas.sees(np.concatenate([pixels - 0.2 * m, pixels + 0.2 * m])):
        return
    facing = max(0.25, light.facing(0, 0.3, -0.8))
    tone = lambda albedo, f=1.0: light.shade(tuple(f * c for c in albedo), s, facing)  # noqa: E731
    _contact(canvas, camera, light, d, s, 0.32)
    frontal = abs(np.cos(thing.heading))
    trunk = (0.13 + 0.08 * frontal) * m
    far, near = (0, 1) if np.sin(thing.heading) < 0 else (1, 0)

    def arm(i: int, factor: float) -> None:
        canvas.polygon(
            limb(pixels[6 + i], pixels[8 + i], 0.06 * m, 0.052 * m),
            tone(style["top"], factor),
            PERSON,
        )
        canvas.polygon(
            limb(pixels[8 + i], pixels[10 + i], 0.052 * m, 0.038 * m),
            tone(style["top"], factor),
            PERSON,
        )
        canvas.polygon(
            disc(pixels[10 + i], 0.045 * m, 0.055 * m, 6), tone(style["skin"]), PERSON
        )

    arm(far, 0.75)
    for i, factor in ((far, 0.75), (near, 1.0)):
        hip, knee, foot = pixels[i], pixels[2 + i], pixels[4 + i]
        canvas.polygon(
            limb(hip, knee, 0.095 * m, 0.07 * m), tone(style["legs"], factor), PERSON
        )
        canvas.polygon(
            limb(knee, foot, 0.07 * m, 0.048 * m), tone(style["legs"], factor), PERSON
        )
        toe = foot + np.array([0.09 * np.sin(thing.heading), 0.015]) * m
        canvas.polygon(limb(foot, toe, 0.05 * m, 0.05 * m), tone(_SHOE), PERSON)
    hem = pixels[15] if style["coat"] else pixels[12]
    canvas.polygon(
        limb(pixels[13], hem, trunk, 0.86 * trunk), tone(style["top"]), PERSON
    )
    if m > 14:
        half = np.array([0.45 * trunk, 0])
        canvas.polygon(
            limb(pixels[13] + half, hem + half, 0.4 * trunk, 0.3 * trunk),
            tone(style["top"], 0.85),
            None,
        )
    arm(near, 0.9)
    if style["bag"] is not None:
        bag = pixels[12] + np.array(
            [0.5 * trunk - 0.22 * m * np.sin(thing.heading), -0.25 * m]
        )
        canvas.polygon(disc(bag, 0.14 * m, 0.2 * m, 8), tone(style["bag"]), PERSON)
    _head(canvas, pixels[13], pixels[14], m, tone, style, thing.heading, PERSON)


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
    speed = abs(thing.speed_s) + abs(thing.speed_d)
    pedal = thing.seed % 7 + speed * time / 0.34 / 2.5
    joints = _place(
        thing.heading,
        d,
        s,
        np.array(
            [
                (-0.52, 0.34, 0),  # 0 wheels
                (0.52, 0.34, 0),
                (-0.05, 0.30, 0),  # 2 pedals' axle, saddle, head tube, bars
                (-0.18, 0.92, 0),
                (0.38, 0.85, 0),
                (0.40, 1.02, -0.24),
                (0.40, 1.02, 0.24),
                (-0.16, 0.98, -0.08),  # 7 hips
                (-0.16, 0.98, 0.08),
                (
                    0.16 + 0.08 * np.cos(pedal),
                    0.66 + 0.12 * np.sin(pedal),
                    -0.11,
                ),  # 9 knees
                (0.16 - 0.08 * np.cos(pedal), 0.66 - 0.12 * np.sin(pedal), 0.11),
                (
                    -0.02 + 0.17 * np.cos(pedal),
                    0.28 + 0.17 * np.sin(pedal),
                    -0.11,
                ),  # 11 feet
                (-0.02 - 0.17 * np.cos(pedal), 0.28 - 0.17 * np.sin(pedal), 0.11),
                (0.12, 1.44, -0.19),  # 13 shoulders
                (0.12, 1.44, 0.19),
                (-0.16, 0.96, 0),  # 15 pelvis, neck, head
                (0.13, 1.47, 0),
                (0.2, 1.66, 0),
            ]
        ),
    )
    pixels = camera.project(joints)
    if not canvas.sees(np.concatenate([pixels - 0.4 * m, pixels + 0.4 * m])):
        return
    facing = max(0.25, light.facing(0, 0.3, -0.8))
    tone = lambda albedo, f=1.0: light.shade(tuple(f * c for c in albedo), s, facing)  # noqa: E731
    _contact(canvas, camera, light, d, s, 0.4)
    turn = np.linspace(0, 2 * np.pi, 17)[:-1]
    for hub in (-0.52, 0.52):
        ring = [
            np.stack(
                [hub + 0.34 * np.cos(turn), 0.34 + 0.34 * np.sin(turn), np.full(16, z)],
                -1,
            )
            for z in (-0.025, 0.025)
        ]
        tyre = camera.project(_place(thing.heading, d, s, np.concatenate(ring)))
        hull = cv2.convexHull(tyre.astype(np.float32))[:, 0]
        open_wheel = abs(np.sin(thing.heading)) > 0.5
        canvas.polygon(hull, None if open_wheel else tone((30, 30, 32)), CYCLIST)
        if open_wheel:
            loop = np.concatenate([tyre[:16], tyre[:1]])[None]
            canvas.lines(loop, tone((30, 30, 32)), CYCLIST, 0.05 * m)
            canvas.lines(
                tyre[:16].reshape(2, 8, 2).swapaxes(0, 1),
                tone((120, 120, 124)),
                None,
                0.01 * m,
            )
    for i, j in ((0, 2), (2, 4), (3, 2), (3, 4), (0, 3), (4, 1), (5, 6)):
        canvas.polygon(
            limb(pixels[i], pixels[j], 0.022 * m, 0.022 * m),
            tone(style["frame"]),
            CYCLIST,
        )
    far, near = (0, 1) if np.sin(thing.heading) < 0 else (1, 0)
    for i, factor in ((far, 0.75), (near, 1.0)):
        legs = tone(style["legs"], factor)
        canvas.polygon(
            limb(pixels[7 + i], pixels[9 + i], 0.09 * m, 0.07 * m), legs, CYCLIST
        )
        canvas.polygon(
            limb(pixels[9 + i], pixels[11 + i], 0.065 * m, 0.045 * m), legs, CYCLIST
        )
        canvas.polygon(
            disc(pixels[11 + i], 0.08 * m, 0.04 * m, 6), tone(_SHOE), CYCLIST
        )
    trunk = (0.13 + 0.07 * abs(np.cos(thing.heading))) * m
    canvas.polygon(
        limb(pixels[16], pixels[15], trunk, 0.8 * trunk), tone(style["top"]), CYCLIST
    )
    for i in (0, 1):
        sleeve = tone(style["top"], 0.85)
        canvas.polygon(
            limb(pixels[13 + i], pixels[5 + i], 0.055 * m, 0.04 * m), sleeve, CYCLIST
        )
    _head(canvas, pixels[16], pixels[17], m, tone, style, thing.heading, CYCLIST)
    if style["helmet"]:
        cap = (
            pixels[17]
            + np.array([(-0.12, -0.02), (-0.09, -0.12), (0.09, -0.12), (0.12, -0.02)])
            * m
        )
        canvas.polygon(cap, tone(style["frame"]), CYCLIST)


def _head(
    canvas: Canvas,
    neck: np.ndarray,
    head: np.ndarray,
    m: float,
    tone,
    style: dict,
    heading: float,
    class_id: int,
) -> None:
    """Head and hair: from behind it is all hair."""
    canvas.polygon(limb(neck, head, 0.05 * m, 0.05 * m), tone(style["skin"]), class_id)
    canvas.polygon(disc(head, 0.09 * m, 0.115 * m, 10), tone(style["hair"]), class_id)
    if np.cos(heading) < 0.6:
        face = head + np.array([0.025 * np.sin(heading), 0.03]) * m
        canvas.polygon(disc(face, 0.07 * m, 0.085 * m, 10), tone(style["skin"]), None)


def _contact(
    canvas: Canvas, camera: Camera, light: Conditions, d: float, s: float, radius: float
) -> None:
    """The dark spot under the feet."""
    turn = np.linspace(0, 2 * np.pi, 13)[:-1]
    spot = np.stack(
        [d + radius * np.cos(turn), 0 * turn, s + 0.3 * radius * np.sin(turn)], -1
    )
    canvas.polygon(camera.project(spot), light.shade((58, 58, 60), s, 0), None)


def _place(heading: float, d: float, s: float, joints: np.ndarray) -> np.ndarray:
    """Body coordinates (ahead, up, right) as `(d, y, s)`."""
    ahead, up, right = joints.T
    sin, cos = np.sin(heading), np.cos(heading)
    return np.stack(
        [d + ahead * sin + right * cos, up, s + ahead * cos - right * sin], -1
    )
