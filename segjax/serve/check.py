"""Does an exported model compute here what it computed where it was made?"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from segjax.core.errors import UserError
from segjax.core.network import Network
from segjax.predict.decide import decide, last_frame
from segjax.serve.bundle import Bundle
from segjax.serve.description import Description

FOLDER = "check/"
MEMBERS = ("image", "ids", "logits")

KEPT = 32
"""Rows and columns of logits that are kept, at most."""

CLOSE = 1e-3
"""Error of a pixel's logits, of the largest, and share of other classes, that pass.

Other kinds of devices sum in another order; on the same kind the bits are equal.
"""

TIED = 0.1
"""Share of pixels whose logits may be off by more than that.

A network that pools with indices puts a value where the largest of four was. Where two
are nearly tied, rounding decides, and what comes of that place has other logits.
"""


@dataclasses.dataclass(frozen=True)
class Checked:
    """What the picture of a model gave here, beside what it gave there.

    Attributes:
      equal: whether every bit is the same.
      error: of logits, the largest, relative to the largest logit.
      off: share of pixels whose error is above `CLOSE`.
      flipped: share of pixels that are of another class.
    """

    equal: bool
    error: float
    off: float
    flipped: float

    @property
    def close(self) -> bool:
        """Whether it is the same but for the rounding of sums."""
        return self.off <= TIED and self.flipped <= CLOSE

    def __str__(self) -> str:
        if self.equal:
            return "equal to the bit"
        where = f" ({self.off:.2%} of pixels above {CLOSE:g})" if self.off else ""
        return (
            f"logits within {self.error:.1e}{where}, {self.flipped:.4%} other classes"
        )


def vector(
    network: Network,
    variables: Any,
    about: Description,
    size: tuple[int, int] | None = None,
) -> dict[str, np.ndarray]:
    """A picture, drawn from random numbers, and what the network says of it.

    Args:
      network: the programs.
      variables: the arrays that they take.
      about: their description.
      size: of the picture, one that there is a program for; None for the smallest.

    Returns:
      `image` `(h, w, C)`, its `ids` `(h, w)`, and `logits`, `KEPT` rows and columns of
      them.
    """
    image = _picture(about, size or min(about.sizes))
    logits = _logits(network, variables, image)
    return {"image": image, "ids": ids_of(logits, about), "logits": kept(logits)}


def read(bundle: Bundle, about: Description) -> dict[str, np.ndarray]:
    """What `vector` gave where the model was made.

    Raises:
      UserError: it is not there, is damaged, or of images that the model does not take.
    """
    found = {name: bundle.array(f"{FOLDER}{name}.npy") for name in MEMBERS}
    image, pixels = found["image"], about.info.pixels
    size, rest = image.shape[:2], (image.shape[2:], image.dtype.name)
    if size not in about.sizes or rest != ((pixels.channels,), pixels.depth):
        raise UserError(
            f"{bundle.path}: is damaged: its check is of a picture {image.shape} "
            f"{image.dtype}. Copy or export it again."
        )
    return found


def compare(
    network: Network,
    variables: Any,
    about: Description,
    expected: Mapping[str, np.ndarray],
) -> Checked:
    """Run the picture of `vector` again.

    Raises:
      UserError: it gives something of another shape.
    """
    logits = _logits(network, variables, expected["image"])
    ids, rows = ids_of(logits, about), kept(logits)
    if ids.shape != expected["ids"].shape or rows.shape != expected["logits"].shape:
        raise UserError(
            f"{about.title}: its check gives {rows.shape} logits, and should give "
            f"{expected['logits'].shape}. The file is not whole; export it again."
        )
    errors = errors_of(rows, expected["logits"])
    off = float(np.mean(errors > CLOSE))
    flipped = float(np.mean(ids != expected["ids"]))
    equal = flipped == 0 and np.array_equal(rows, expected["logits"])
    return Checked(equal, float(errors.max()), off, flipped)


def errors_of(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Of each pixel the largest error of its logits, relative to the largest logit."""
    largest = max(float(np.abs(expected).max()), 1e-6)
    errors = np.abs(found - expected).max(axis=-1) / largest
    return np.where(np.isfinite(errors), errors, np.inf)


def ids_of(logits: np.ndarray, about: Description) -> np.ndarray:
    """The classes of logits."""
    return np.asarray(decide(jnp.asarray(logits), about.task, about.threshold))


def kept(logits: np.ndarray) -> np.ndarray:
    """Some rows and columns of logits, evenly spread."""
    rows, columns = (-(-n // KEPT) for n in logits.shape[:2])
    return np.ascontiguousarray(logits[::rows, ::columns])


def _picture(about: Description, size: tuple[int, int]) -> np.ndarray:
    """Large and small spots of every brightness, in the model's kind of pixels."""
    pixels = about.info.pixels
    height, width = size
    rng = np.random.default_rng(0)
    shape = height, width, pixels.channels
    coarse = rng.random((-(-height // 16), -(-width // 16), pixels.channels))
    spots = coarse.repeat(16, axis=0).repeat(16, axis=1)[:height, :width]
    image = 0.8 * spots + 0.2 * rng.random(shape)
    full = np.iinfo(pixels.depth).max if pixels.depth.startswith("uint") else 1
    return (full * image).astype(pixels.depth)


def _logits(network, variables, image) -> np.ndarray:
    run = jax.jit(lambda v, x: last_frame(network.apply(v, x, train=False)))
    return np.asarray(run(variables, image[None]))[0]
