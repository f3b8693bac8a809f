"""From a trained run to one file: programs, numbers, and all that they are used by."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from segjax.core.errors import UserError, raise_problems
from segjax.data.ops import OPS
from segjax.nn.backend import portable
from segjax.parts import Parts
from segjax.predict import protocol as protocols
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

    def network(self) -> network.Exported:
        """The programs, read as they will be from the file."""
        read = {n: export.deserialize(bytearray(p)) for n, p in self.programs.items()}
        return network.Exported(self.about, read)


def make(
    parts: Parts,
    variables: Any,
    *,
    title: str,
    sizes: Sequence[Size],
    protocol: str | None = None,
    platforms: Sequence[str] = PLATFORMS,
    licence: str = "",
) -> Made:
    """Export a network for images of some sizes, in batches of any size.

    Args:
      parts: of the run.
      variables: its numbers.
      title: what people will call the model.
      sizes: `(height, width)` of what the network sees.
      protocol: how images are shown to it; None for `buckets` of the sizes.
      platforms: to compile for.
      licence: terms under which the weights are given away.

    Raises:
      UserError: the model does not take a size, the evaluation ops cannot travel, or
        the protocol is of other sizes.
    """
    model, config = parts.model, parts.config
    sizes = tuple(dict.fromkeys(map(tuple, sizes)))
    way = protocol or str(Buckets(sizes))
    about = Description(
        title=title,
        task=config.task,
        threshold=config.evaluate.threshold,
        dataset=parts.info.plain(),
        input_ops=_input_ops(parts),
        normalize=parts.normalize.numbers(),
        architecture=config.model["name"],
        parameters=sum(x.size for x in jax.tree.leaves(variables["params"])),
        stride=model.stride,
        margin=model.margin,
        takes_clips=model.takes_clips,
        sizes=sizes,
        platforms=tuple(platforms),
        protocol=protocols.parse(way, "--protocol").name,
        postprocess=str(config.postprocess),
        licence=licence,
    )
    found = Buckets(sizes).problems(model, "--sizes")
    found += network.Exported(about, {}).problems(
        protocols.parse(way, "--protocol").way, "--protocol"
    )
    raise_problems(found)
    flat = flax.traverse_util.flatten_dict(flax.core.unfreeze(variables), sep="/")
    names = sorted(flat)
    programs = {}
    for size in sizes:
        programs |= _programs(parts, flat, names, size, tuple(platforms))
    return Made(about, [np.asarray(flat[n]) for n in names], names, programs)


def write(
    path: Path, made: Made, more: Mapping[str, Any], members: Mapping[str, bytes]
) -> str:
    """Write the file of an exported model.

    Args:
      path: where.
      made: the model.
      more: what its manifest says besides: metrics, run, versions.
      members: `card.md`, and what else goes along.

    Returns:
      SHA-256 of the file.
    """
    checks = check.vector(made.network(), made.variables, made.about)
    members = {
        **members,
        **{f"{network.FOLDER}{n}.bin": p for n, p in made.programs.items()},
        **{f"{check.FOLDER}{n}.npy": bundle.npy(x) for n, x in checks.items()},
    }
    for i, array in enumerate(made.variables):
        members[f"parameters/{i:05d}.npy"] = bundle.npy(array)
    manifest = {**made.about.plain(), **more, "arrays": made.names}
    return bundle.write(path, manifest, members)


def _programs(
    parts: Parts,
    flat: Mapping[str, Any],
    names: Sequence[str],
    size: Size,
    platforms: tuple[str, ...],
) -> dict[str, bytes]:
    """The programs for images of a size; those with a memory for models of clips."""
    pixels, model = parts.info.pixels, parts.model

    def applied(arrays, images, *args, **kwargs):
        tree = dict(zip(names, arrays, strict=True))
        tree = flax.traverse_util.unflatten_dict(tree, sep="/")
        return model.apply(tree, parts.normalize(images), *args, **kwargs)

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
    calls: dict[str, tuple] = {"image": (image, arrays, images)}
    if model.takes_clips:
        frame = jax.ShapeDtypeStruct((1, *shape[1:]), images.dtype)
        carry = jax.eval_shape(start, arrays, frame)[1]
        calls["start"] = (start, arrays, frame)
        calls["stream"] = (stream, arrays, carry, frame)
    found = {}
    with portable():
        for kind, (function, *shapes) in calls.items():
            program = export.export(jax.jit(function), platforms=platforms)(*shapes)
            found[network.program_name(kind, size)] = bytes(program.serialize())
    return found


def _input_ops(parts: Parts) -> str:
    """The evaluation ops as a string that an exported model reads.

    Raises:
      UserError: one of them cannot travel.
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
    raise_problems(problems)
    return " | ".join(texts)


def sizes_of(text: str) -> tuple[Size, ...]:
    """`192x256,384x512` as pairs of height and width.

    Raises:
      UserError: it is no list of sizes.
    """
    found = []
    for part in text.split(","):
        try:
            height, width = map(int, part.lower().split("x"))
        except ValueError:
            raise UserError(
                f"--sizes={text}: {part!r} is no size; write HEIGHTxWIDTH, several "
                "with commas between them: 192x256,384x512."
            ) from None
        found.append((height, width))
    return tuple(found)
