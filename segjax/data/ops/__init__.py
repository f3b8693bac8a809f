"""Augmentation and preparation: named ops on an example, written as one string.

    "scale(0.8, 1.6) | crop(160, 224) | flip_lr() | normalize()"

A fixed op has `map(example)`, a random one `random_map(example, rng)`; both return a
new example and leave the old one as it was. An op accepts examples without a label.
Only `normalize` is different: it runs on the device, on a batch, and stands last.
"""

from typing import Any

from segjax.core.errors import UserError
from segjax.core.tables import Table
from segjax.data.ops import colour, geometry
from segjax.data.ops.normalize import Normalize

OPS = Table(
    "op",
    {
        "center_crop": geometry.CenterCrop,
        "color_jitter": colour.ColorJitter,
        "crop": geometry.Crop,
        "flip_lr": geometry.FlipLr,
        "normalize": Normalize,
        "pad": geometry.Pad,
        "pad_to_multiple": geometry.PadToMultiple,
        "rescale": geometry.Rescale,
        "resize": geometry.Resize,
        "scale": geometry.Scale,
    },
)

REFRAMING = (geometry.CenterCrop, geometry.Crop, geometry.Pad, geometry.PadToMultiple)
"""Ops after which a picture no longer shows what the whole image showed."""


def split(
    ops: tuple[Any, ...], where: str = "config.input.train_ops"
) -> tuple[tuple[Any, ...], Normalize]:
    """`(host ops, normalize)` of a parsed string.

    Raises:
      UserError: `normalize` does not stand last, once.
    """
    places = [i for i, op in enumerate(ops) if isinstance(op, Normalize)]
    if places != [len(ops) - 1]:
        raise UserError(
            f"{where}: normalize stands at {[p + 1 for p in places] or 'no place'} of "
            f"{len(ops)} ops; it must stand last, once: '... | normalize()'."
        )
    return tuple(ops[:-1]), ops[-1]


def is_random(op: Any) -> bool:
    """Whether an op draws random numbers."""
    return hasattr(op, "random_map")
