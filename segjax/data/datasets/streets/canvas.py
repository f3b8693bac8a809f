"""The two sheets that a scene is painted on, always by the same polygons."""

import dataclasses

import cv2
import numpy as np

_BITS = 4  # sub-pixel bits of cv2's drawing functions
_FAR = 30_000.0  # pixels; beyond it cv2's fixed point would overflow


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
        """Fill one polygon `(N, 2)` of pixel indices."""
        fixed = _fixed(points)
        if colour is not None:
            cv2.fillPoly(self.image, [fixed], colour, cv2.LINE_AA, _BITS)
        if class_id is not None:
            cv2.fillPoly(self.label, [fixed], class_id, cv2.LINE_8, _BITS)

    def polygons(self, points: np.ndarray, colour: tuple, class_id: int | None) -> None:
        """Fill many polygons `(M, N, 2)`; where an even number overlap stays as it is."""
        if len(points):
            fixed = list(_fixed(points))
            cv2.fillPoly(self.image, fixed, colour, cv2.LINE_AA, _BITS)
            if class_id is not None:
                cv2.fillPoly(self.label, fixed, class_id, cv2.LINE_8, _BITS)

    def lines(
        self,
        points: np.ndarray,
        colour: tuple,
        class_id: int | None,
        width: float = 1.0,
    ) -> None:
        """Draw open lines `(M, N, 2)`, `width` pixels wide."""
        if len(points):
            fixed, thick = list(_fixed(points)), max(1, round(width))
            cv2.polylines(self.image, fixed, False, colour, thick, cv2.LINE_AA, _BITS)
            if class_id is not None:
                cv2.polylines(
                    self.label, fixed, False, class_id, thick, cv2.LINE_8, _BITS
                )

    def mask(self, points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Where the polygon `(N, 2)` lies on a sheet of `size`, uint8 0 or 1."""
        sheet = np.zeros(size, np.uint8)
        cv2.fillPoly(sheet, [_fixed(points)], 1, cv2.LINE_8, _BITS)
        return sheet

    def sees(self, pixels: np.ndarray) -> bool:
        """Whether the box round the points `(..., 2)` touches the canvas."""
        height, width = self.label.shape
        flat = pixels.reshape(-1, 2)
        low, high = flat.min(0), flat.max(0)
        return bool(
            high[0] > -1 and high[1] > -1 and low[0] < width and low[1] < height
        )


def limb(p: np.ndarray, q: np.ndarray, at_p: float, at_q: float) -> np.ndarray:
    """The quadrilateral `(4, 2)` from `p` to `q`, of half-widths `at_p` and `at_q`."""
    along = q - p
    length = max(float(np.hypot(along[0], along[1])), 1e-6)
    across = np.array([-along[1], along[0]]) / length
    return np.stack(
        [p + across * at_p, q + across * at_q, q - across * at_q, p - across * at_p]
    )


def disc(
    centre: np.ndarray, radius_u: float, radius_v: float, corners: int = 14
) -> np.ndarray:
    """A polygon `(corners, 2)` round `centre`."""
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False) + np.pi / corners
    return centre + np.stack([radius_u * np.cos(angles), radius_v * np.sin(angles)], -1)


def _fixed(points: np.ndarray) -> np.ndarray:
    points = np.clip(np.ascontiguousarray(points), -_FAR, _FAR)
    return np.rint(points * (1 << _BITS)).astype(np.int32)
