"""Cars, vans, trucks and buses: a side view pulled out to the width of the car."""

import numpy as np

from segjax.data.datasets.streets.camera import NEAR, Camera
from segjax.data.datasets.streets.canvas import Canvas
from segjax.data.datasets.streets.classes import CAR
from segjax.data.datasets.streets.conditions import Conditions
from segjax.data.datasets.streets.world import Thing

# (length, width, height), outline from the rear bumper over the roof to the front
# bumper in (share of length, share of height), (rear, front) glass edges by index,
# (rear, front) wheel by share of length, side window (start, end) share of length
_MODELS = {
    "sedan": (
        (4.6, 1.8, 1.44),
        (
            (0, 0.2),
            (0, 0.62),
            (0.14, 0.66),
            (0.28, 0.97),
            (0.55, 1),
            (0.72, 0.66),
            (0.97, 0.52),
            (1, 0.2),
        ),
        (2, 4),
        (0.18, 0.81),
        (0.22, 0.68),
    ),
    "hatchback": (
        (4.0, 1.75, 1.5),
        (
            (0, 0.2),
            (0, 0.6),
            (0.09, 0.95),
            (0.2, 1),
            (0.52, 0.99),
            (0.73, 0.64),
            (0.97, 0.5),
            (1, 0.2),
        ),
        (1, 4),
        (0.17, 0.81),
        (0.12, 0.69),
    ),
    "estate": (
        (4.7, 1.82, 1.5),
        (
            (0, 0.2),
            (0, 0.6),
            (0.08, 0.96),
            (0.2, 1),
            (0.56, 0.98),
            (0.74, 0.63),
            (0.97, 0.5),
            (1, 0.2),
        ),
        (1, 4),
        (0.19, 0.82),
        (0.1, 0.7),
    ),
    "suv": (
        (4.6, 1.9, 1.75),
        (
            (0, 0.24),
            (0, 0.62),
            (0.05, 0.97),
            (0.2, 1),
            (0.58, 0.98),
            (0.72, 0.66),
            (0.98, 0.58),
            (1, 0.24),
        ),
        (1, 4),
        (0.19, 0.81),
        (0.08, 0.68),
    ),
    "van": (
        (5.2, 1.95, 2.2),
        (
            (0, 0.16),
            (0, 0.55),
            (0.01, 0.97),
            (0.1, 1),
            (0.72, 1),
            (0.88, 0.58),
            (0.99, 0.45),
            (1, 0.16),
        ),
        (1, 4),
        (0.18, 0.83),
        (0.62, 0.86),
    ),
    "truck": (
        (7.5, 2.4, 3.2),
        (
            (0, 0.16),
            (0, 0.5),
            (0, 0.99),
            (0.1, 1),
            (0.76, 1),
            (0.99, 0.66),
            (1, 0.4),
            (1, 0.16),
        ),
        (None, 4),
        (0.2, 0.86),
        (0.86, 0.96),
    ),
    "bus": (
        (10.5, 2.5, 3.0),
        (
            (0, 0.13),
            (0, 0.45),
            (0, 0.96),
            (0.05, 1),
            (0.96, 1),
            (0.99, 0.45),
            (1, 0.4),
            (1, 0.13),
        ),
        (1, 4),
        (0.2, 0.8),
        (0.04, 0.95),
    ),
}
_GLASS = (40, 48, 56)
_TYRE = (24, 24, 26)


