"""What is measured: networks, sizes and batches, the same for both frameworks."""

import dataclasses
from collections.abc import Mapping
from typing import Any

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the pixels, in 0..1; both sides normalise with them on the device."""

AUX_WEIGHT = 0.4
"""Of the loss of an auxiliary head, where the network has one."""

OPTIMISER = dict(learning_rate=1e-3, b1=0.9, b2=0.999, eps=1e-8, weight_decay=1e-3)
"""AdamW; kernels alone decay, as in the shipped configs."""

CLIP_NORM = 5.0
"""Largest global norm of the gradient, as in the shipped configs."""

IGNORED = 0.05
"""Share of pixels whose label is to be ignored."""


@dataclasses.dataclass(frozen=True)
class Form:
    """One network as it is measured.

    Attributes:
      model: name in `MODELS` and in `RIVALS`.
      options: keyword arguments of both.
      batch: images, or clips, of a train step, and of a prediction for throughput.
      size: `(H, W)`.
      classes: `K`.
      frames: of a clip; 1 is an image.
      dtype: of the computation; parameters are float32 in any case.
      small: fields that a dry run takes in place of these.
    """

    model: str
    options: Mapping[str, Any]
    batch: int
    size: tuple[int, int]
    classes: int = 11
    frames: int = 1
    dtype: str = "float32"
    small: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the pixels of a batch: `(B, H, W, 3)` or `(B, T, H, W, 3)`."""
        clip = (self.frames,) if self.frames > 1 else ()
        return (self.batch, *clip, *self.size, 3)

    def dry(self) -> "Form":
        """So small that everything runs in seconds; its figures mean nothing."""
        return dataclasses.replace(self, **{"batch": 2, "size": (32, 32), **self.small})


def _deeplab_on_resnet(output_stride: int) -> Form:
    return Form(
        "deeplab_v3",
        dict(backbone="resnet50", output_stride=output_stride),
        batch=8,
        size=(512, 1024),
        classes=19,
        dtype="bfloat16",
        small=dict(size=(64, 64)),
    )


_SLIM_SEGNET = dict(options=dict(widths=(4, 6, 8, 8, 8)))
_SLIM_MEMORY = dict(options=dict(width=4, depth=2), frames=2)

FORMS: dict[str, dict[str, Form]] = {
    "cpu": {
        "unet": Form(
            "unet",
            dict(width=32, depth=4),
            batch=4,
            size=(192, 192),
            small=dict(options=dict(width=4, depth=2)),
        ),
        "segnet": Form("segnet", {}, batch=2, size=(96, 128), small=_SLIM_SEGNET),
        "deeplab": Form(
            "deeplab_v3plus",
            # rates that the 12x12 features can hold
            dict(backbone="mobilenet_v2", output_stride=16, rates=(3, 6, 9)),
            batch=4,
            size=(192, 192),
            small=dict(size=(64, 64)),
        ),
        "convlstm_unet": Form(
            "convlstm_unet",
            dict(width=16, depth=3),
            batch=2,
            size=(96, 96),
            frames=4,
            small=_SLIM_MEMORY,
        ),
    },
    "gpu": {
        "unet": Form(
            "unet",
            dict(width=64, depth=4),
            batch=16,
            size=(512, 512),
            classes=19,
            dtype="bfloat16",
            small=dict(options=dict(width=4, depth=2)),
        ),
        "segnet": Form(
            "segnet",
            {},
            batch=16,
            size=(360, 480),
            dtype="bfloat16",
            small=_SLIM_SEGNET,
        ),
        "deeplab": _deeplab_on_resnet(output_stride=16),
        "deeplab_os8": _deeplab_on_resnet(output_stride=8),
        "convlstm_unet": Form(
            "convlstm_unet",
            dict(width=32, depth=4),
            batch=4,
            size=(256, 256),
            frames=8,
            dtype="bfloat16",
            small=_SLIM_MEMORY,
        ),
    },
}
"""Preset -> the word of the command line -> what is measured."""
