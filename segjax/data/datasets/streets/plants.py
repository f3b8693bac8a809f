"""Trees and hedges."""

import numpy as np

from segjax.data.datasets.streets.camera import NEAR, Camera
from segjax.data.datasets.streets.canvas import Canvas, limb
from segjax.data.datasets.streets.classes import VEGETATION
from segjax.data.datasets.streets.conditions import Conditions
from segjax.data.datasets.streets.world import Thing

_BARK = (84, 70, 58)
_CLUMPS = 150


def paint_tree(
    canvas: Canvas,
    camera: Camera,
    light: Conditions,
    thing: Thing,
    d: float,
    s: float,
    time: float,
) -> None:
    """Paint a trunk and a crown with lit and dark leaves, or bare twigs."""
    if s < 1.5:
        return
    style, radius = thing.style, thing.style["radius"]
    form = style["form"]
    high = {"round": 0.95, "tall": 2.2, "cone": 2.4, "bare": 1.1}[form] * radius
    middle = style["trunk"] + (high if form != "cone" else 0.2 * high) * 0.85
    foot, top = camera.project(np.array([(d, 0, s), (d, middle, s)]))
    scale = camera.scale(s)
    reach = np.array([radius, high * 1.9]) * scale
    if not canvas.sees(
        np.stack([foot - reach, foot + reach, top - reach, top + reach])
    ):
        return
    rng = np.random.default_rng(thing.seed)
    bark = light.shade(_BARK, s, 0.35)
    girth = (0.07 + 0.055 * radius) * scale
    canvas.polygon(limb(foot, top, girth, 0.55 * girth), bark, VEGETATION)
    if form == "bare":
        _twigs(canvas, top, radius * scale, high * scale, bark, rng)
        return
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    lumps = 1 + 0.10 * rng.standard_normal(40)
    for k in (3, 5):
        lumps += 0.09 * rng.standard_normal() * np.cos(k * angles + rng.uniform(0, 6))
    x, y = np.cos(angles) * lumps, -np.sin(angles) * lumps
    if form == "cone":
        y = np.where(y < 0, y, y * 0.25)
        x = x * np.clip(1 + y, 0.06, 1) * (1 + 0.12 * np.cos(angles * 20))
    crown = top + np.stack([x * radius, y * high], -1) * scale
    sunny = max(0.25, light.facing(0, 0.6, -0.5))
    canvas.polygon(
        crown, light.shade(_scaled(style["leaf"], 0.62), s, 0.15), VEGETATION
    )
    number = int(np.clip(radius * scale * 2.2, 6, _CLUMPS))
    spread = np.sqrt(rng.random((_CLUMPS, 1))) * 0.84
    turn = rng.uniform(0, 2 * np.pi, _CLUMPS)
    centres = spread * np.stack([np.cos(turn), -np.sin(turn)], -1)
    if form == "cone":
        centres[:, 1] = np.where(centres[:, 1] < 0, centres[:, 1], 0.2 * centres[:, 1])
        centres[:, :1] *= np.clip(1 + centres[:, 1:], 0.06, 1) * 0.85
    leaf_angles = (
        rng.uniform(0, 2 * np.pi, (_CLUMPS, 1)) + np.linspace(0, 2 * np.pi, 7)[:-1]
    )
    sizes = rng.uniform(0.05, 0.15, (_CLUMPS, 6)) * (0.75 if form == "cone" else 1)
    tone = rng.random(_CLUMPS)
    leaf = np.stack([np.cos(leaf_angles) * sizes, np.sin(leaf_angles) * sizes], -1)
    clumps = (centres[:, None] + leaf) * np.array([radius, high]) * scale + top
    side = -light.sun[0] * centres[:, 0] + centres[:, 1] + 0.8 * (tone - 0.5)
    chosen = np.arange(_CLUMPS) < number
    for factor, facing, which in (
        (0.42, 0.05, side > 0.35),
        (0.92, 0.6 * sunny, (side <= 0.35) & (side > -0.4)),
        (1.18, 1.1 * sunny, side <= -0.4),
    ):
        colour = light.shade(_scaled(style["leaf"], factor), s, facing)
        canvas.polygons(clumps[which & chosen], colour, None)