def paint(
    canvas: Canvas,
    camera: Camera,
    light: Conditions,
    thing: Thing,
    d: float,
    s: float,
    time: float,
) -> None:
    """Paint one vehicle; see `render.PAINTERS` for the arguments."""
    (length, width, height), outline, glass, wheels, window = _MODELS[
        thing.style["model"]
    ]
    ahead = np.array([np.sin(thing.heading), np.cos(thing.heading)])
    across = np.array([ahead[1], -ahead[0]])
    reach = 0.5 * (length * abs(ahead[1]) + width * abs(ahead[0]))
    if s + reach < NEAR + 0.4 or s < -length:
        return

    def at(x, y, z) -> np.ndarray:
        """Car coordinates (from the rear, up, to the right) as `(d, y, s)`."""
        x, y, z = np.broadcast_arrays(np.asarray(x, float) - length / 2, y, z)
        return np.stack(
            [d + x * ahead[0] + z * across[0], y, s + x * ahead[1] + z * across[1]], -1
        )

    half = width / 2
    corners = camera.project(
        at([0, 0, length, length] * 2, [0] * 4 + [height] * 4, [half, -half] * 4)
    )
    if not canvas.sees(corners):
        return
    style, eye = thing.style, np.array([camera.d, camera.y, 0.0])
    points = np.array(outline) * (length, height)
    inset = half * np.where(
        points[:, 1] > 0.7 * height, 0.86 if height < 2 else 0.97, 1.0
    )
    right = at(points[:, 0], points[:, 1], inset)
    left = at(points[:, 0], points[:, 1], -inset)
    distance = max(s - reach, NEAR)

    def colour(albedo: tuple, normal: tuple, glow: float = 0.0) -> tuple:
        """Shade a face with a normal in car coordinates (ahead, up, right)."""
        flat = normal[0] * ahead + normal[2] * across
        return light.shade(
            albedo, distance, light.facing(flat[0], normal[1], flat[1]), glow
        )

    # the dark below the car, on the road and between the wheels
    under = at(
        [-0.1, length + 0.1, length + 0.1, -0.1],
        0.0,
        np.array([1, 1, -1, -1]) * half * 1.04,
    )
    canvas.polygon(camera.project(under), light.shade((26, 26, 28), distance, 0), None)
    for x in (0.03 * length, 0.97 * length):
        skirt = at(
            [x] * 4,
            np.array([0.12, 0.34, 0.34, 0.12]),
            np.array([-1, -1, 1, 1]) * half * 0.94,
        )
        canvas.polygon(
            camera.project(skirt), light.shade((20, 20, 22), distance, 0), CAR
        )
        for z in (-half * 0.8, half * 0.8):
            tread = at(
                [x] * 4,
                np.array([0, 0.4, 0.4, 0]),
                z + np.array([-0.11, -0.11, 0.11, 0.11]),
            )
            canvas.polygon(
                camera.project(tread), light.shade(_TYRE, distance, 0.1), CAR
            )

    faces = []
    for k in range(len(points) - 1):
        step = points[k + 1] - points[k]
        normal = np.array([-step[1], step[0]]) / np.hypot(*step)
        flat = normal[0] * ahead
        centre = (right[k] + left[k + 1]) / 2
        toward = eye - centre
        if flat[0] * toward[0] + normal[1] * toward[1] + flat[1] * toward[2] > 0:
            faces.append(
                (
                    -float(toward[2]),
                    k,
                    normal,
                    np.stack([left[k], left[k + 1], right[k + 1], right[k]]),
                )
            )
    for _, k, normal, quad in sorted(faces, key=lambda face: -face[0]):
        canvas.polygon(camera.project(quad), colour(style["paint"], (*normal, 0)), CAR)
        if k in glass:
            pane = _inner(quad, 0.1, 0.12 if k == glass[1] else 0.2)
            canvas.polygon(
                camera.project(pane), _pane(light, distance, normal[1]), None
            )
    if camera.scale(distance) * width > 7:
        _ends(
            canvas,
            camera,
            light,
            style,
            at,
            (length, half, height),
            ahead,
            eye,
            distance,
            points,
        )
    for sign, edge in ((1, right), (-1, left)):
        normal = sign * across
        toward = eye[[0, 2]] - (d + normal[0] * half, s + normal[1] * half)
        if normal @ toward > 0:
            shade = colour(style["paint"], (0, 0.1, sign))
            side = camera.project(edge)
            canvas.polygon(side, shade, CAR)
            low, top = 0.66 * height if height < 2 else 0.55 * height, 0.93 * height
            start, end = window[0] * length, window[1] * length
            slope = 0.07 * length if height < 2 else 0.02 * length
            x = [start, start + slope, end - 1.9 * slope, end]
            pane = at(
                x,
                np.array([low, top, top, low]),
                sign * half * np.array([1, 0.88, 0.88, 1]),
            )
            canvas.polygon(camera.project(pane), _pane(light, distance, 0.2), None)
            bars = [
                start + (end - start) * f
                for f in ((0.5,) if length < 6 else (0.2, 0.4, 0.6, 0.8))
            ]
            posts = [
                at([x, x], np.array([low, top]), sign * half * np.array([1, 0.88]))
                for x in bars
            ]
            canvas.lines(
                camera.project(np.stack(posts)),
                shade,
                None,
                max(1, 0.06 * camera.scale(distance)),
            )
            _wheels(
                canvas,
                camera,
                light,
                at,
                [w * length for w in wheels],
                sign * half,
                height,
                distance,
            )


