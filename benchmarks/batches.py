"""Made-up pixels and labels, the same for both frameworks."""

import numpy as np
from jaxtyping import UInt8

from benchmarks.forms import IGNORED, Form
from segjax.core.keys import IGNORE


def pixels(form: Form) -> UInt8[np.ndarray, "B *T H W 3"]:
    """Even noise."""
    return np.random.default_rng(0).integers(0, 256, form.shape, dtype=np.uint8)


def labels(form: Form) -> UInt8[np.ndarray, "B H W"]:
    """Classes at random, some of them to be ignored; of a clip, its last frame's."""
    rng = np.random.default_rng(1)
    shape = (form.batch, *form.size)
    classes = rng.integers(0, form.classes, shape, dtype=np.uint8)
    return np.where(rng.random(shape) < IGNORED, np.uint8(IGNORE), classes)
