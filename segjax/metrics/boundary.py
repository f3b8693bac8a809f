"""Boundary IoU and boundary F1: how well edges are drawn, whatever the areas."""

import dataclasses

import numpy as np

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE
from segjax.metrics import contours
from segjax.metrics.measure import Found, Frame, Layout, OnHost, Result, mean_of_defined


@dataclasses.dataclass(frozen=True)
class Boundary(OnHost):
    """IoU of bands along edges, and F1 of edge pixels that find each other.

    Boundary IoU of a class is of all images together, their bands added up; F1 is the
    mean over the images where the class has an edge, true or predicted. The means of
    both are over the classes that have one somewhere.

    Source: Cheng et al., "Boundary IoU", 2021, arXiv 2103.16562, equation 1, and the
      code published with it (the rim of the image belongs to the band). Csurka et al.,
      "What is a good evaluation measure for semantic segmentation?", 2013, for F1.
    Differs: ignored pixels make no edge; an edge is the outermost pixels of a class.

    Attributes:
      tolerance: of F1: how far apart an edge and its counterpart may be, from 1 on in
        pixels, below 1 as a share of the image's diagonal.
      width: of the bands, as a share of the image's diagonal; a pixel at least.
    """

    tolerance: float | int = 2.0
    width: float = 0.02

    def __post_init__(self):
        problems = []
        if not 0 < self.tolerance < np.inf:
            problems.append(
                f"tolerance={self.tolerance}: must be above 0; from 1 on it is pixels, "
                "below 1 a share of the diagonal."
            )
        if not 0 < self.width < 1:
            problems.append(
                f"width={self.width}: must be above 0 and below 1, a share of the "
                "diagonal. Use 0.02."
            )
        if problems:
            raise UserError(problems)

    def layout(self, num_classes: int) -> Layout:
        """`bands`: pixels in both and in either; `edges`: of the truth and of the
        prediction, the pixels and those that found their counterpart."""
        return {
            "bands": ((num_classes, 2), np.int32),
            "edges": ((num_classes, 2, 2), np.int32),
        }

    def look(self, frame: Frame, num_classes: int) -> dict[str, np.ndarray]:
        """Bands and edges of the classes of one image."""
        bands = np.zeros((num_classes, 2), np.int32)
        edges = np.zeros((num_classes, 2, 2), np.int32)
        valid = frame.label != IGNORE
        H, W = valid.shape
        reach = contours.in_pixels(self.tolerance, (H, W))
        distance = max(1, round(self.width * float(np.hypot(H, W))))
        for k in np.union1d(frame.label[valid], frame.ids[valid]):
            masks = frame.label == k, frame.ids == k
            a, b = (contours.band(mask, valid, distance) for mask in masks)
            bands[k] = np.count_nonzero(a & b), np.count_nonzero(a | b)
            edges[k] = _matched(*(contours.edge(m, valid) for m in masks), reach)
        return {"bands": bands, "edges": edges}

    def per_image(self, found: Found) -> dict[str, np.ndarray]:
        """Both by class; F1 is 0 where only one of the two has an edge."""
        return {
            "boundary_iou": _ratio(found["bands"]),
            "boundary_f1": _f1(found["edges"]),
        }

    def result(self, found: Found, counts: np.ndarray) -> Result:
        """Both by class, and their means."""
        classes = {
            "boundary_iou": _ratio(found["bands"].sum(0, dtype=np.int64)),
            "boundary_f1": mean_of_defined(_f1(found["edges"]), axis=0),
        }
        return Result(
            {k: float(mean_of_defined(v)) for k, v in classes.items()}, classes
        )


def _matched(true: np.ndarray, predicted: np.ndarray, reach: float) -> np.ndarray:
    """`[[true edge pixels, found], [predicted edge pixels, confirmed]]`."""
    sizes = [np.count_nonzero(true), np.count_nonzero(predicted)]
    if not all(sizes):
        return np.asarray([[sizes[0], 0], [sizes[1], 0]], np.int32)
    near = [
        np.count_nonzero(contours.distances(a, b) <= reach)
        for a, b in ((true, predicted), (predicted, true))
    ]
    return np.asarray([sizes, near], np.int32).T


def _ratio(bands: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return bands[..., 0] / bands[..., 1]


def _f1(edges: np.ndarray) -> np.ndarray:
    """`(..., K)` from `(..., K, 2, 2)`; NaN without any edge."""
    pixels, near = edges[..., 0], edges[..., 1]
    recall, precision = np.moveaxis(near / np.maximum(pixels, 1), -1, 0)
    total = recall + precision
    score = 2 * recall * precision / np.where(total > 0, total, 1)
    return np.where(pixels.any(-1), score, np.nan)
