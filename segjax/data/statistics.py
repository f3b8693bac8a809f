"""Mean and standard deviation of a split's pixels, for `normalize('data')`.

One pass counts how often each of the 256 values occurs in each channel. The numbers
are worked out from the counts in whole numbers and rounded once, so the order of the
images and the number of threads move no digit.
"""

import concurrent.futures
import dataclasses
import fractions
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Int64, UInt8

from segjax.core.errors import UserError
from segjax.core.keys import IMAGE
from segjax.data import remembered
from segjax.data.source import Source

SHOWN = 20
"""Problems that an error lists before it only counts them."""


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Of each channel, over all pixels of all images, in units of 255.

    Attributes:
      mean: in 0..1.
      std: standard deviation, of the whole and not of a sample of it.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


def measure(
    source: Source,
    cache: remembered.Cache = None,
    *,
    threads: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> Statistics:
    """The statistics of a split, as its files are before any op.

    Pixels with an ignored label count too, since the network sees them; the frames of a
    clip count as often as clips hold them.

    Args:
      source: the split.
      cache: where to remember the result, under the source's fingerprint; None to
        always look.
      threads: images decoded at once.
      progress: called with (examples done, examples).

    Raises:
      UserError: images cannot be read, with each of them; there are none; or a channel
        has one value alone, which nothing can normalise.
    """
    if cache is not None:
        name = f"pixels-{source.fingerprint()[:32]}.json"
        known = remembered.read(cache, name)
        if known is not None and {"mean", "std"} <= known.keys():
            return Statistics(tuple(known["mean"]), tuple(known["std"]))
    found = from_counts(_counts(source, threads, progress))
    if 0 in found.std:
        raise UserError(
            f"{source!r}: the standard deviations of the channels are {found.std}; one "
            "of 0 cannot be divided by. Write numbers: normalize(mean=..., std=...)."
        )
    if cache is not None:
        remembered.write(cache, name, dataclasses.asdict(found))
    return found


def from_counts(counts: Int64[np.ndarray, "C 256"]) -> Statistics:
    """The statistics of what occurs so often, each the nearest float64 to the truth."""
    mean, std = [], []
    for channel in counts.tolist():
        number = sum(channel)
        total = sum(n * value for value, n in enumerate(channel))
        squares = sum(n * value**2 for value, n in enumerate(channel))
        mean.append(float(fractions.Fraction(total, 255 * number)))
        variance = fractions.Fraction(number * squares - total**2, (255 * number) ** 2)
        std.append(math.sqrt(variance))
    return Statistics(tuple(mean), tuple(std))


def _counts(source, threads, progress) -> Int64[np.ndarray, "C 256"]:
    total, problems = 0, []
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        results = pool.map(lambda i: _look(source, i), range(len(source)))
        for done, (found, counts) in enumerate(results, 1):
            problems += found
            total = total + counts
            if progress is not None:
                progress(done, len(source))
    if len(problems) > SHOWN:
        problems[SHOWN:] = [f"... and {len(problems) - SHOWN} more problems."]
    if not len(source):
        problems.append(f"{source!r}: is empty; statistics need an image.")
    if problems:
        raise UserError(problems)
    return total


def _look(source, i):
    """`(problems, counts)` of example `i`."""
    try:
        return [], _histograms(source[i][IMAGE])
    except UserError as error:
        return error.problems, 0


def _histograms(image: UInt8[np.ndarray, "*T H W C"]) -> Int64[np.ndarray, "C 256"]:
    channels = image.reshape(-1, image.shape[-1]).T
    return np.stack([np.bincount(channel, minlength=256) for channel in channels])
