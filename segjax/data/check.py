"""One pass over a split before training: every problem at once, and class counts.

Runs before any device code, so that a mask with a wrong id costs seconds and not a
night. The result is remembered under the source's fingerprint. `audit.start` does it as
a part of the audit where a source is made of files.
"""

import concurrent.futures
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int64, Integer

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE, IMAGE, LABEL
from segjax.data import decode, remembered
from segjax.data.source import PairedFiles, Source, size_mismatch

SHOWN = 20
"""Problems that an error lists before it only counts them."""


@dataclasses.dataclass(frozen=True)
class Survey:
    """What is in a split.

    Attributes:
      problems: all that is wrong, one message each, in the order of the examples.
      class_pixels: `K` pixel counts.
      class_images: `K` counts of the examples that have the class.
      ignored_pixels: pixels with the label `IGNORE`.
      sizes: `(height, width, examples)` of the labels, the most frequent first.
      turned: examples whose image has an EXIF orientation other than upright.
    """

    problems: tuple[str, ...]
    class_pixels: tuple[int, ...]
    class_images: tuple[int, ...]
    ignored_pixels: int
    sizes: tuple[tuple[int, int, int], ...]
    turned: int

    def pixel_counts(self) -> Int64[np.ndarray, "K"]:
        """`class_pixels` as an array, for class weights."""
        return np.array(self.class_pixels, np.int64)


def run(
    source: Source,
    cache: remembered.Cache = None,
    *,
    images: bool = False,
    threads: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> Survey:
    """Survey a split and refuse it if anything is wrong.

    Args:
      source: the split.
      cache: where to remember the result; None to always look.
      images: decode the images too and not only their heads; finds damaged pixels, but
        takes several times as long.
      threads: files read at once.
      progress: called with (examples done, examples).

    Raises:
      UserError: with the first `SHOWN` problems and how many there are.
    """
    survey = examine(source, cache, images=images, threads=threads, progress=progress)
    if survey.problems:
        shown = list(survey.problems[:SHOWN])
        if len(survey.problems) > SHOWN:
            shown.append(
                f"... and {len(survey.problems) - SHOWN} more problems in "
                f"{len(source)} examples; `segjax inspect` lists all."
            )
        raise UserError(shown)
    return survey


def examine(
    source: Source,
    cache: remembered.Cache = None,
    *,
    images: bool = False,
    threads: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> Survey:
    """The same without refusing: the problems are in the result."""
    if cache is not None:
        depth = "all" if images else "masks"
        name = f"check-{depth}-{source.fingerprint()[:32]}.json"
        if (known := from_json(remembered.read(cache, name))) is not None:
            return known
    survey = _survey(source, images, threads, progress)
    if cache is not None:
        remembered.write(cache, name, dataclasses.asdict(survey))
    return survey


def _survey(source, images, threads, progress) -> Survey:
    rows = []
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for row in pool.map(lambda i: _look(source, i, images), range(len(source))):
            rows.append(row)
            if progress is not None:
                progress(len(rows), len(source))
    return tally(source, rows)


class Row(NamedTuple):
    """What was seen in an example.

    Attributes:
      problems: messages.
      shape: `(height, width)` of the label; None where it cannot be counted.
      counts: pixels of each of the ids 0..255; None likewise.
      orientation: EXIF's, of the image.
    """

    problems: Sequence[str]
    shape: tuple[int, int] | None
    counts: Integer[np.ndarray, "256"] | None
    orientation: int


def tally(source: Source, rows: Iterable[Row]) -> Survey:
    """The survey of a split from what was seen in each of its examples."""
    num_classes = source.info.num_classes
    pixels, present = np.zeros(256, np.int64), np.zeros(256, np.int64)
    problems, sizes, turned = [], Counter(), 0
    for row in rows:
        problems += row.problems
        turned += row.orientation != 1
        if row.counts is not None:
            pixels += row.counts
            present += row.counts > 0
            sizes[row.shape] += 1
    if not problems:
        problems += _wholly_wrong(source, pixels)
    return Survey(
        problems=tuple(problems),
        class_pixels=tuple(int(n) for n in pixels[:num_classes]),
        class_images=tuple(int(n) for n in present[:num_classes]),
        ignored_pixels=int(pixels[IGNORE]),
        sizes=tuple((h, w, n) for (h, w), n in sizes.most_common()),
        turned=turned,
    )


def _look(source, i, images) -> Row:
    try:
        if not isinstance(source, PairedFiles):
            label, orientation = source[i][LABEL], 1
            size = label.shape[-2:]
        else:
            path = source.pairs[i][1]
            size, orientation = decode.read_size(path, source.where(path))
            label = source.label(i)
            if images:
                size = source[i][IMAGE].shape[-3:-1]
    except UserError as error:
        return Row(error.problems, None, None, 1)
    shape = label.shape[-2:]
    if size != shape:
        return Row([size_mismatch(source, i, size, shape)], None, None, orientation)
    counts = np.bincount(label.ravel(), minlength=256)
    beyond = counts[source.info.num_classes : IGNORE]
    if beyond.any():
        ids = np.flatnonzero(beyond) + source.info.num_classes
        text = f"{source.name(i)}: label has ids {ids.tolist()[:6]}; classes are 0-"
        text += (
            f"{source.info.num_classes - 1} and ignore {IGNORE}. Correct the source."
        )
        return Row([text], None, None, orientation)
    return Row([], shape, counts, orientation)


def _wholly_wrong(source, pixels) -> list[str]:
    """Mistakes that show only over the whole split, where each file alone is legal."""
    ids = np.flatnonzero(pixels)
    if len(source) and not (ids != IGNORE).any():
        return [
            f"{source!r}: every pixel is ignored, so there is nothing to learn or "
            "score. Check which ids are declared as ignored."
        ]
    if isinstance(source, PairedFiles) and ids.tolist() == [0, IGNORE]:
        declared = dict(source.rule.values)
        if source.rule.layout == "folder" and declared.get(255) == IGNORE:
            return [
                f"{source!r}: masks hold 0 and 255 alone, and 255 is declared as "
                "ignored, so only class 0 is left. If 255 is the foreground, set "
                "values=(0, 255) and take 255 out of `ignore`."
            ]
    return []


def from_json(fields: Mapping[str, Any] | None) -> Survey | None:
    """The remembered survey; None if there is none or it is not one."""
    try:
        fields = dict(fields or {})
        fields["sizes"] = tuple(tuple(s) for s in fields["sizes"])
        for key in ("problems", "class_pixels", "class_images"):
            fields[key] = tuple(fields[key])
        return Survey(**fields)
    except (KeyError, TypeError):
        return None
