"""Distances between edges: Hausdorff, mean, and the share within a tolerance."""

import dataclasses

import numpy as np

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE
from segjax.metrics import contours
from segjax.metrics.measure import Found, Frame, Layout, OnHost, Result, mean_of_defined

NAMES = ("hd95", "assd", "surface_dice")


@dataclasses.dataclass(frozen=True)
class Surface(OnHost):
    """HD95, average symmetric distance (both in pixels), normalised surface Dice.

    A class is scored in the images where it has an edge both in the truth and in the
    prediction; images where only one has an edge are counted, as no distance can say
    what is missing. Numbers of a class are means over its images, and the whole is the
    mean over the classes that have some.

    Source: surface Dice: Nikolov et al., "Deep learning to achieve clinically
      applicable segmentation", 2018, arXiv 1809.04430. HD95, the larger of the two
      directed 95th percentiles, and ASSD: Maier-Hein et al., "Metrics reloaded", 2024,
      arXiv 2206.01653.
    Differs: an edge is pixels, not surface elements between them; the rim of the image
      and ignored pixels make none; a pixel has the side 1.

    Attributes:
      tolerance: of surface Dice, from 1 on in pixels, below 1 as a share of the image's
        diagonal.
    """

    tolerance: float | int = 2.0

    def __post_init__(self):
        if not 0 < self.tolerance < np.inf:
            raise UserError(
                f"tolerance={self.tolerance}: must be above 0; from 1 on it is pixels, "
                "below 1 a share of the diagonal."
            )

    def layout(self, num_classes: int) -> Layout:
        """`distances`: the three numbers; `outlined`: whether truth and prediction have
        an edge."""
        return {
            "distances": ((num_classes, len(NAMES)), np.float32),
            "outlined": ((num_classes, 2), np.int32),
        }

    def look(self, frame: Frame, num_classes: int) -> dict[str, np.ndarray]:
        """The numbers of the classes of one image, NaN where one has no edge."""
        found = np.full((num_classes, len(NAMES)), np.nan, np.float32)
        outlined = np.zeros((num_classes, 2), np.int32)
        valid = frame.label != IGNORE
        reach = contours.in_pixels(self.tolerance, frame.label.shape)
        for k in np.union1d(frame.label[valid], frame.ids[valid]):
            a, b = (contours.edge(m == k, valid) for m in (frame.label, frame.ids))
            outlined[k] = a.any(), b.any()
            if outlined[k].all():
                ways = contours.distances(a, b), contours.distances(b, a)
                both = np.concatenate(ways)
                found[k] = hausdorff(*ways, 95), both.mean(), (both <= reach).mean()
        return {"distances": found, "outlined": outlined}

    def per_image(self, found: Found) -> dict[str, np.ndarray]:
        """The three numbers by class."""
        return dict(zip(NAMES, np.moveaxis(found["distances"], -1, 0), strict=True))

    def result(self, found: Found, counts: np.ndarray) -> Result:
        """The three numbers by class, and how many images have an edge on one side."""
        each = self.per_image(found)
        classes = {name: mean_of_defined(each[name], axis=0) for name in NAMES}
        summary = {k: float(mean_of_defined(v)) for k, v in classes.items()}
        true, predicted = np.moveaxis(found["outlined"].astype(bool), -1, 0)
        missed, invented = (true & ~predicted).sum(0), (predicted & ~true).sum(0)
        scored = (true & predicted).sum()
        note = (
            f"Distances are in pixels, over {scored} pairs of an image and a class; "
            f"left out: {missed.sum()} where the class has no edge in the prediction, "
            f"{invented.sum()} where it has none in the truth."
        )
        more = {"edge_missed": missed, "edge_invented": invented}
        return Result(summary, classes | more, (note,))


def hausdorff(there: np.ndarray, back: np.ndarray, percent: int) -> float:
    """The larger of the two percentiles of the directed distances."""
    return float(max(np.percentile(there, percent), np.percentile(back, percent)))
