"""Road, sidewalks and lots: computed for each pixel, as the ground is one plane."""

import cv2
import numpy as np

from segjax.data.datasets.streets import noise
from segjax.data.datasets.streets.camera import Camera
from segjax.data.datasets.streets.canvas import Canvas, fixed
from segjax.data.datasets.streets.classes import ROAD, SIDEWALK, VEGETATION
from segjax.data.datasets.streets.conditions import Conditions
from segjax.data.datasets.streets.world import BEHIND, LANE, PERIOD, World

FURTHEST = PERIOD - BEHIND
_KERB = 0.22  # metres
_CORNER = 60.0  # metres that a cross street runs to either side
_PAINT = 205.0  # albedo of lane marks
_TURN = 256 / PERIOD  # noise is sampled at multiples of it, so that the world repeats


def paint(
    canvas: Canvas,
    camera: Camera,
    world: World,
    light: Conditions,
    travelled: float,
    shadow: np.ndarray,
    lamps: list[tuple[float, float]],
) -> None:
    """Paint the ground below the horizon.

    Args:
      canvas: painted on in place.
      camera: the view.
      world: the scene.
      light: the conditions.
      travelled: metres that the camera has driven since time 0.
      shadow: uint8 `(H, W)`, 255 in cast shadow.
      lamps: `(d, s)` of the lit street lamps.
    """
    top, s = camera.ground_rows(FURTHEST)
    if top == camera.height:
        return
    d = camera.ground_d(s)
    along = s + np.float32(travelled % PERIOD)
    zone, classes, albedo = _zones(world, d, along)
    canvas.label[top:] = cv2.LUT(zone, _table(classes).astype(np.uint8))
    pixel = s / camera.focal  # metres per pixel sideways
    depth = s * pixel / camera.y  # and along the road
    grain = noise.sample(noise.grain(), d * 22 + world.seed % 251, along * _TURN * 20)
    marks = _marks(world, d, along, pixel, depth, grain)
    detail = _detail(world, d, along, zone, depth, grain)
    sun, extra = _light(light, s, d, shadow[top:], lamps)
    clear = np.exp(-light.haze * s)
    for c in range(3):
        plane = cv2.LUT(zone, _table(albedo[:, c]))
        plane *= detail
        plane += marks * (_PAINT - plane)
        plane *= light.sun_light[c] * sun + extra + light.ambient[c]
        np.minimum(plane, 255.0, out=plane)
        plane *= clear
        plane += (1 - clear) * light.horizon[c]
        canvas.image[top:, :, c] = plane


def _table(values: np.ndarray) -> np.ndarray:
    """Values by zone, as `cv2.LUT` wants them."""
    table = np.zeros(256, np.float32)
    table[: len(values)] = values
    return table


