"""Facades along the road, with the end wall that looks at the camera."""

import numpy as np

from segjax.data.datasets.streets import noise
from segjax.data.datasets.streets.camera import NEAR, Camera
from segjax.data.datasets.streets.canvas import Canvas
from segjax.data.datasets.streets.classes import BUILDING
from segjax.data.datasets.streets.conditions import Conditions
from segjax.data.datasets.streets.world import Thing

_STOREY = 3.1  # metres
_LIT = (255, 206, 128)


def paint(
    canvas: Canvas,
    camera: Camera,
    light: Conditions,
    thing: Thing,
    d: float,
    s: float,
    time: float,
) -> None:
    """Paint one building; see `render.PAINTERS` for the arguments."""
    style, far = thing.style, s + thing.length
    if far <= NEAR:
        return
    side, height, depth = np.sign(d), style["height"], style["depth"]
    roof_height = 0.0 if style["roof"] is None else min(4.2, 0.42 * depth)
    near = max(s, NEAR)
    wall = camera.project(_rectangle(d, near, far, 0.0, height))
    end = camera.project(
        np.array(
            [
                (d, 0, s),
                (d, height, s),
                (d + side * depth / 2, height + roof_height, s),
                (d + side * depth, height, s),
                (d + side * depth, 0, s),
            ]
        )
    )
    if not canvas.sees(np.concatenate([wall, end])):
        return
    rng = np.random.default_rng(thing.seed)
    middle = (near + min(far, near + 20)) / 2
    facing = light.facing(-side, 0, 0)
    walls = style["walls"]
    if s > NEAR:
        colour = light.shade(walls, s, light.facing(0, 0, -1))
        canvas.polygon(end, colour, BUILDING)
        _texture_end(canvas, camera, style, s, end, thing.seed)
        if rng.random() < 0.4:
            _end_windows(canvas, camera, light, style, d, s, side)
    if roof_height:
        slope = camera.project(
            np.array(
                [
                    (d - side * 0.3, height - 0.15, near),
                    (d - side * 0.3, height - 0.15, far),
                    (d + side * depth / 2, height + roof_height, far),
                    (d + side * depth / 2, height + roof_height, near),
                ]
            )
        )
        tilt = light.facing(-side * 0.64, 0.77, 0)
        canvas.polygon(slope, light.shade(style["roof"], middle, tilt), BUILDING)
        if rng.random() < 0.7:
            _chimney(canvas, camera, light, style, d, s, side, roof_height)
    canvas.polygon(wall, light.shade(walls, middle, facing), BUILDING)
    _texture(canvas, camera, style, d, s, near, far, wall, thing.seed)
    _facade(canvas, camera, light, thing, d, s, middle, facing, rng)
    trim = light.shade(style["trim"], middle, facing)
    cornice = _rectangle(d - side * 0.2, near, far, height - 0.45, height)
    canvas.polygon(camera.project(cornice), trim, BUILDING)


def _facade(
    canvas: Canvas,
    camera: Camera,
    light: Conditions,
    thing: Thing,
    d: float,
    s: float,
    middle: float,
    facing: float,
    rng: np.random.Generator,
) -> None:
    """Windows, doors and shop fronts on the wall along the road."""
    style, length = thing.style, thing.length
    floors = max(1, int((style["height"] - 0.7) / _STOREY))
    bays = max(1, round(length / rng.uniform(2.1, 3.4)))
    bay = length / bays
    lamps = light.lamps
    share = rng.uniform(0.1, 0.6) if lamps else 0.0
    glass = light.shade(style["glass"], middle, facing * 0.5)
    sky = light.shade(tuple(0.62 * c + 24 for c in light.horizon), middle, 0.3)
    lit = light.shade(_LIT, middle, 0, glow=0.85)
    frame = light.shade(style["trim"], middle, facing)
    first = 1 if style["shop"] is not None and floors > 1 else 0
    sill = {"holes": 0.95, "bands": 0.9, "curtain": 0.35}[style["pattern"]]
    tall = {"holes": 1.45, "bands": 1.5, "curtain": 2.45}[style["pattern"]]
    wide = {"holes": rng.uniform(0.36, 0.6), "bands": 0.98, "curtain": 0.86}[
        style["pattern"]
    ]
    columns, rows = np.meshgrid(np.arange(bays), np.arange(first, floors))
    columns, rows = columns.ravel(), rows.ravel()
    door = int(rng.integers(bays))
    state = rng.random((floors + 1, bays))[rows, columns]
    mid = s + (columns + 0.5) * bay
    keep = (mid + bay / 2 > NEAR + 0.2) & ~((rows == 0) & (columns == door))
    columns, rows, state, mid = columns[keep], rows[keep], state[keep], mid[keep]
    low = rows * _STOREY + sill
    half = 0.5 * wide * bay
    if style["pattern"] == "holes" and camera.scale(middle) > 4:
        around = _rectangles(
            d, mid - half - 0.09, mid + half + 0.09, low - 0.14, low + tall + 0.09
        )
        canvas.polygons(camera.project(around), frame, None)
    panes = camera.project(_rectangles(d, mid - half, mid + half, low, low + tall))
    is_lit = state < share
    mirrors = ~is_lit & (state > 0.72)
    canvas.polygons(panes[~is_lit & ~mirrors], glass, None)
    canvas.polygons(panes[mirrors], sky, None)
    canvas.polygons(panes[is_lit], lit, None)
    if style["pattern"] == "holes" and camera.scale(middle) > 9:
        bars = camera.project(
            np.stack(
                [
                    np.stack([np.full_like(mid, d), low, mid], -1),
                    np.stack([np.full_like(mid, d), low + tall, mid], -1),
                ],
                1,
            )
        )
        canvas.lines(bars, frame, None)
    if style["pattern"] == "bands" and camera.scale(middle) > 3:
        edge = light.shade(style["walls"], middle, facing * 0.6)
        bars = np.stack([panes[:, 0], panes[:, 3]], 1)
        canvas.lines(bars, edge, None)
    if first:
        _shop(canvas, camera, light, thing, d, s, middle, facing)
    else:
        at = s + (door + 0.5) * bay
        if at > NEAR + 1:
            colour = light.shade(
                style["shop"] or style["roof"] or (70, 56, 48), middle, facing
            )
            leaf = _rectangle(d, at - 0.55, at + 0.55, 0.0, 2.15)
            canvas.polygon(camera.project(leaf), colour, None)


