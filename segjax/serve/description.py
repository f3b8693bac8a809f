"""What an exported model says of itself, and what of it must hold to be used."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from segjax.core.errors import UserError, raise_problems
from segjax.core.info import DatasetInfo
from segjax.core.tables import signature_problems

PLATFORMS = ("cpu", "cuda", "tpu")

MOST_SIZES = 64
MOST_SIDE = 16_384
MOST_TEXT = 10_000
"""Of what a file may ask for: sizes, pixels of a side, letters of a text."""


@dataclasses.dataclass(frozen=True)
class Description:
    """The part of a manifest by which images become classes.

    Attributes:
      title: what people call the model.
      task: `multiclass` or `binary`.
      threshold: of the foreground, for `binary`.
      dataset: class table, palette, pixels and provenance; `DatasetInfo.plain`.
      input_ops: op string of what is done to an image on the host.
      normalize: mean and std of each channel; the programs do it.
      architecture: the model's name in segjax.
      parameters: how many numbers were trained.
      stride: sides of the programs divide by it, once `margin` is taken off.
      margin: pixels that the logits lose at each border.
      takes_clips: whether there are programs that carry a memory along a video.
      sizes: `(height, width)` of the images that there are programs for.
      platforms: that the programs are compiled for.
      protocol: how an image is shown to the network.
      postprocess: what is done to a prediction.
      licence: terms under which the weights are given away; empty if not said.
    """

    title: str
    task: Literal["binary", "multiclass"]
    threshold: float | int
    dataset: dict
    input_ops: str
    normalize: dict
    architecture: str
    parameters: int
    stride: int
    margin: int
    takes_clips: bool
    sizes: tuple[tuple[int, int], ...]
    platforms: tuple[str, ...]
    protocol: str
    postprocess: str
    licence: str

    @property
    def info(self) -> DatasetInfo:
        """The class table."""
        return DatasetInfo.of(self.dataset)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return dataclasses.asdict(self)


def of(manifest: Mapping[str, Any], where: str) -> Description:
    """The description in a manifest.

    Raises:
      UserError: with all that is missing or wrong.
    """
    names = [f.name for f in dataclasses.fields(Description)]
    values = {n: _tuples(manifest[n]) for n in names if n in manifest}
    raise_problems(signature_problems(where, Description, values))
    found = Description(**values)
    problems = [
        f"{where}.{name}: has {len(value)} letters; {MOST_TEXT} are read."
        for name, value in values.items()
        if isinstance(value, str) and len(value) > MOST_TEXT
    ]
    sides = [side for size in found.sizes for side in size]
    if not 0 < len(found.sizes) <= MOST_SIZES or not _within(sides, 1, MOST_SIDE):
        problems.append(
            f"{where}.sizes: are no 1 to {MOST_SIZES} sizes of images of 1 to "
            f"{MOST_SIDE} pixels a side."
        )
    if unknown := [p for p in found.platforms if p not in PLATFORMS]:
        problems.append(f"{where}.platforms: {unknown[0]!r} is none of {PLATFORMS}.")
    if not found.stride > 0 <= found.margin or not 0 < found.threshold < 1:
        problems.append(
            f"{where}.stride={found.stride}, .margin={found.margin}, "
            f".threshold={found.threshold}: cannot be."
        )
    try:
        classes = found.info.num_classes
        if found.task == "binary" and classes != 2:
            problems.append(f"{where}.task='binary': there are {classes} classes.")
        found.info.palette()
    except UserError as error:
        problems += [f"{where}.dataset: {problem}" for problem in error.problems]
    except Exception:  # whatever a table that is none raises
        problems.append(f"{where}.dataset: is no class table.")
    raise_problems(problems)
    return found


def section(manifest: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of a manifest that may be left out; `{}` then, or if it is no mapping."""
    found = manifest.get(name)
    return found if isinstance(found, Mapping) else {}


def _within(values: Sequence[int], low: int, high: int) -> bool:
    return all(low <= value <= high for value in values)


def _tuples(value: Any) -> Any:
    """Tuples for lists, as JSON knows lists alone."""
    if isinstance(value, list):
        return tuple(map(_tuples, value))
    return value
