"""Augmentation and preparation: named ops on an example, written as one string.

    "scale(0.8, 1.6) | crop(160, 224) | flip_lr() | normalize()"

A fixed op has `map(example)`, a random one `random_map(example, rng)`, one that mixes
`mix(examples, rng)`; all return a new example and leave the old ones as they were. Ops
accept examples without a label; those that mix stand after all that change the size.
Only `normalize` is different: it runs on the device, on a batch, and stands last. A
preset is a name for several ops.
"""

from collections.abc import Sequence
from typing import Any

from segjax.core.errors import raise_problems
from segjax.core.pixels import Pixels
from segjax.core.tables import Table
from segjax.data.ops import (
    colour,
    cutout,
    deform,
    frames,
    framing,
    geometry,
    light,
    mixing,
    noise,
    sharpness,
    tone,
    warp,
    weather,
)
from segjax.data.ops.base import RANGES, images, takes
from segjax.data.ops.normalize import Normalize
from segjax.data.ops.presets import PRESETS

__all__ = [
    "OPS",
    "PRESETS",
    "RANGES",
    "REFRAMING",
    "images",
    "is_mixing",
    "is_random",
    "pixel_problems",
    "split",
    "takes",
]

OPS = Table(
    "op",
    {
        "affine": warp.Affine,
        "blur": sharpness.Blur,
        "brightness": colour.Brightness,
        "center_crop": framing.CenterCrop,
        "channel_shuffle": colour.ChannelShuffle,
        "clahe": tone.Clahe,
        "class_crop": framing.ClassCrop,
        "classmix": mixing.ClassMix,
        "color_jitter": colour.ColorJitter,
        "contrast": colour.Contrast,
        "crop": framing.Crop,
        "cutmix": mixing.CutMix,
        "cutout": cutout.Cutout,
        "elastic": deform.Elastic,
        "equalize": tone.Equalize,
        "fit": framing.Fit,
        "flip_lr": geometry.FlipLr,
        "flip_ud": geometry.FlipUd,
        "fog": weather.Fog,
        "gamma": tone.Gamma,
        "grey": colour.Grey,
        "grid_distortion": deform.GridDistortion,
        "hue": colour.Hue,
        "jpeg": noise.Jpeg,
        "mosaic": mixing.Mosaic,
        "motion_blur": sharpness.MotionBlur,
        "night": light.Night,
        "noise": noise.Noise,
        "normalize": Normalize,
        "pad": framing.Pad,
        "pad_to_multiple": framing.PadToMultiple,
        "perspective": warp.Perspective,
        "posterize": tone.Posterize,
        "rain": weather.Rain,
        "random_grey": colour.RandomGrey,
        "random_stretch": tone.RandomStretch,
        "reflect_pad": framing.ReflectPad,
        "rescale": geometry.Rescale,
        "resize": geometry.Resize,
        "rotate": warp.Rotate,
        "rotate90": geometry.Rotate90,
        "salt_and_pepper": noise.SaltAndPepper,
        "saturation": colour.Saturation,
        "scale": geometry.Scale,
        "shadow": light.Shadow,
        "sharpen": sharpness.Sharpen,
        "shear": warp.Shear,
        "shift": warp.Shift,
        "shuffle_past": frames.ShufflePast,
        "snow": weather.Snow,
        "solarize": tone.Solarize,
        "stretch": tone.Stretch,
        "sun_glare": light.SunGlare,
    },
)

REFRAMING = (
    framing.CenterCrop,
    framing.ClassCrop,
    framing.Crop,
    framing.Fit,
    framing.Pad,
    framing.PadToMultiple,
    framing.ReflectPad,
)
"""Ops after which a picture no longer shows what the whole image showed."""

SIZING = (
    *REFRAMING,
    geometry.Rescale,
    geometry.Resize,
    geometry.Rotate90,
    geometry.Scale,
)
"""Ops that change the size of an image."""


def split(
    ops: tuple[Any, ...], where: str = "config.input.train_ops"
) -> tuple[tuple[Any, ...], Normalize]:
    """`(host ops, normalize)` of a parsed string.

    Raises:
      UserError: `normalize` does not stand last, once, or an op that mixes stands
        before one that changes the size.
    """
    problems = []
    places = [i for i, op in enumerate(ops) if isinstance(op, Normalize)]
    if places != [len(ops) - 1]:
        problems.append(
            f"{where}: normalize stands at {[p + 1 for p in places] or 'no place'} of "
            f"{len(ops)} ops; it must stand last, once: '... | normalize()'."
        )
    last = max((i for i, op in enumerate(ops) if isinstance(op, SIZING)), default=-1)
    problems += [
        f"{where}: {op} stands before {ops[last]}; ops that mix examples need them in "
        f"one size. Move it behind."
        for op in ops[: max(last, 0)]
        if is_mixing(op)
    ]
    raise_problems(problems)
    return tuple(ops[:-1]), ops[-1]


def pixel_problems(
    host: Sequence[Any], normalize: Normalize, pixels: Pixels, where: str
) -> list[str]:
    """Ops that do not take images of such pixels, as messages that say which do."""
    able = [n for n, o in OPS.items() if takes(o, pixels) and o is not Normalize]
    found = [
        f"{where}: {op} takes {RANGES[images(op)]}, and config.data declares {pixels}. "
        f"Allowed there: {', '.join(able)}."
        for op in host
        if not takes(op, pixels)
    ]
    found += [
        f"{where}: {op}: {problem}"
        for op in host
        if hasattr(op, "pixel_problems")
        for problem in op.pixel_problems(pixels)
    ]
    numbers = pixels.channels if normalize.from_data else len(normalize.mean)
    if numbers != pixels.channels:
        found.append(
            f"{where}: normalize has the mean and std of {numbers} channels, and the "
            f"images have {pixels}. Write normalize('data') to measure them, or "
            f"{pixels.channels} numbers each."
        )
    return found


def is_random(op: Any) -> bool:
    """Whether an op draws random numbers."""
    return hasattr(op, "random_map") or is_mixing(op)


def is_mixing(op: Any) -> bool:
    """Whether an op makes one example out of several."""
    return isinstance(op, mixing.Mixing)
