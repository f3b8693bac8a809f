"""From a trained run to one file: programs, numbers, and all that they are used by."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jaxtyping import Array

from segjax.core.errors import raise_problems
from segjax.core.network import Network
from segjax.core.pixels import Pixels
from segjax.core.tables import unknown
from segjax.data.ops import OPS
from segjax.nn.backend import portable
from segjax.parts import Parts
from segjax.predict.protocol import Protocol
from segjax.predict.ways import Buckets
from segjax.serve import bundle, check, input, network
from segjax.serve.description import PLATFORMS, Description

Size = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Made:
    """An exported model before it is written.

    Attributes:
      about: its description.
      variables: arrays, in the order that the programs take them.
      names: of the arrays.
      programs: serialised, by name.
    """

    about: Description
    variables: list[np.ndarray]
    names: list[str]
    programs: dict[str, bytes]

    @functools.cached_property
    def network(self) -> network.Exported:
        """The programs, read as they will be from the file."""
        read = {n: export.deserialize(bytearray(p)) for n, p in self.programs.items()}
        return network.Exported(self.about, read)

    @functools.cached_property
    def check(self) -> dict[str, np.ndarray]:
        """The picture that tells whether a machine computes the same."""
        return check.vector(self.network, self.variables, self.about)


def make(
    parts: Parts,
    variables: Any,
    *,
    title: str,
    sizes: Sequence[Size],
    protocol: Protocol | None = None,
    platforms: Sequence[str] = PLATFORMS,
    licence: str = "",
) -> Made:
    """Export a network for images of some sizes, in batches of any size.

    Args:
      parts: of the run; its steps of post-processing go along.
      variables: its numbers.
      title: what people will call the model.
      sizes: `(height, width)` of what the network sees.
      protocol: how images are shown to it; None for `usual_protocol`.
      platforms: to compile for.
      licence: terms under which the weights are given away.

    Raises:
      UserError: with all that is wrong: the model does not take a size, the evaluation
        ops cannot travel, the protocol is of other sizes, no such platform.
    """
    model, config = parts.model, parts.config
    sizes = tuple(dict.fromkeys(map(tuple, sizes)))
    problems = problems_of(parts, platforms)
    problems += Buckets(sizes).problems(model, "--sizes")
    raise_problems(problems)
    shown = protocol or usual_protocol(parts, sizes)
    about = Description(
        title=title,
        task=config.task,
        threshold=config.evaluate.threshold,
        dataset=parts.info.plain(),
        input_ops=_input_ops(parts)[0],
        normalize=parts.normalize.numbers(),
        architecture=config.model["name"],
        parameters=sum(x.size for x in jax.tree.leaves(variables["params"])),
        stride=model.stride,
        margin=model.margin,
        takes_clips=model.takes_clips,
        sizes=sizes,
        platforms=tuple(platforms),
        protocol=shown.name,
        postprocess=str(config.postprocess),
        licence=licence,
    )
    raise_problems(shown.problems(network.Exported(about, {}), "--protocol"))
    flat = flax.traverse_util.flatten_dict(flax.core.unfreeze(variables), sep="/")
    names = sorted(flat)
    made = {}
    for size in sizes:
        made |= programs(
            model,
            flat,
            size,
            normalize=parts.normalize,
            pixels=parts.info.pixels,
            platforms=platforms,
        )
    return Made(about, [np.asarray(flat[n]) for n in names], names, made)


def problems_of(parts: Parts, platforms: Sequence[str]) -> list[str]:
    """Why a run cannot be exported for these platforms, as messages."""
    found = [
        unknown("platform", p, PLATFORMS, "--platforms")
        for p in platforms
        if p not in PLATFORMS
    ]
    if not platforms:
        found.append(f"--platforms: is empty; name some of {', '.join(PLATFORMS)}.")
    return found + _input_ops(parts)[1]


def usual_protocol(parts: Parts, sizes: Sequence[Size]) -> Protocol:
    """The run's own, with `buckets` in place of what has no fixed sizes."""
    own = parts.config.protocol
    if own.way.shown and {*own.way.shown} <= {*sizes}:
        return own
    return dataclasses.replace(own, way=Buckets(tuple(sizes)))