def _shop(
    canvas: Canvas,
    camera: Camera,
    light: Conditions,
    thing: Thing,
    d: float,
    s: float,
    middle: float,
    facing: float,
) -> None:
    """Display windows under a coloured fascia, perhaps with an awning."""
    style, side = thing.style, np.sign(d)
    near, far = max(s, NEAR), s + thing.length
    colour = light.shade(style["shop"], middle, facing)
    panes = max(1, round(thing.length / 3.2))
    step = thing.length / panes
    mid = s + (np.arange(panes) + 0.5) * step
    mid = mid[mid + step / 2 > NEAR + 0.2]
    canvas.polygon(camera.project(_rectangle(d, near, far, 0.0, 2.75)), colour, None)
    glass = light.shade(
        _LIT if light.lamps else (58, 62, 66), middle, 0.2, 0.8 * light.lamps
    )
    windows = _rectangles(
        d, mid - 0.44 * step, mid + 0.44 * step, np.full_like(mid, 0.45), 2.5
    )
    canvas.polygons(camera.project(windows), glass, None)
    fascia = _rectangle(d - side * 0.15, near, far, 2.6, 3.25)
    canvas.polygon(camera.project(fascia), colour, None)
    letters = tuple(min(255, int(c * 0.4) + 140) for c in style["shop"])
    word = _rectangle(
        d - side * 0.16, s + 0.3 * thing.length, s + 0.7 * thing.length, 2.8, 3.05
    )
    if s + 0.3 * thing.length > NEAR:
        canvas.polygon(camera.project(word), light.shade(letters, middle, facing), None)
    if thing.seed % 3 == 0 and near > 2:
        awning = np.array(
            [
                (d, 2.75, near),
                (d, 2.75, far),
                (d - side * 1.1, 2.2, far),
                (d - side * 1.1, 2.2, near),
            ]
        )
        canvas.polygon(
            camera.project(awning),
            light.shade(letters, middle, light.facing(0, 1, 0)),
            BUILDING,
        )


def _end_windows(
    canvas: Canvas,
    camera: Camera,
    light: Conditions,
    style: dict,
    d: float,
    s: float,
    side: float,
) -> None:
    floors = max(1, int((style["height"] - 0.7) / _STOREY))
    columns, rows = np.meshgrid(np.arange(2), np.arange(floors))
    mid = np.abs(d) + (columns.ravel() + 0.5) * style["depth"] / 2
    low = rows.ravel() * _STOREY + 1.0
    corners = [(-0.5, 0.0), (0.5, 0.0), (0.5, 1.4), (-0.5, 1.4)]
    points = np.stack(
        [
            np.stack([side * (mid + x), low + y, np.full_like(mid, s)], -1)
            for x, y in corners
        ],
        1,
    )
    canvas.polygons(camera.project(points), light.shade(style["glass"], s, 0.2), None)


