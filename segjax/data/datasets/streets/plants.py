"""Trees and hedges."""

import functools

import numpy as np

from segjax.data.datasets.streets.camera import NEAR, Camera
from segjax.data.datasets.streets.canvas import Canvas, circle, fixed, limb
from segjax.data.datasets.streets.classes import VEGETATION
from segjax.data.datasets.streets.conditions import Conditions
from segjax.data.datasets.streets.world import Thing

_BARK = (84, 70, 58)
_CLUMPS = 420
_SHAPES = 32  # different crowns of each form
_HIGH = {"round": 0.95, "tall": 2.2, "cone": 2.4, "bare": 1.15}  # in crown radii


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
    high = _HIGH[form] * radius
    middle = style["trunk"] + (high if form != "cone" else 0.2 * high) * 0.85
    foot, top = camera.project(np.array([(d, 0, s), (d, middle, s)]))
    m = camera.scale(s)
    extent = np.array([radius, high]) * m
    if not canvas.sees(np.stack([foot - extent, foot + extent, top - 1.2 * extent])):
        return
    bark = light.shade(_BARK, s, 0.35)
    girth = (0.07 + 0.055 * radius) * m
    canvas.polygon(limb(foot, top, girth, 0.55 * girth), bark, VEGETATION)
    if form == "bare":
        outline, boughs, twigs = _twigs(thing.seed % _SHAPES)
        canvas.polygon(top + outline * extent, None, VEGETATION)
        faint = light.shade(tuple(0.55 * c + 70 for c in _BARK), s + 20, 0.35)
        if extent[0] > 9:
            canvas.lines(top + twigs * extent, faint, None)
        thick = max(1.0, 0.03 * extent[0])
        canvas.lines(top + boughs * extent, bark if thick > 1 else faint, None, thick)
        return
    outline, clumps, side = _crown(form, thing.seed % _SHAPES)
    dark = light.shade(_scaled(style["leaf"], 0.62), s, 0.15)
    if extent[0] < 5:  # pixels
        outline = outline[::3]
    canvas.polygon(top + outline * extent, dark, VEGETATION)
    number = int(min(_CLUMPS, max(6, 2.2 * extent[0])))
    if extent[0] < 2:
        return
    leaves = fixed(top + clumps[:number] * extent)
    # clumps are turned to the sun by the share of it that comes from the right
    lit = side[:number, 0] * -light.sun[0] + side[:number, 1]
    sunny = max(0.25, light.facing(0.0, 0.6, -0.5))
    for factor, facing, which in (
        (0.42, 0.05, lit > 0.35),
        (0.92, 0.6 * sunny, (lit <= 0.35) & (lit > -0.4)),
        (1.18, 1.1 * sunny, lit <= -0.4),
    ):
        colour = light.shade(_scaled(style["leaf"], factor), s, facing)
        canvas.polygons(leaves[which], colour, None)


