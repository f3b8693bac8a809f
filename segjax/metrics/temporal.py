"""Whether the predictions of a video hold still, moved with it and where they must."""

import dataclasses
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from segjax.core.keys import IGNORE
from segjax.metrics import scores
from segjax.metrics.measure import Found, Frame, Layout, OfVideos, Result

PRESETS = {
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}


@dataclasses.dataclass(frozen=True)
class Temporal(OfVideos):
    """Agreement with the frame before, and flicker.

    `temporal_consistency` is the mean IoU, over all pairs of frames together, between
    the previous prediction, warped to this frame by optical flow, and this prediction;
    classes that are in neither are left out. No label is needed. `flicker` is the share
    of the pixels whose true class stays while the predicted one changes, among those
    whose true class stays; both frames must have labels.

    Source: Liu et al., "Efficient Semantic Video Segmentation with Per-frame
      Inference", 2020, arXiv 2002.11433, section 4.1.
    Differs: DIS flow (Kroeger et al. 2016, arXiv 1603.03590) in place of FlowNetV2;
      pixels that come from beyond the image are left out; all videos are one count.

    Attributes:
      flow: how carefully motion is searched.
    """

    flow: Literal["fast", "medium"] = "medium"

    def layout(self, num_classes: int) -> Layout:
        """`warped`: counts of the warped previous prediction (rows) against this one;
        `flicker`: pixels whose true class stays, and those that change among them."""
        return {
            "warped": ((num_classes, num_classes), np.int32),
            "flicker": ((2,), np.int32),
        }

    def look(
        self, before: Frame | None, frame: Frame, num_classes: int
    ) -> dict[str, np.ndarray]:
        """The counts of a pair of frames; zeros at a video's first frame."""
        if before is None:
            none = self.layout(num_classes)
            return {
                name: np.zeros(shape, dtype) for name, (shape, dtype) in none.items()
            }
        earlier = warp(before.ids, motion(frame.image, before.image, self.flow))
        known = earlier != IGNORE
        pairs = earlier[known].astype(np.int64) * num_classes + frame.ids[known]
        counts = np.bincount(pairs, minlength=num_classes**2).astype(np.int32)
        steady = (frame.label == before.label) & (frame.label != IGNORE)
        changed = np.count_nonzero(steady & (frame.ids != before.ids))
        flicker = np.asarray([np.count_nonzero(steady), changed], np.int32)
        return {"warped": counts.reshape(num_classes, num_classes), "flicker": flicker}

    def per_image(self, found: Found) -> dict[str, np.ndarray]:
        """Both, of each frame with the one before it."""
        agreed = [scores.miou(warped) for warped in found["warped"]]
        return {
            "temporal_consistency": np.asarray(agreed, np.float64),
            "flicker": _share(found["flicker"]),
        }

    def result(self, found: Found, counts: np.ndarray) -> Result:
        """Both, of all pairs together; agreement by class, too."""
        total = found["warped"].sum(0, dtype=np.int64)
        changes = found["flicker"].sum(0, dtype=np.int64)
        pairs = int(found["warped"].any((1, 2)).sum())
        labelled = int(found["flicker"][:, 0].astype(bool).sum())
        note = f"Over {pairs} pairs of frames; flicker over {labelled} with labels."
        summary = {
            "temporal_consistency": scores.miou(total),
            "flicker": float(_share(changes)),
        }
        return Result(summary, {"temporal_consistency": scores.iou(total)}, (note,))


def motion(
    image: UInt8[np.ndarray, "H W 3"],
    before: UInt8[np.ndarray, "H W 3"],
    preset: str = "medium",
) -> Float32[np.ndarray, "H W 2"]:
    """Where each pixel of `image` was in `before`: `(dx, dy)` from it, in pixels."""
    flow = cv2.DISOpticalFlow_create(PRESETS[preset])
    greys = [cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in (image, before)]
    return flow.calc(*greys, None)


def warp(
    ids: UInt8[np.ndarray, "H W"], flow: Float32[np.ndarray, "H W 2"]
) -> UInt8[np.ndarray, "H W"]:
    """`ids` fetched from where the flow points; `IGNORE` beyond the image."""
    H, W = ids.shape
    y, x = np.mgrid[:H, :W].astype(np.float32)
    return cv2.remap(
        ids,
        x + flow[..., 0],
        y + flow[..., 1],
        cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=IGNORE,
    )


def _share(changes: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.asarray(changes[..., 1] / changes[..., 0])
