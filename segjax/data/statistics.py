"""Mean and standard deviation of a split's pixels, for `normalize('data')`.

Of images of 8 or 16 bits, one pass counts how often each value occurs in each channel.
The numbers are worked out from the counts in whole numbers and rounded once, so the
order of the images and the number of threads move no digit.

Of floats, each image gives its mean and its sum of squares about that, in float64; they
are put together in the order of the images, so threads move no digit here either.
Source: Chan, Golub, LeVeque, Updating Formulae and a Pairwise Algorithm for Computing
Sample Variances, 1979, formulae 2.1.
"""

import concurrent.futures
import dataclasses
import fractions
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt

from segjax.core.errors import UserError
from segjax.core.keys import IMAGE
from segjax.data import remembered
from segjax.data.ops import Normalize
from segjax.data.source import Source

SHOWN = 20
"""Problems that an error lists before it only counts them."""


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Of each channel, over all pixels of all images.

    Attributes:
      mean: of integers in 0..1, in units of 255 or 65535; of floats in their unit.
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
    if source.info.pixels.depth == "float32":
        found = from_moments(_total(source, _moments, merged, threads, progress))
    else:
        found = from_counts(_total(source, _histograms, np.add, threads, progress))
    if 0 in found.std:
        raise UserError(
            f"{source!r}: the standard deviations of the channels are {found.std}; one "
            "of 0 cannot be divided by. Write numbers: normalize(mean=..., std=...)."
        )
    if cache is not None:
        remembered.write(cache, name, dataclasses.asdict(found))
    return found


def filled(
    normalize: Normalize,
    source: Source,
    cache: remembered.Cache = None,
    *,
    threads: int,
) -> Normalize:
    """The op with the numbers of a training split, if it asks for them."""
    if not normalize.from_data:
        return normalize
    found = measure(source, cache, threads=threads)
    return Normalize(found.mean, found.std)


def from_counts(counts: Int64[np.ndarray, "C V"]) -> Statistics:
    """The statistics of values that occur so often, in units of the last, `V - 1`.

    Each is the nearest float64 to the truth.
    """
    mean, std, full = [], [], counts.shape[1] - 1
    for channel in counts.tolist():
        number = sum(channel)
        total = sum(n * value for value, n in enumerate(channel))
        squares = sum(n * value**2 for value, n in enumerate(channel))
        mean.append(float(fractions.Fraction(total, full * number)))
        variance = fractions.Fraction(number * squares - total**2, (full * number) ** 2)
        std.append(math.sqrt(variance))
    return Statistics(tuple(mean), tuple(std))


def from_moments(moments: Float64[np.ndarray, "3 C"]) -> Statistics:
    """The statistics of rows of numbers, means, and sums of squares about them."""
    number, mean, squares = moments
    return Statistics(tuple(mean.tolist()), tuple(np.sqrt(squares / number).tolist()))


def merged(
    one: Float64[np.ndarray, "3 C"], other: Float64[np.ndarray, "3 C"]
) -> Float64[np.ndarray, "3 C"]:
    """The moments of two sets of pixels together."""
    (m, mean, squares), (n, its_mean, its_squares) = one, other
    away = its_mean - mean
    return np.stack(
        [
            m + n,
            mean + away * n / (m + n),
            squares + its_squares + away**2 * m * n / (m + n),
        ]
    )


def _total(source, measure_one, together, threads, progress) -> np.ndarray:
    """`measure_one` of each image, put `together` in their order."""
    total, problems = None, []
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        results = pool.map(lambda i: _look(source, i, measure_one), range(len(source)))
        for done, (found, one) in enumerate(results, 1):
            problems += found
            if one is not None:
                total = one if total is None else together(total, one)
            if progress is not None:
                progress(done, len(source))
    if len(problems) > SHOWN:
        problems[SHOWN:] = [f"... and {len(problems) - SHOWN} more problems."]
    if not len(source):
        problems.append(f"{source!r}: is empty; statistics need an image.")
    if problems:
        raise UserError(problems)
    return total


def _look(source, i, measure_one):
    """`(problems, what is measured)` of example `i`."""
    try:
        return [], measure_one(source[i][IMAGE])
    except UserError as error:
        return error.problems, None


def _histograms(image: UInt[np.ndarray, "*T H W C"]) -> Int64[np.ndarray, "C V"]:
    channels = image.reshape(-1, image.shape[-1]).T
    values = np.iinfo(image.dtype).max + 1
    return np.stack([np.bincount(channel, minlength=values) for channel in channels])


def _moments(image: Float32[np.ndarray, "*T H W C"]) -> Float64[np.ndarray, "3 C"]:
    pixels = image.reshape(-1, image.shape[-1]).astype(np.float64)
    mean = pixels.mean(axis=0)
    squares = ((pixels - mean) ** 2).sum(axis=0)
    return np.stack([np.full(len(mean), len(pixels), np.float64), mean, squares])
