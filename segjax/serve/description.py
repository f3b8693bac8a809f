"""What an exported model says of itself, and what of it must hold to be used."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from segjax.core.errors import UserError, raise_problems
from segjax.core.info import DatasetInfo
from segjax.core.tables import signature_problems

PLATFORMS = ("cpu", "cuda", "tpu")


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
    threshold: float
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
    problems = []
    if not found.sizes or any(min(size) < 1 for size in found.sizes):
        problems.append(f"{where}.sizes={found.sizes}: are no sizes of images.")
    if unknown := [p for p in found.platforms if p not in PLATFORMS]:
        problems.append(f"{where}.platforms: {unknown[0]!r} is none of {PLATFORMS}.")
    if not 0 < found.threshold < 1:
        problems.append(f"{where}.threshold={found.threshold}: is not within 0 and 1.")
    try:
        classes = found.info.num_classes
        if found.task == "binary" and classes != 2:
            problems.append(f"{where}.task='binary': there are {classes} classes.")
    except UserError as error:
        problems += error.problems
    except (KeyError, TypeError, ValueError):
        problems.append(f"{where}.dataset: is no class table.")
    raise_problems(problems)
    return found


def _tuples(value: Any) -> Any:
    """Tuples for lists, as JSON knows lists alone."""
    if isinstance(value, list):
        return tuple(map(_tuples, value))
    return value
