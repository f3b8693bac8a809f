"""Facades along the road, with the end wall that looks at the camera."""

import dataclasses

import numpy as np

from segjax.data.datasets.streets import noise
from segjax.data.datasets.streets.camera import NEAR, Camera
from segjax.data.datasets.streets.canvas import Canvas, fixed
from segjax.data.datasets.streets.classes import BUILDING
from segjax.data.datasets.streets.conditions import Conditions
from segjax.data.datasets.streets.world import Thing

_STOREY = 3.1  # metres
_LIT = (255, 206, 128)

# pattern of windows -> (height of the sill, height of the glass), metres
_WINDOWS = {"holes": (0.95, 1.45), "bands": (0.9, 1.5), "curtain": (0.35, 2.45)}


@dataclasses.dataclass(frozen=True)
class _Wall:
    """The facade that is being painted, and what to paint it with.

    Attributes:
      canvas, camera, light: as given to `paint`.
      style: of the building.
      d, s, length: metres; `side` is -1 left and 1 right of the road.
      distance: metres, for the haze.
      facing: cosine to the sun.
      seed: of the details.
    """

    canvas: Canvas
    camera: Camera
    light: Conditions
    style: dict
    d: float
    s: float
    length: float
    side: float
    distance: float
    facing: float
    seed: int

    def shade(self, albedo: tuple, share: float = 1.0, glow: float = 0.0) -> tuple:
        """Colour of a part of the wall that gets `share` of the wall's sun."""
        return self.light.shade(albedo, self.distance, self.facing * share, glow)

    def panel(self, near, far, low, high, colour: tuple, out: float = 0.0) -> None:
        """Fill a rectangle, `out` metres before the wall; no new label."""
        corners = _rectangle(self.d - self.side * out, near, far, low, high)
        self.canvas.polygon(self.camera.project(corners), colour, None)


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
    style, near, far = thing.style, max(s, NEAR), s + thing.length
    if far <= NEAR + 0.1:
        return
    side, height, depth = (1.0 if d > 0 else -1.0), style["height"], style["depth"]
    ridge = height + (0.0 if style["roof"] is None else min(4.2, 0.42 * depth))
    middle, back = d + side * depth / 2, d + side * depth
    points = np.array(
        [
            *_rectangle(d, near, far, 0.0, height),  # 0..3 the wall along the road
            (d, 0, s),  # 4..8 the end wall
            (d, height, s),
            (middle, ridge, s),
            (back, height, s),
            (back, 0, s),
            (d - side * 0.3, height - 0.15, near),  # 9..12 the slope of the roof
            (d - side * 0.3, height - 0.15, far),
            (middle, ridge, far),
            (middle, ridge, near),
            *_rectangle(d - side * 0.2, near, far, height - 0.45, height),  # 13..16
        ]
    )
    pixels = camera.project(points)
    if not canvas.sees(pixels):
        return
    at = fixed(pixels)
    distance = (near + min(far, near + 20)) / 2
    facing = light.facing(-side, 0.0, 0.0)
    wall = _Wall(
        canvas,
        camera,
        light,
        style,
        d,
        s,
        thing.length,
        side,
        distance,
        facing,
        thing.seed,
    )
    if s > NEAR:
        shade = light.shade(style["walls"], s, light.facing(0.0, 0.0, -1.0))
        canvas.polygon(at[4:9], shade, BUILDING)
        _weather_end(wall, pixels[4:9], thing.seed)
        if thing.seed % 5 < 2:
            _end_windows(wall)
    if style["roof"] is not None:
        tilt = light.facing(-side * 0.64, 0.77, 0.0)
        canvas.polygon(at[9:13], light.shade(style["roof"], distance, tilt), BUILDING)
        if thing.seed % 10 < 7:
            _chimney(wall, middle - side * 0.1 * depth, ridge)
    canvas.polygon(at[:4], wall.shade(style["walls"]), BUILDING)
    _weather(wall, pixels[:4], thing.seed)
    if (width := abs(pixels[0, 0] - pixels[3, 0])) > 2:
        _windows(wall, width)
        canvas.polygon(at[13:], wall.shade(style["trim"]), BUILDING)