def _chimney(
    canvas: Canvas,
    camera: Camera,
    light: Conditions,
    style: dict,
    d: float,
    s: float,
    side: float,
    roof_height: float,
) -> None:
    at = s + 1.2
    if at <= NEAR:
        return
    middle, top = d + side * style["depth"] * 0.42, style["height"] + roof_height
    stack = np.array(
        [
            (middle - 0.45, top - 1.0, at),
            (middle - 0.45, top + 1.1, at),
            (middle + 0.45, top + 1.1, at),
            (middle + 0.45, top - 1.0, at),
        ]
    )
    canvas.polygon(
        camera.project(stack),
        light.shade(style["walls"], at, light.facing(0, 0, -1)),
        BUILDING,
    )


def _texture(
    canvas: Canvas,
    camera: Camera,
    style: dict,
    d: float,
    s: float,
    near: float,
    far: float,
    wall: np.ndarray,
    seed: int,
) -> None:
    """Stains and bricks on a facade that is large in view: each column is one `s`."""
    height, width = canvas.label.shape
    left, right = max(0, int(wall[:, 0].min())), min(width, int(wall[:, 0].max()) + 1)
    top, bottom = max(0, int(wall[:, 1].min())), min(height, int(wall[:, 1].max()) + 1)
    if right - left < 0.04 * width or bottom - top < 4:
        return
    ratio = (np.arange(left, right) + 0.5 - camera.u0) / camera.focal
    distance = (d - camera.d) / np.where(np.abs(ratio) < 1e-3, 1e-3, ratio)
    distance = np.clip(distance, near, far).astype(np.float32)[None]
    v = (camera.v0 - np.arange(top, bottom) - 0.5).astype(np.float32)[:, None]
    y = v / camera.focal * distance + camera.y
    along = distance - s
    factor = 1 + 0.05 * noise.sample(noise.cloud(), along * 11 + seed % 256, y * 11)
    pixel = distance / camera.focal
    fade = np.clip(0.05 / pixel, 0, 1)
    factor += 0.035 * fade * noise.sample(noise.grain(), along * 40, y * 40)
    if style["brick"]:
        course = np.clip(1 - np.abs(np.mod(y, 0.3) - 0.15) / (0.02 + 0.5 * pixel), 0, 1)
        factor -= 0.16 * course * np.clip(0.12 / pixel, 0, 1)
    _multiply(canvas, (top, bottom, left, right), wall, factor)


def _texture_end(
    canvas: Canvas, camera: Camera, style: dict, s: float, end: np.ndarray, seed: int
) -> None:
    height, width = canvas.label.shape
    left, right = max(0, int(end[:, 0].min())), min(width, int(end[:, 0].max()) + 1)
    top, bottom = max(0, int(end[:, 1].min())), min(height, int(end[:, 1].max()) + 1)
    if right - left < 0.04 * width or bottom - top < 4:
        return
    x = (np.arange(left, right, dtype=np.float32)[None] - camera.u0) * (
        s / camera.focal
    )
    y = (camera.v0 - np.arange(top, bottom, dtype=np.float32)[:, None]) * (
        s / camera.focal
    )
    factor = 1 + 0.06 * noise.sample(noise.cloud(), x * 11 + seed % 256, y * 11)
    if style["brick"]:
        pixel = s / camera.focal
        course = np.clip(1 - np.abs(np.mod(y, 0.3) - 0.15) / (0.02 + 0.5 * pixel), 0, 1)
        factor -= 0.14 * course * min(1.0, 0.12 / pixel)
    _multiply(canvas, (top, bottom, left, right), end, factor)


def _multiply(
    canvas: Canvas,
    box: tuple[int, int, int, int],
    polygon: np.ndarray,
    factor: np.ndarray,
) -> None:
    """Multiply the image by `factor` within a polygon that lies in `box`."""
    top, bottom, left, right = box
    mask = canvas.mask(polygon - (left, top), (bottom - top, right - left))
    patch = canvas.image[top:bottom, left:right]
    gain = np.where(mask, factor, 1).astype(np.float32)
    patch[:] = np.minimum(patch * gain[..., None], 255).astype(np.uint8)


def _rectangle(
    d: float, near: float, far: float, low: float, high: float
) -> np.ndarray:
    return np.array([(d, low, near), (d, high, near), (d, high, far), (d, low, far)])


def _rectangles(
    d: float, near: np.ndarray, far: np.ndarray, low: np.ndarray, high
) -> np.ndarray:
    """`(N, 4, 3)` rectangles in the plane `d`."""
    near, far = np.maximum(near, NEAR), np.maximum(far, NEAR)
    high = np.broadcast_to(high, low.shape)
    plane = np.full_like(near, d)
    corners = [(low, near), (high, near), (high, far), (low, far)]
    return np.stack([np.stack([plane, y, s], -1) for y, s in corners], 1)
