"""Road coordinates to pixels and back, for a camera that drives along the road.

Road coordinates in metres: `d` sideways (right is positive), `y` up, `s` ahead of the
camera along the road. A bend and a rise of the road are parabolas in `s`, so a camera
that follows the road always sees the same bend and nothing else has to know of it.
"""

import dataclasses

import numpy as np

NEAR = 0.7
"""Metres; nearer points are moved onto this plane. Edges along the road stay exact."""


@dataclasses.dataclass(frozen=True)
class Camera:
    """A pinhole camera over the road.

    Attributes:
      height, width: pixels.
      focal: pixels.
      u0, v0: column and row of the direction straight ahead, pixels from the corner.
      d, y: position of the lens, metres.
      bend, rise: curvature of the road sideways and upwards, 1 / metre; `rise >= 0`.
    """

    height: int
    width: int
    focal: float
    u0: float
    v0: float
    d: float
    y: float
    bend: float
    rise: float

    def project(self, points: np.ndarray) -> np.ndarray:
        """Points `(..., 3)` as `(d, y, s)` to pixel indices `(..., 2)` as `(u, v)`."""
        points = np.asarray(points, np.float64)
        s = np.maximum(points[..., 2], NEAR)
        scale = self.focal / s
        squared = (0.5 * s) * s
        pixels = np.empty((*s.shape, 2))
        pixels[..., 0] = (points[..., 0] - self.d + self.bend * squared) * scale
        pixels[..., 1] = (self.y - points[..., 1] - self.rise * squared) * scale
        pixels += (self.u0 - 0.5, self.v0 - 0.5)
        return pixels

    def scale(self, s: float) -> float:
        """Pixels per metre at distance `s`."""
        return self.focal / max(s, NEAR)

    def ground_rows(self, furthest: float) -> tuple[int, np.ndarray]:
        """The first row that sees ground nearer than `furthest`, and the rows' `s`.

        `s` is float32 `(h, 1)`, of that row and those below it, falling.
        """
        rows = (np.arange(self.height) + 0.5 - self.v0) / self.focal
        root = np.sqrt(np.maximum(rows * rows + 2 * self.rise * self.y, 0.0))
        s = 2 * self.y / np.maximum(rows + root, 1e-6)
        top = int(np.argmax(s < furthest)) if (s < furthest).any() else self.height
        return top, s[top:, None].astype(np.float32)

    def ground_d(self, s: np.ndarray) -> np.ndarray:
        """Sideways road position of each pixel of ground rows `s`, float32 `(h, W)`."""
        columns = (np.arange(self.width, dtype=np.float32) + 0.5 - self.u0) / self.focal
        return (columns[None] * s - 0.5 * self.bend * s * s + self.d).astype(np.float32)


def make(
    size: tuple[int, int],
    yaw: float,
    pitch: float,
    d: float,
    y: float,
    bend: float,
    rise: float,
) -> Camera:
    """A camera whose view is the same at every size of one aspect ratio.

    Args:
      size: `(height, width)` in pixels.
      yaw, pitch: shift of the point straight ahead, in widths and heights from the
        middle.
      d, y, bend, rise: as in `Camera`.
    """
    height, width = size
    return Camera(
        height=height,
        width=width,
        focal=0.85 * max(width, height * 4 / 3),
        u0=width * (0.5 + yaw),
        v0=height * (0.5 + pitch),
        d=d,
        y=y,
        bend=bend,
        rise=rise,
    )