def write(
    path: Path, made: Made, more: Mapping[str, Any], members: Mapping[str, bytes]
) -> str:
    """Write the file of an exported model.

    Args:
      path: where.
      made: the model.
      more: what its manifest says besides: scores, run, versions.
      members: `card.md`, and what else goes along.

    Returns:
      SHA-256 of the file.

    Raises:
      EnvironmentFault: the disk refuses.
    """
    members = {
        **members,
        **{f"{network.FOLDER}{n}.bin": p for n, p in made.programs.items()},
        **{f"{check.FOLDER}{n}.npy": bundle.npy(x) for n, x in made.check.items()},
    }
    for i, array in enumerate(made.variables):
        members[f"parameters/{i:05d}.npy"] = bundle.npy(array)
    manifest = {**made.about.plain(), **more, "arrays": made.names}
    return bundle.write(path, manifest, members)


def programs(
    model: Network,
    flat: Mapping[str, Any],
    size: Size,
    *,
    normalize: Callable[[Array], Array],
    pixels: Pixels,
    platforms: Sequence[str] = PLATFORMS,
) -> dict[str, bytes]:
    """The programs for images of a size; those with a memory for models of clips.

    Args:
      model: the network, without its arrays.
      flat: the network's arrays by their paths; the programs take them in the order of
        the paths.
      size: `(height, width)` of the images.
      normalize: from pixels to what it takes.
      pixels: of the images.
      platforms: to compile for.

    Returns:
      Serialised, by `network.program_name`.
    """
    names = sorted(flat)

    def applied(arrays, images, *args, **kwargs):
        tree = dict(zip(names, arrays, strict=True))
        tree = flax.traverse_util.unflatten_dict(tree, sep="/")
        return model.apply(tree, normalize(images), *args, **kwargs)

    def image(arrays, images):
        return applied(arrays, images, train=False)

    def start(arrays, images):
        return applied(arrays, images, None, method="stream")

    def stream(arrays, carry, images):
        return applied(arrays, images, carry, method="stream")

    (batch,) = export.symbolic_shape("b")
    shape = (batch, *size, pixels.channels)
    images = jax.ShapeDtypeStruct(shape, jnp.dtype(pixels.depth))
    arrays = [jax.ShapeDtypeStruct(flat[n].shape, flat[n].dtype) for n in names]
    found = {}
    with portable(), _without_places():
        calls: dict[str, tuple] = {"image": (image, arrays, images)}
        if model.takes_clips:
            carry = jax.eval_shape(start, arrays, images)[1]
            calls["start"] = (start, arrays, images)
            calls["stream"] = (stream, arrays, carry, images)
        for kind, (function, *shapes) in calls.items():
            made = export.export(jax.jit(function), platforms=platforms)(*shapes)
            found[network.program_name(kind, size)] = bytes(made.serialize())
    return found


@contextlib.contextmanager
def _without_places() -> Iterator[None]:
    """Within, programs do not hold the paths and lines of the code they come from."""
    limit = "jax_traceback_in_locations_limit"
    before = getattr(jax.config, limit)
    jax.config.update(limit, 0)
    try:
        yield
    finally:
        jax.config.update(limit, before)


def _input_ops(parts: Parts) -> tuple[str, list[str]]:
    """The evaluation ops as a string that an exported model reads; those that cannot
    travel, as messages.
    """
    names = {cls: name for name, cls in OPS.items()}
    problems, texts = [], []
    for op in parts.config.eval_ops[0]:
        name = names[type(op)]
        fields = dataclasses.astuple(op)
        texts.append(f"{name}({', '.join(map(repr, fields))})")
        if name not in input.OPS:
            problems.append(
                f"config.input.eval_ops: {texts[-1]} cannot travel in an exported "
                f"model; {', '.join(input.OPS)} can. Train without it."
            )
    return " | ".join(texts), problems
