"""The two sheets that a scene is painted on, always by the same polygons."""

import dataclasses
import functools

import cv2
import numpy as np

_BITS = 4  # sub-pixel bits of cv2's drawing functions
_FAR = 480_000.0  # in fixed point; cv2 overflows some way beyond it


@dataclasses.dataclass(frozen=True)
class Canvas:
    """An image `(H, W, 3)` uint8 RGB and a label `(H, W)` uint8, painted together.

    The image is painted with smooth edges and the label without. `class_id=None` paints
    a detail of what is there already: the label keeps its class. `colour=None` labels
    what one can see through, such as a fence.
    """

    image: np.ndarray
    label: np.ndarray

    def polygon(
        self, points: np.ndarray, colour: tuple | None, class_id: int | None
    ) -> None:
        """Fill one polygon `(N, 2)` of pixel indices, or of `fixed` ones."""
        outline = [points if points.dtype == np.int32 else fixed(points)]
        if colour is not None:
            cv2.fillPoly(self.image, outline, colour, cv2.LINE_AA, _BITS)
        if class_id is not None:
            cv2.fillPoly(self.label, outline, class_id, cv2.LINE_8, _BITS)

    def polygons(self, points: np.ndarray, colour: tuple, class_id: int | None) -> None:
        """Fill polygons `(M, N, 2)`; what an even number of them covers stays."""
        if len(points):
            outlines = list(points if points.dtype == np.int32 else fixed(points))
            cv2.fillPoly(self.image, outlines, colour, cv2.LINE_AA, _BITS)
            if class_id is not None:
                cv2.fillPoly(self.label, outlines, class_id, cv2.LINE_8, _BITS)

    def lines(
        self,
        points: np.ndarray,
        colour: tuple,
        class_id: int | None,
        width: float = 1.0,
    ) -> None:
        """Draw open lines `(M, N, 2)`, `width` pixels wide."""
        if len(points):
            paths = list(points if points.dtype == np.int32 else fixed(points))
            thick = max(1, round(width))
            cv2.polylines(self.image, paths, False, colour, thick, cv2.LINE_AA, _BITS)
            if class_id is not None:
                cv2.polylines(
                    self.label, paths, False, class_id, thick, cv2.LINE_8, _BITS
                )

    def mask(self, points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Where the polygon `(N, 2)` lies on a sheet of `size`, uint8 0 or 1."""
        sheet = np.zeros(size, np.uint8)
        cv2.fillPoly(sheet, [fixed(points)], 1, cv2.LINE_8, _BITS)
        return sheet

    def sees(self, pixels: np.ndarray) -> bool:
        """Whether the box round the points `(..., 2)` touches the canvas."""
        height, width = self.label.shape
        u, v = pixels[..., 0], pixels[..., 1]
        across = u.max() > -1 and u.min() < width
        return bool(across and v.max() > -1 and v.min() < height)


def fixed(points: np.ndarray) -> np.ndarray:
    """Pixel indices as the int32 fixed-point numbers that cv2 draws with.

    The methods of `Canvas` do it themselves; who draws many parts does it once for all.
    """
    points = np.ascontiguousarray(points) * (1 << _BITS)
    np.maximum(points, -_FAR, out=points)
    np.minimum(points, _FAR, out=points)
    return np.rint(points, out=points).astype(np.int32)


def limb(p: np.ndarray, q: np.ndarray, at_p, at_q) -> np.ndarray:
    """Quadrilaterals `(..., 4, 2)` from `p` to `q`, of half-widths `at_p` and `at_q`.

    `p` and `q` are `(..., 2)`; the half-widths numbers or `(...)`.
    """
    along = q - p
    length = np.maximum(np.sqrt((along * along).sum(-1, keepdims=True)), 1e-6)
    across = along[..., ::-1] * (-1.0, 1.0) / length
    at_p, at_q = np.asarray(at_p)[..., None], np.asarray(at_q)[..., None]
    out = np.empty((*along.shape[:-1], 4, 2))
    out[..., 0, :] = p + across * at_p
    out[..., 1, :] = q + across * at_q
    out[..., 2, :] = q - across * at_q
    out[..., 3, :] = p - across * at_p
    return out


@functools.lru_cache(maxsize=8)
def circle(corners: int) -> np.ndarray:
    """A polygon `(corners, 2)` on the unit circle."""
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False) + np.pi / corners
    return np.stack([np.cos(angles), np.sin(angles)], -1)


def disc(
    centre: np.ndarray, radius_u: float, radius_v: float, corners=14
) -> np.ndarray:
    """A polygon `(corners, 2)` round `centre`."""
    return centre + circle(corners) * (radius_u, radius_v)