def _pane(light: Conditions, distance: float, up: float) -> tuple:
    """Glass: dark, with more of the sky in it the more it looks up."""
    share = 0.12 + 0.3 * max(0.0, up)
    albedo = tuple(
        (1 - share) * g + share * h for g, h in zip(_GLASS, light.horizon, strict=True)
    )
    return light.shade(albedo, distance, 0.25)


def _ends(
    canvas: Canvas,
    camera: Camera,
    light: Conditions,
    style: dict,
    at,
    size: tuple,
    ahead: np.ndarray,
    eye: np.ndarray,
    distance: float,
    points: np.ndarray,
) -> None:
    """Lights, number plate and bumper of the end that looks at the camera."""
    length, half, height = size
    for x, way in ((0.0, -1), (length, 1)):
        centre = at([x], 0.5, 0.0)[0]
        toward = (eye - centre)[[0, 2]]
        if way * (ahead @ toward) <= 0:
            continue
        low = 0.5 * points[0, 1] + 0.5 * (points[1, 1] if way < 0 else points[-2, 1])
        tall = 0.09 * min(height, 1.8)

        def panel(z0, z1, y0, y1, colour, x=x):
            face = at([x] * 4, np.array([y0, y1, y1, y0]), np.array([z0, z0, z1, z1]))
            canvas.polygon(camera.project(face), colour, None)

        bumper = light.shade(tuple(0.6 * c for c in style["paint"]), distance, 0.2)
        panel(-half, half, points[0, 1], points[0, 1] + 0.1, bumper)
        on = light.lamps and style["lights"]
        if way < 0:
            lamp = light.shade((176, 24, 26), distance, 0.3, 1.0 if on else 0.0)
            y = points[1, 1] - 0.28
        else:
            lamp = light.shade(
                (255, 250, 226) if on else (206, 208, 206),
                distance,
                0.5,
                1.0 if on else 0,
            )
            y = points[-2, 1] - 0.22
        panel(-0.95 * half, -0.62 * half, y, y + 1.6 * tall, lamp)
        panel(0.62 * half, 0.95 * half, y, y + 1.6 * tall, lamp)
        if way > 0:
            panel(
                -0.5 * half,
                0.5 * half,
                y,
                y + tall,
                light.shade((30, 30, 32), distance, 0.1),
            )
        plate = light.shade((222, 220, 200), distance, 0.35)
        panel(-0.27, 0.27, low - 0.12, low, plate)


def _wheels(
    canvas: Canvas,
    camera: Camera,
    light: Conditions,
    at,
    places: list[float],
    z: float,
    height: float,
    distance: float,
) -> None:
    radius = 0.32 if height < 2 else 0.3 + 0.05 * height
    turn = np.linspace(0, 2 * np.pi, 13)[:-1]
    for place in places:
        for share, albedo in (
            (1.18, (18, 18, 20)),
            (1.0, _TYRE),
            (0.6, (136, 138, 142)),
        ):
            y = radius + share * radius * np.sin(turn)
            rim = at(place + share * radius * np.cos(turn), np.maximum(y, 0), z)
            inside = CAR if share == 1.0 else None
            canvas.polygon(
                camera.project(rim), light.shade(albedo, distance, 0.3), inside
            )


def _inner(quad: np.ndarray, across: float, along: float) -> np.ndarray:
    """The quadrilateral `(4, 3)` shrunk by shares of its width and of its length."""
    a, b, c, e = quad
    point = lambda u, v: (1 - v) * ((1 - u) * a + u * e) + v * ((1 - u) * b + u * c)  # noqa: E731
    return np.stack(
        [
            point(across, along),
            point(across, 1 - along / 2),
            point(1 - across, 1 - along / 2),
            point(1 - across, along),
        ]
    )
