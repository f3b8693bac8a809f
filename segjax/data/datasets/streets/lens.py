"""From the painted scene to what a camera delivers: glow, mirror, rain, blur, noise."""

import functools

import cv2
import numpy as np

from segjax.data.datasets.streets import noise
from segjax.data.datasets.streets.camera import Camera
from segjax.data.datasets.streets.canvas import Canvas
from segjax.data.datasets.streets.classes import ROAD
from segjax.data.datasets.streets.conditions import Conditions


def expose(
    canvas: Canvas,
    camera: Camera,
    light: Conditions,
    placed: list,
    lamps: list[tuple[float, float]],
    time: float,
    frame: int,
) -> np.ndarray:
    """The final image `(H, W, 3)` uint8 of a painted canvas; the label is only read.

    Args:
      canvas: the painted scene.
      camera: the view.
      light: the conditions.
      placed: `(thing, d, s)` of all that was painted, for headlights.
      lamps: `(d, s)` of the lit street lamps.
      time: seconds.
      frame: number of the frame.
    """
    image = canvas.image
    if light.wet:
        image = _mirror(image, canvas.label, camera, light.wet)
    if light.lamps:
        image = _glow(image, camera, placed, lamps)
    if light.rain:
        image = _rain(image, light, frame)
    rows = camera.height / 360
    sigma = light.blur * max(rows, 0.62)
    image = cv2.GaussianBlur(image, (0, 0), sigma)
    corners = _vignette(camera.height, camera.width)
    noisy = grain(image.shape[:2], light, frame)
    out = np.empty_like(image)
    for c in range(3):
        plane = image[..., c] * (corners * np.float32(light.gains[c])) + noisy[c]
        out[..., c] = np.clip(plane, 0, 255)
    return out


def _mirror(
    image: np.ndarray, label: np.ndarray, camera: Camera, wet: float
) -> np.ndarray:
    """Blend the street, upside down and smeared, into the road."""
    horizon = int(np.clip(camera.v0, 1, camera.height - 1))
    rows = np.clip(
        2 * horizon - np.arange(horizon, camera.height), 0, camera.height - 1
    )
    tall = max(3, camera.height // 24) | 1
    upside = cv2.blur(image[rows], (max(1, camera.width // 120), tall))
    grazing = np.linspace(1, 0.45, len(rows), dtype=np.float32)[:, None]
    share = (0.55 * wet * grazing * (label[horizon:] == ROAD))[..., None]
    out = image.copy()
    out[horizon:] = (image[horizon:] * (0.9 - 0.75 * share) + upside * share).astype(
        np.uint8
    )
    return out


def _glow(
    image: np.ndarray, camera: Camera, placed: list, lamps: list[tuple[float, float]]
) -> np.ndarray:
    """Add haloes round lamps and headlights."""
    height, width = (camera.height + 3) // 4, (camera.width + 3) // 4
    halo = np.zeros((height, width, 3), np.uint8)
    by_lamp = {at for at in lamps}
    spots = []
    for thing, d, s in placed:
        if thing.kind == "lamp" and (d + thing.style["arm"], s) in by_lamp:
            spots.append(
                (
                    (d + thing.style["arm"], thing.style["tall"] + 0.3, s),
                    0.5,
                    (190, 150, 90),
                )
            )
        elif (
            thing.kind == "car"
            and thing.style["lights"]
            and abs(np.sin(thing.heading)) < 0.5
        ):
            away = np.cos(thing.heading) > 0
            colour = (130, 18, 14) if away else (215, 210, 190)
            for aside in (-0.65, 0.65):
                spots.append(
                    ((d + aside, 0.72, s - 2.1), 0.16 if away else 0.28, colour)
                )
    for place, size, colour in spots:
        if place[2] < 1.5:
            continue
        u, v = camera.project(np.array(place)) / 4
        radius = max(1, round(size * camera.scale(place[2]) / 4))
        if -width < u < 2 * width and -height < v < 2 * height:
            cv2.circle(halo, (round(u), round(v)), min(radius, width), colour, -1)
    soft = cv2.GaussianBlur(halo, (0, 0), max(1.0, camera.height / 90))
    soft = cv2.add(soft, cv2.GaussianBlur(halo, (0, 0), max(0.6, camera.height / 320)))
    return cv2.add(image, cv2.resize(soft, (camera.width, camera.height)))


def _rain(image: np.ndarray, light: Conditions, frame: int) -> np.ndarray:
    """Streaks of falling rain."""
    height, width = image.shape[:2]
    rng = np.random.default_rng((light.seed, frame))
    number = int(260 * light.rain)
    x, y = (
        rng.uniform(-0.1, 1.1, number) * width,
        rng.uniform(-0.1, 1.0, number) * height,
    )
    long = rng.uniform(0.03, 0.09, number) * height
    lean = 0.18 * np.sin(light.seed)
    start = np.stack([x, y], -1)
    streaks = np.stack([start, start + np.stack([lean * long, long], -1)], 1)
    layer = np.zeros_like(image)
    fixed = list(np.rint(streaks * 16).astype(np.int32))
    cv2.polylines(
        layer, fixed, False, (70, 72, 76), max(1, height // 300), cv2.LINE_AA, 4
    )
    return cv2.addWeighted(image, 1.0, layer, 0.55, 4)


def grain(size: tuple[int, int], light: Conditions, frame: int) -> list[np.ndarray]:
    """Sensor noise of the three channels, from the table at a random place."""
    height, width = size
    table = noise.sensor()
    rng = np.random.default_rng((light.seed, 7, frame))
    repeats = (1 + height // 500, 1 + width // 1900)
    sheet = table if repeats == (1, 1) else np.tile(table, repeats)
    planes = []
    for _ in range(3):
        v = int(rng.integers(sheet.shape[0] - height + 1))
        u = int(rng.integers(sheet.shape[1] - width + 1))
        planes.append(sheet[v : v + height, u : u + width] * np.float32(light.noise))
    return planes


@functools.lru_cache(maxsize=4)
def _vignette(height: int, width: int) -> np.ndarray:
    """Darker corners, float32 `(H, W)`."""
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    return 1 - 0.10 * (x * x + y * y)