def _twigs(
    canvas: Canvas,
    top: np.ndarray,
    radius: float,
    high: float,
    bark: tuple,
    rng: np.random.Generator,
) -> None:
    """A winter crown: the label fills it, as annotators do; the sky shows through."""
    turn = np.sort(rng.uniform(-0.15 * np.pi, 1.15 * np.pi, 26))
    reach = rng.uniform(0.75, 1.0, 26)
    tips = (
        top
        + np.stack([np.cos(turn) * radius, -np.sin(turn) * high], -1) * reach[:, None]
    )
    forks = top + (tips - top) * rng.uniform(0.3, 0.55, (26, 1))
    start = np.broadcast_to(top + (0, 0.3 * high), forks.shape)
    boughs = np.stack([start, forks, tips], 1)
    aside = rng.normal(0, 0.16, (26, 6, 2)) * (radius, high)
    twigs = np.stack(
        [np.repeat(forks, 6, 0), (tips[:, None] + aside).reshape(-1, 2)], 1
    )
    canvas.polygon(
        np.concatenate([tips, top[None] + (0, 0.3 * high)]), None, VEGETATION
    )
    canvas.lines(twigs, bark, VEGETATION, 1)
    canvas.lines(boughs, bark, VEGETATION, max(1.0, 0.03 * radius))


def paint_hedge(
    canvas: Canvas,
    camera: Camera,
    light: Conditions,
    thing: Thing,
    d: float,
    s: float,
    time: float,
) -> None:
    """Paint a stretch of clipped hedge."""
    far = s + thing.length
    if far <= NEAR:
        return
    near, side, tall = max(s, NEAR), np.sign(d), thing.style["tall"]
    rng = np.random.default_rng(thing.seed)
    steps = np.linspace(s, far, 9)
    edge = tall + 0.07 * rng.standard_normal(9)
    front = camera.project(
        np.concatenate(
            [
                np.stack([np.full(9, d), edge, steps], -1),
                [(d, 0, far), (d, 0, near)],
            ]
        )
    )
    if not canvas.sees(front):
        return
    leaf, middle = thing.style["leaf"], (near + far) / 2
    if s > NEAR:
        wide = side * 0.9
        end = np.array([(d, 0, s), (d, tall, s), (d + wide, tall, s), (d + wide, 0, s)])
        shade = light.shade(_scaled(leaf, 0.8), s, light.facing(0, 0, -1))
        canvas.polygon(camera.project(end), shade, VEGETATION)
    facing = light.facing(-side, 0.2, 0)
    canvas.polygon(front, light.shade(_scaled(leaf, 0.75), middle, facing), VEGETATION)
    number = int(np.clip(camera.scale(middle) * 1.6, 8, 120))
    along = s + 0.1 + rng.random(120) * (thing.length - 0.2)
    up = 0.08 + rng.random(120) * (tall - 0.2)
    corners = rng.uniform(-0.11, 0.11, (120, 5, 2))
    clumps = np.stack(
        [
            np.full((120, 5), d),
            np.clip(up[:, None] + corners[..., 0], 0, tall),
            along[:, None] + corners[..., 1],
        ],
        -1,
    )[:number]
    clumps = camera.project(clumps[along[:number] > NEAR + 0.3])
    half = len(clumps) // 2
    bright = light.shade(_scaled(leaf, 1.1), middle, facing + 0.15)
    canvas.polygons(clumps[:half], bright, None)
    canvas.polygons(clumps[half:], light.shade(_scaled(leaf, 0.5), middle, 0.1), None)


def _scaled(colour: tuple, factor: float) -> tuple:
    return tuple(c * factor for c in colour)
