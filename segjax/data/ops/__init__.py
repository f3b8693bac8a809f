"""Augmentation and preparation: named ops on an example, written as one string.

    "scale(0.8, 1.6) | crop(160, 224) | flip_lr() | normalize()"

A fixed op has `map(example)`, a random one `random_map(example, rng)`; both return a
new example and leave the old one as it was. An op accepts examples without a label.
Only `normalize` is different: it runs on the device, on a batch, and stands last.
"""

from typing import Any

from segjax.core.errors import UserError
from segjax.core.tables import Table
from segjax.data.ops import colour, geometry, light, noise, sharpness, tone, weather
from segjax.data.ops.normalize import Normalize

OPS = Table(
    "op",
    {
        "blur": sharpness.Blur,
        "brightness": colour.Brightness,
        "center_crop": geometry.CenterCrop,
        "channel_shuffle": colour.ChannelShuffle,
        "clahe": tone.Clahe,
        "color_jitter": colour.ColorJitter,
        "contrast": colour.Contrast,
        "crop": geometry.Crop,
        "equalize": tone.Equalize,
        "flip_lr": geometry.FlipLr,
        "fog": weather.Fog,
        "gamma": tone.Gamma,
        "grey": colour.Grey,
        "hue": colour.Hue,
        "jpeg": noise.Jpeg,
        "motion_blur": sharpness.MotionBlur,
        "night": light.Night,
        "noise": noise.Noise,
        "normalize": Normalize,
        "pad": geometry.Pad,
        "pad_to_multiple": geometry.PadToMultiple,
        "posterize": tone.Posterize,
        "rain": weather.Rain,
        "random_grey": colour.RandomGrey,
        "random_stretch": tone.RandomStretch,
        "rescale": geometry.Rescale,
        "resize": geometry.Resize,
        "salt_and_pepper": noise.SaltAndPepper,
        "saturation": colour.Saturation,
        "scale": geometry.Scale,
        "shadow": light.Shadow,
        "sharpen": sharpness.Sharpen,
        "snow": weather.Snow,
        "solarize": tone.Solarize,
        "stretch": tone.Stretch,
        "sun_glare": light.SunGlare,
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
