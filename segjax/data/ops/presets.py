"""Augmentations in one word: names for op strings, of the strength that they say.

    "medium(512, 1024) | normalize()"

A preset stands in an op string like an op, and for the ops of its text; `height` and
`width` are those of its crop. None of them was tuned on a data set.

An experiment's record names the preset, not its text: changing the text of one changes
what old configs mean, so a better one gets a new name.
"""

from segjax.core.tables import Table


def light(height: int, width: int) -> str:
    """Size, place, mirror and a little colour: for long-lived baselines."""
    return (
        f"scale(0.75, 1.5) | crop({height}, {width}, max_share=0.75) | flip_lr() | "
        "color_jitter(0.15, 0.15, 0.15, 0.01)"
    )


def medium(height: int, width: int) -> str:
    """More of each, and small turns: for a few hundred to a few thousand images."""
    return (
        f"scale(0.5, 2.0) | crop({height}, {width}, max_share=0.75) | flip_lr() | "
        "affine((0.9, 1.1), rotate=5, shift=0.0, shear=3) | color_jitter()"
    )


def heavy(height: int, width: int) -> str:
    """Rare classes, perspective, damage, mixing: for tens of images, or long runs."""
    return (
        f"scale(0.5, 2.0) | class_crop({height}, {width}) | flip_lr() | "
        "affine((0.8, 1.25), rotate=10, shift=0.0, shear=5) | perspective(0.05, 0.3) | "
        "color_jitter(0.4, 0.4, 0.4, 0.05) | gamma(p=0.3) | blur(p=0.2) | "
        "noise(p=0.2) | classmix(0.3) | cutout(2, 0.2, p=0.3)"
    )


PRESETS = Table("preset", {"heavy": heavy, "light": light, "medium": medium})
