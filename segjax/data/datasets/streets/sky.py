"""The sky and what closes the view at the end of the street."""

import cv2
import numpy as np

from segjax.data.datasets.streets import noise
from segjax.data.datasets.streets.camera import Camera
from segjax.data.datasets.streets.canvas import Canvas
from segjax.data.datasets.streets.classes import BUILDING, SKY, VEGETATION
from segjax.data.datasets.streets.conditions import Conditions

_DISTANCE = 330.0  # metres, for the haze


def paint(canvas: Canvas, camera: Camera, light: Conditions, time: float) -> None:
    """Fill the whole canvas with sky: a gradient, clouds that drift, the sun's glow."""
    canvas.label[:] = SKY
    rows = np.arange(0, camera.height, 2, dtype=np.float32)[:, None]
    columns = np.arange(0, camera.width, 2, dtype=np.float32)[None]
    x = (columns - camera.u0) / camera.focal
    up = np.maximum((camera.v0 - rows) / camera.focal, 0.0)
    rise = np.clip(up / 0.7, 0, 1) ** 0.6 + 0 * x
    shift = light.seed % 256
    plane = 1 / (up + 0.12)
    cover = noise.sample(
        noise.cloud(), x * plane * 26 + shift + time * 0.4, plane * 34 + shift / 3
    )
    cover = np.clip((cover - 1.3 + 2.6 * light.cloud) / 1.1, 0, 1)
    relief = noise.sample(noise.cloud(), x * plane * 26 + shift + 6, plane * 34 + 5)
    glow = 0.0
    if light.sun[2] > 0.1 and light.shadow > 0:
        ratio_x, ratio_y = light.sun[0] / light.sun[2], light.sun[1] / light.sun[2]
        distance = (x - ratio_x) ** 2 + (up - ratio_y) ** 2
        glow = light.shadow * (
            0.55 * np.exp(-distance / 0.16) + 1.5 * np.exp(-distance / 0.004)
        )
    bright = np.clip(0.96 + 0.07 * relief, 0.7, 1.12)
    small = np.empty((*rise.shape, 3), np.float32)
    tops = 0.5 * max(light.horizon) + 0.5 * (
        250 if not light.lamps else max(light.horizon)
    )
    for c in range(3):
        blue = light.horizon[c] + (light.zenith[c] - light.horizon[c]) * rise
        white = (0.45 * light.horizon[c] + 0.55 * tops) * bright
        if light.cloud > 0.9:
            white = light.horizon[c] * (1.02 - 0.1 * rise) * bright
        shown = blue + (white - blue) * cover * (0.85 - 0.25 * (light.haze > 0.012))
        small[..., c] = shown + glow * (255 - 60 * c / 2)
    sky = np.clip(small, 0, 255).astype(np.uint8)
    canvas.image[:] = cv2.resize(
        sky, (camera.width, camera.height), interpolation=cv2.INTER_LINEAR
    )


def paint_backdrop(
    canvas: Canvas, camera: Camera, light: Conditions, backdrop: tuple[str, int]
) -> None:
    """Paint hills, trees or a skyline along the horizon; it never comes nearer."""
    word, seed = backdrop
    rng = np.random.default_rng(seed)
    base = camera.height + 2.0
    level = camera.v0 - 0.5
    unit = camera.focal
    left, right = -1.0, 1.0
    if word == "skyline":
        layers = [
            (BUILDING, (124, 122, 124), 0.055, 0.75),
            (BUILDING, (112, 104, 98), 0.035, 1.0),
        ]
    elif word == "trees":
        layers = [
            (VEGETATION, (78, 92, 62), 0.05, 0.8),
            (VEGETATION, (70, 88, 50), 0.032, 1.0),
        ]
    else:
        layers = [
            (VEGETATION, (104, 120, 92), 0.075, 0.5),
            (VEGETATION, (78, 96, 58), 0.028, 1.0),
        ]
    for k, (class_id, albedo, high, near) in enumerate(layers):
        if word == "skyline":
            steps = np.cumsum(rng.uniform(0.02, 0.08, 60))
            tops = high * rng.uniform(0.45, 1.35, 60)
            x = np.repeat(left + steps, 2)[1:]
            y = np.repeat(tops, 2)[:-1]
        else:
            x = np.linspace(left, right, 160)
            rough = 0.12 if word == "trees" else 0.02
            bumps = sum(
                np.sin(x * f + rng.uniform(0, 6)) / (1 + j)
                for j, f in enumerate((2.3, 5.9, 13.0))
            )
            y = high * (1 + 0.28 * bumps + rough * rng.standard_normal(160))
        u = camera.u0 + x * unit
        outline = np.stack([u, level - y * unit], -1)
        outline = np.concatenate([outline, [(u[-1], base), (u[0], base)]])
        colour = light.shade(albedo, _DISTANCE / near, 0.3)
        canvas.polygon(outline, colour, class_id)
        if word == "skyline" and k == 1:
            spots = np.stack(
                [rng.uniform(left, 1.0, 90), rng.uniform(0, 0.018, 90)], -1
            )
            box = np.array([(0, 0), (0.006, 0), (0.006, 0.006), (0, 0.006)])
            panes = (spots[:, None] + box) * (unit, -unit) + (camera.u0, level)
            glass = light.shade(
                (255, 206, 128) if light.lamps else (70, 76, 84),
                _DISTANCE,
                0.2,
                0.6 if light.lamps else 0.0,
            )
            canvas.polygons(panes, glass, None)