@functools.lru_cache(maxsize=4 * _SHAPES)
def _crown(form: str, shape: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outline `(40, 2)`, clumps of leaves `(M, 6, 2)`, and `(M, 2)` where they look."""
    rng = np.random.default_rng((11, shape))
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    lumps = 1 + 0.10 * rng.standard_normal(40)
    for k in (3, 5):
        lumps += 0.09 * rng.standard_normal() * np.cos(k * angles + rng.uniform(0, 6))
    outline = np.stack([np.cos(angles) * lumps, -np.sin(angles) * lumps], -1)
    spread = np.sqrt(rng.random((_CLUMPS, 1))) * 0.84
    turn = rng.uniform(0, 2 * np.pi, _CLUMPS)
    centres = spread * np.stack([np.cos(turn), -np.sin(turn)], -1)
    if form == "cone":
        for points in (outline, centres):
            points[:, 1] = np.where(points[:, 1] < 0, points[:, 1], points[:, 1] * 0.25)
            points[:, 0] *= np.clip(1 + points[:, 1], 0.06, 1)
        outline[:, 0] *= 1 + 0.12 * np.cos(angles * 20)
        centres[:, 0] *= 0.85
    turns = rng.uniform(0, 2 * np.pi, (_CLUMPS, 1)) + np.linspace(0, 2 * np.pi, 7)[:-1]
    sizes = rng.uniform(0.05, 0.15, (_CLUMPS, 6)) * (0.75 if form == "cone" else 1)
    sizes[90:] *= 0.45  # the later ones are drawn on large trees alone
    leaf = np.stack([np.cos(turns) * sizes, np.sin(turns) * sizes], -1)
    side = np.stack(
        [centres[:, 0], centres[:, 1] + 0.8 * (rng.random(_CLUMPS) - 0.5)], -1
    )
    return outline, centres[:, None] + leaf, side


@functools.lru_cache(maxsize=_SHAPES)
def _twigs(shape: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A winter crown: outline, boughs `(26, 3, 2)` and twigs `(M, 2, 2)`.

    The label fills the outline, as annotators do; the sky shows through in the image.
    """
    rng = np.random.default_rng((12, shape))
    turn = np.sort(rng.uniform(-0.12 * np.pi, 1.12 * np.pi, 26))
    reach = rng.uniform(0.75, 1.0, (26, 1))
    tips = np.stack([np.cos(turn), -np.sin(turn)], -1) * reach
    fork = np.array([0.0, 0.35])
    elbows = fork + (tips - fork) * rng.uniform(0.35, 0.6, (26, 1)) + (0, -0.08)
    boughs = np.stack([np.broadcast_to(fork, tips.shape), elbows, tips], 1)
    ends = tips[:, None] * rng.uniform(0.8, 1.0, (26, 5, 1)) + rng.normal(
        0, 0.1, (26, 5, 2)
    )
    twigs = np.stack([np.repeat(elbows, 5, 0), ends.reshape(-1, 2)], 1)
    return np.concatenate([tips, fork[None]]), boughs, twigs


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
    rough, along, up, corners = _leaves(thing.seed % _SHAPES)
    top = np.empty((11, 3))
    top[:9, 0], top[9:, 0] = d, d
    top[:9, 1], top[9:, 1] = tall + rough, 0
    top[:9, 2], top[9:, 2] = np.linspace(s, far, 9), (far, near)
    front = camera.project(top)
    if not canvas.sees(front):
        return
    leaf, middle = thing.style["leaf"], (near + far) / 2
    if s > NEAR:
        wide = side * 0.9
        end = np.array([(d, 0, s), (d, tall, s), (d + wide, tall, s), (d + wide, 0, s)])
        shade = light.shade(_scaled(leaf, 0.8), s, light.facing(0.0, 0.0, -1.0))
        canvas.polygon(camera.project(end), shade, VEGETATION)
    facing = light.facing(-side, 0.2, 0.0)
    canvas.polygon(front, light.shade(_scaled(leaf, 0.75), middle, facing), VEGETATION)
    number = int(min(len(along), max(8, camera.scale(middle) * 1.6)))
    at = s + 0.1 + along[:number] * (thing.length - 0.2)
    y = 0.08 + up[:number] * (tall - 0.2)
    clumps = np.empty((number, 5, 3))
    clumps[..., 0] = d
    clumps[..., 1] = np.clip(y[:, None] + corners[:number, :, 0], 0, tall)
    clumps[..., 2] = at[:, None] + corners[:number, :, 1]
    pixels = fixed(camera.project(clumps[at > NEAR + 0.3]))
    half = len(pixels) // 2
    bright = light.shade(_scaled(leaf, 1.1), middle, facing + 0.15)
    canvas.polygons(pixels[:half], bright, None)
    canvas.polygons(pixels[half:], light.shade(_scaled(leaf, 0.5), middle, 0.1), None)


@functools.lru_cache(maxsize=_SHAPES)
def _leaves(shape: int) -> tuple[np.ndarray, ...]:
    """Of a hedge: unevenness of the top, and places and corners of clumps."""
    rng = np.random.default_rng((13, shape))
    size = rng.uniform(0.05, 0.13, (120, 5, 1))
    return (
        0.07 * rng.standard_normal(9),
        rng.random(120),
        rng.random(120),
        size * circle(5) * rng.uniform(0.6, 1.3, (120, 5, 2)),
    )


def _scaled(colour: tuple, factor: float) -> tuple:
    return tuple(c * factor for c in colour)