def _zones(
    world: World, d: np.ndarray, along: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Zone of each pixel, class of each zone, RGB albedo of each zone."""
    left, right = world.sides
    edges = (
        -left.walk,
        -left.road - max(left.verge, _KERB),
        -left.road - _KERB,
        -left.road,
        right.road,
        right.road + _KERB,
        right.road + max(right.verge, _KERB),
        right.walk,
    )
    zone = np.zeros(d.shape, np.uint8)
    for edge in edges:
        zone += d > edge
    kerb = tuple(min(255, c + 26) for c in world.walk)
    green = ((96, 116, 60), (96, 116, 60))
    albedo = [
        left.lot,
        world.walk,
        green[0],
        kerb,
        world.road,
        kerb,
        green[1],
        world.walk,
        right.lot,
    ]
    lots = [VEGETATION if side.green else SIDEWALK for side in world.sides]
    classes = [
        lots[0],
        SIDEWALK,
        VEGETATION,
        SIDEWALK,
        ROAD,
        SIDEWALK,
        VEGETATION,
        SIDEWALK,
        lots[1],
    ]
    where = np.mod(along[:, 0], PERIOD)
    for near, far in world.crossings:
        inside = (where > near) & (where < far)
        if inside.any():
            zone[inside] = np.where(np.abs(d[inside]) < _CORNER, 4, zone[inside])
            for edge in (near, far):  # the sidewalk turns the corner
                turn = (np.abs(where - edge) < 2.2) & ~inside
                rows = zone[turn]
                zone[turn] = np.where(rows == 0, 1, np.where(rows == 8, 7, rows))
    return zone, np.array(classes, np.uint8), np.array(albedo, np.float32)


def _marks(
    world: World,
    d: np.ndarray,
    along: np.ndarray,
    pixel: np.ndarray,
    depth: np.ndarray,
    grain: np.ndarray,
) -> np.ndarray:
    """Coverage by white paint, float32 0..1."""
    left, right = world.sides
    where = np.mod(along, PERIOD)  # `(h, 1)`: all rows of a cross street at once
    open_road = np.ones_like(where)
    for near, far in world.crossings:
        open_road *= (where < near - 1.5) | (where > far + 1.5)
    dashed = open_road * _band(np.mod(along, 6.0), 1.5, 1.5, depth)
    marks = np.zeros(d.shape, np.float32)
    for lane in range(-world.lanes_left, world.lanes_right):
        at = (lane + 0.5) * LANE
        middle = lane == -1 and world.lanes_left > 1
        marks += _band(d, at, 0.07, pixel) * (open_road if middle else dashed)
    if world.seed % 3:
        for at in (-left.road + 0.3, right.road - 0.3):
            marks += _band(d, at, 0.06, pixel) * open_road
    for near in world.zebras:
        rows = (np.abs(where - near - 1.75) < 1.75 + depth)[:, 0]
        if rows.any():
            x = d[rows]
            stripes = _band(x / 1.1 - np.floor(x / 1.1), 0.5, 0.25, pixel[rows] / 1.1)
            stripes *= (x > -left.road) & (x < right.road)
            marks[rows] += stripes * _band(where[rows], near + 1.75, 1.75, depth[rows])
    for near, _ in world.crossings:
        stop = (d > -0.5 * LANE) & (d < right.road)
        marks += stop * _band(where, near - 0.8, 0.2, depth)
    np.minimum(marks, 1, out=marks)
    return marks * np.clip(0.82 + 0.12 * grain, 0, 1)


def _band(x: np.ndarray, middle: float, half: float, pixel: np.ndarray) -> np.ndarray:
    """Share of each pixel within `half` of `middle`."""
    inside = (half - np.abs(x - middle)) / pixel + 0.5
    return np.clip(inside, 0, np.minimum(1, 2 * half / pixel)).astype(np.float32)


def _detail(
    world: World,
    d: np.ndarray,
    along: np.ndarray,
    zone: np.ndarray,
    depth: np.ndarray,
    grain: np.ndarray,
) -> np.ndarray:
    """Factor on the albedo: grain, blotches, tyre tracks, repairs, flagstones."""
    blotch = noise.sample(noise.cloud(), d * 6 + world.seed % 251, along * _TURN * 4)
    fade = np.clip(0.09 / np.maximum(depth, 0.02), 0.15, 1.0)
    rough = np.full(9, 0.055, np.float32)
    rough[[2, 6]] = 0.12
    for k, side in zip((0, 8), world.sides, strict=True):
        rough[k] = 0.12 if side.green else 0.055
    detail = cv2.LUT(zone, _table(rough))
    detail *= grain
    detail *= fade
    detail += 1 + 0.045 * blotch
    road = zone == 4
    detail += (0.035 * road) * np.cos(d * (4 * np.pi / LANE))
    for at_d, at_s, width, length, shade in world.patches:
        rows = (
            np.abs(np.mod(along[:, 0] - at_s + 15, PERIOD) - 15 - length / 2)
            < length / 2
        )
        if rows.any():
            inside = road[rows] & (np.abs(d[rows] - at_d) < width / 2)
            detail[rows] = np.where(inside, detail[rows] * shade, detail[rows])
    paved = (zone == 1) | (zone == 7)
    if paved.any():
        joints = _band(np.mod(along, 1.2), 0.6, 0.02, depth)
        joints = joints + _band(d - np.floor(d), 0.5, 0.015, depth * 0.1)
        detail -= 0.22 * paved * joints
    return np.maximum(detail, 0.1, out=detail)


def _light(
    light: Conditions,
    s: np.ndarray,
    d: np.ndarray,
    shadow: np.ndarray,
    lamps: list[tuple[float, float]],
) -> tuple[np.ndarray, np.ndarray]:
    """Share of direct sun at each pixel, and light of lamps on top."""
    sun = light.facing(0.0, 1.0, 0.0) * (1 - shadow * np.float32(light.shadow / 255))
    extra = np.zeros_like(d)
    if light.lamps:
        spread = 1.4 + 0.13 * s
        extra += 0.75 * np.exp(-s / 16) * np.exp(-((d - 0.2) ** 2) / (spread**2))
        for at_d, at_s in lamps:
            near = np.abs(s[:, 0] - at_s) < 12
            if near.any():
                r2 = (d[near] - at_d) ** 2 + (s[near] - at_s) ** 2
                extra[near] += 0.55 * np.exp(-r2 / 18)
    return sun.astype(np.float32), extra


def cast(
    sheet: np.ndarray,
    camera: Camera,
    light: Conditions,
    base: np.ndarray,
    height: float,
) -> None:
    """Cast the shadow of an upright body on the sheet `(H, W)` uint8.

    Args:
      sheet: painted on in place.
      camera: the view.
      light: where the sun is.
      base: `(N, 2)` corners `(d, s)` of the body's foot.
      height: of the body, metres.
    """
    reach = min(height / max(light.sun[1], 0.08), 45.0)
    horizontal = np.array([light.sun[0], light.sun[2]])
    top = base - reach * horizontal
    both = np.concatenate([base, top])
    if both[:, 1].max() < 0.8:
        return
    hull = cv2.convexHull(both.astype(np.float32))[:, 0]
    fill(sheet, camera, hull[:, 0], hull[:, 1], 255)


def fill(
    sheet: np.ndarray, camera: Camera, d: np.ndarray, s: np.ndarray, strength: int
) -> None:
    """Fill a polygon on the ground, corners `d`, `s`, on the sheet `(H, W)` uint8."""
    points = np.zeros((len(d), 3))
    points[:, 0], points[:, 2] = d, np.maximum(s, 0.8)
    outline = [fixed(camera.project(points))]
    cv2.fillPoly(sheet, outline, strength, cv2.LINE_AA, 4)