def _windows(wall: _Wall, width: float) -> None:
    """Windows and the door or shop front of a wall `width` pixels wide."""
    style, canvas = wall.style, wall.canvas
    rng = np.random.default_rng(wall.seed)
    floors = max(1, int((style["height"] - 0.7) / _STOREY))
    bays = max(1, round(wall.length / rng.uniform(2.1, 3.4)))
    bay, door = wall.length / bays, int(rng.integers(bays))
    first = 1 if style["shop"] is not None and floors > 1 else 0
    pattern = style["pattern"]
    wide = {"holes": rng.uniform(0.36, 0.6), "bands": 0.98, "curtain": 0.86}[pattern]
    if width > 1.3 * bays:
        sill, tall = _WINDOWS[pattern]
        state = rng.random((floors, bays))[first:].ravel()
        rows = np.repeat(np.arange(first, floors), bays)
        columns = np.tile(np.arange(bays), floors - first)
        mid = wall.s + (columns + 0.5) * bay
        keep = (mid + bay / 2 > NEAR + 0.2) & ((rows > 0) | (columns != door))
        state, mid, low = state[keep], mid[keep], rows[keep] * _STOREY + sill
        half = 0.5 * wide * bay
        scale = wall.camera.scale(wall.distance)
        if pattern == "holes" and scale > 6:
            frame = 0.09
            around = _rectangles(
                wall.d, mid - half - frame, mid + half + frame, low - 0.14, tall + 0.23
            )
            pixels = fixed(wall.camera.project(around))
            canvas.polygons(pixels, wall.shade(style["trim"]), None)
        panes = wall.camera.project(
            _rectangles(wall.d, mid - half, mid + half, low, tall)
        )
        at = fixed(panes)
        lit = state < (rng.uniform(0.1, 0.6) if wall.light.lamps else 0.0)
        mirrors = ~lit & (state > 0.72)
        sky = tuple(0.62 * c + 24 for c in wall.light.horizon)
        canvas.polygons(at[~lit & ~mirrors], wall.shade(style["glass"], 0.5), None)
        canvas.polygons(at[mirrors], wall.shade(sky, 0.5), None)
        canvas.polygons(at[lit], wall.shade(_LIT, 0.0, glow=0.85), None)
        if pattern == "holes" and scale > 12:
            bars = np.stack([panes[:, [0, 3]].mean(1), panes[:, [1, 2]].mean(1)], 1)
            canvas.lines(bars, wall.shade(style["trim"]), None)
        elif pattern == "bands" and scale > 4:
            canvas.lines(at[:, :2], wall.shade(style["walls"], 0.6), None)
    if first:
        _shop(wall)
    elif (middle := wall.s + (door + 0.5) * bay) > NEAR + 1:
        colour = wall.shade(style["shop"] or style["roof"] or (70, 56, 48))
        wall.panel(middle - 0.55, middle + 0.55, 0.0, 2.15, colour)


def _shop(wall: _Wall) -> None:
    """Display windows under a coloured fascia, perhaps with an awning."""
    paint, s, length = wall.style["shop"], wall.s, wall.length
    near, far = max(s, NEAR), s + length
    colour = wall.shade(paint)
    count = max(1, round(length / 3.2))
    step = length / count
    mid = s + (np.arange(count) + 0.5) * step
    mid = mid[mid + step / 2 > NEAR + 0.2]
    wall.panel(near, far, 0.0, 2.75, colour)
    lamps = wall.light.lamps
    glass = wall.shade(_LIT if lamps else (58, 62, 66), 0.5, 0.8 if lamps else 0.0)
    low = np.full_like(mid, 0.45)
    panes = _rectangles(wall.d, mid - 0.44 * step, mid + 0.44 * step, low, 2.05)
    wall.canvas.polygons(wall.camera.project(panes), glass, None)
    fascia = _rectangle(wall.d - wall.side * 0.15, near, far, 2.6, 3.25)
    wall.canvas.polygon(wall.camera.project(fascia), colour, BUILDING)
    pale = wall.shade(tuple(min(255, int(c * 0.4) + 140) for c in paint))
    if s + 0.3 * length > NEAR:
        wall.panel(s + 0.3 * length, s + 0.7 * length, 2.8, 3.05, pale, out=0.16)
    if wall.seed % 3 == 0 and near > 2:
        out = wall.d - wall.side * 1.1
        awning = np.array(
            [
                (wall.d, 2.75, near),
                (wall.d, 2.75, far),
                (out, 2.2, far),
                (out, 2.2, near),
            ]
        )
        wall.canvas.polygon(wall.camera.project(awning), pale, BUILDING)


def _end_windows(wall: _Wall) -> None:
    floors = max(1, int((wall.style["height"] - 0.7) / _STOREY))
    half_wall = wall.style["depth"] / 2
    x = np.tile([0.5 * half_wall, 1.5 * half_wall], floors)
    y = np.repeat(np.arange(floors) * _STOREY + 1.0, 2)
    corners = np.array([(-0.5, 0.0), (0.5, 0.0), (0.5, 1.4), (-0.5, 1.4)])
    points = np.empty((2 * floors, 4, 3))
    points[..., 0] = wall.d + wall.side * (x[:, None] + corners[:, 0])
    points[..., 1] = y[:, None] + corners[:, 1]
    points[..., 2] = wall.s
    glass = wall.light.shade(wall.style["glass"], wall.s, 0.2)
    wall.canvas.polygons(wall.camera.project(points), glass, None)


def _chimney(wall: _Wall, d: float, top: float) -> None:
    s = wall.s + 1.2
    if s <= NEAR:
        return
    low, high = top - 1.0, top + 1.1
    stack = [
        (d - 0.45, low, s),
        (d - 0.45, high, s),
        (d + 0.45, high, s),
        (d + 0.45, low, s),
    ]
    colour = wall.light.shade(wall.style["walls"], s, wall.light.facing(0.0, 0.0, -1.0))
    wall.canvas.polygon(wall.camera.project(np.array(stack)), colour, BUILDING)


def _weather(wall: _Wall, outline: np.ndarray, seed: int) -> None:
    """Stains and bricks of the wall along the road: a column of pixels is one `s`."""
    box = _box(wall.canvas, outline)
    if box is None:
        return
    top, bottom, left, right = box
    camera = wall.camera
    ratio = (np.arange(left, right) + 0.5 - camera.u0) / camera.focal
    ratio = np.where(np.abs(ratio) < 1e-3, 1e-3, ratio)
    distance = np.clip((wall.d - camera.d) / ratio, NEAR, wall.s + wall.length)
    distance = distance.astype(np.float32)[None]
    v = (camera.v0 - np.arange(top, bottom) - 0.5).astype(np.float32)[:, None]
    y = v / camera.focal * distance + camera.y
    factor = _surface(wall.style, distance - wall.s, y, distance / camera.focal, seed)
    _multiply(wall.canvas, box, outline, factor)


def _weather_end(wall: _Wall, outline: np.ndarray, seed: int) -> None:
    """The same of the end wall, which is seen without perspective."""
    box = _box(wall.canvas, outline)
    if box is None:
        return
    top, bottom, left, right = box
    pixel = np.float32(wall.s / wall.camera.focal)
    x = (np.arange(left, right, dtype=np.float32)[None] - outline[0, 0]) * pixel
    y = (outline[0, 1] - np.arange(top, bottom, dtype=np.float32)[:, None]) * pixel
    pixel = np.full_like(x, pixel)
    factor = _surface(wall.style, x, y.astype(np.float32), pixel, seed)
    _multiply(wall.canvas, box, outline, factor)


def _surface(
    style: dict, x: np.ndarray, y: np.ndarray, pixel: np.ndarray, seed: int
) -> np.ndarray:
    """Factor on the colour at `(x, y)` metres on a wall, seen at metres per `pixel`."""
    factor = noise.sample(noise.cloud(), x * 11 + seed % 256, y * 11)
    factor *= 0.055
    factor += 1
    if style["brick"]:
        row = y * (1 / 0.3)
        row -= np.floor(row)
        course = np.clip(1 - np.abs(row - 0.5) * (0.3 / (0.02 + 0.5 * pixel)), 0, 1)
        factor -= course * (0.16 * np.clip(0.12 / pixel, 0, 1))
    return factor


def _box(canvas: Canvas, outline: np.ndarray) -> tuple[int, int, int, int] | None:
    """The part of the canvas round an outline, or None where it is small."""
    height, width = canvas.label.shape
    low, high = outline.min(0), outline.max(0)
    left, right = max(0, int(low[0])), min(width, int(high[0]) + 1)
    top, bottom = max(0, int(low[1])), min(height, int(high[1]) + 1)
    if right - left < 0.05 * width or bottom - top < 4:
        return None
    return top, bottom, left, right


def _multiply(
    canvas: Canvas,
    box: tuple[int, int, int, int],
    outline: np.ndarray,
    factor: np.ndarray,
) -> None:
    """Multiply the image by `factor` within an outline that lies in `box`."""
    top, bottom, left, right = box
    mask = canvas.mask(outline - (left, top), (bottom - top, right - left))
    np.copyto(factor, np.float32(1), where=mask == 0)
    patch = canvas.image[top:bottom, left:right]
    patch[:] = np.minimum(patch * factor[..., None], 255)


def _rectangle(
    d: float, near: float, far: float, low: float, high: float
) -> np.ndarray:
    return np.array([(d, low, near), (d, high, near), (d, high, far), (d, low, far)])


def _rectangles(
    d: float, near: np.ndarray, far: np.ndarray, low: np.ndarray, tall: float
) -> np.ndarray:
    """`(N, 4, 3)` rectangles in the plane `d`, `tall` metres high."""
    points = np.empty((len(near), 4, 3))
    points[..., 0] = d
    points[:, [0, 3], 1] = low[:, None]
    points[:, 1:3, 1] = low[:, None] + tall
    points[:, :2, 2] = np.maximum(near, NEAR)[:, None]
    points[:, 2:, 2] = np.maximum(far, NEAR)[:, None]
    return points
