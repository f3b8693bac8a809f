"""The network of an exported model: a StableHLO program for each size of image."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import export

from segjax.core.errors import UserError
from segjax.predict.ways import Buckets, Slide, Tile
from segjax.serve.bundle import Bundle
from segjax.serve.description import Description

FOLDER = "programs/"

CALLS = frozenset({"shape_assertion"})
"""The calls out of StableHLO that a program may make: that a batch has a size."""

_CALL = re.compile(r"stablehlo\.custom_call\s*@([\w.$-]+)")


class Exported:
    """Programs in the place of a model of `segjax.models`; see `core.network`.

    Its variables are a list of arrays. Images are pixels as they are.

    Attributes:
      stride: of the model, which all sides divide by, once `margin` is taken off.
      margin: pixels that the logits lose at each border.
      takes_clips: whether there are programs with a memory.
      sizes: `(height, width)` of images that there are programs for.
    """

    def __init__(self, about: Description, programs: Mapping[str, export.Exported]):
        self.stride, self.margin = about.stride, about.margin
        self.takes_clips, self.sizes = about.takes_clips, about.sizes
        self._programs = programs

    def input_side(self, side: int) -> int:
        """The smallest side of a program that covers `side` pixels, or the largest."""
        sides = sorted({n for size in self.sizes for n in size})
        wide = [n for n in sides if n - 2 * self.margin >= side]
        return wide[0] if wide else sides[-1]

    def problems(self, way: Any, where: str) -> list[str]:
        """Why images cannot be shown to the network in this way, as messages."""
        seen = _seen(way)
        if seen and all(size in self.sizes for size in seen):
            return []
        shown = "images of any size"
        if seen:
            shown = f"{way}, of which {next(s for s in seen if s not in self.sizes)}"
        return [
            f"{where}: {shown} has no program in an exported model; there are programs "
            f"for {', '.join(map(str, self.sizes))}. Use {Buckets(self.sizes)}."
        ]

    def apply(
        self,
        variables: Sequence[jax.Array],
        images: jax.Array,
        carry: Any = None,
        *,
        train: bool = False,
        method: str = "",
    ) -> Any:
        """Logits of images, or of clips; with `stream` those and what to remember.

        A clip goes through the programs with a memory, frame by frame.

        Raises:
          UserError: there is no program for images of this size.
        """
        assert not train
        if method == "stream":
            kind = "start" if carry is None else "stream"
            given = (images,) if carry is None else (carry, images)
            return self._program(kind, images).call(variables, *given)
        if images.ndim == 4:
            return self._program("image", images).call(variables, images)
        logits, carry = [], None
        for frame in jnp.moveaxis(images, 1, 0):
            one, carry = self.apply(variables, frame, carry, method="stream")
            logits.append(one)
        return jnp.stack(logits, axis=1)

    def _program(self, kind: str, images: jax.Array) -> export.Exported:
        name = program_name(kind, images.shape[-3:-1])
        if name not in self._programs:
            raise UserError(
                f"{name}: there is no such program in this exported model; there are "
                f"{', '.join(self._programs)}."
            )
        return self._programs[name]


def program_name(kind: str, size: tuple[int, int]) -> str:
    """`image_192x256`; kinds are `image`, `start` and `stream` of a video."""
    return f"{kind}_{size[0]}x{size[1]}"


def read(bundle: Bundle, about: Description) -> Exported:
    """The programs of a file.

    Raises:
      UserError: one is damaged, makes calls out of StableHLO, or is not for the
        devices of this process.
    """
    platform = {"gpu": "cuda"}.get(jax.default_backend(), jax.default_backend())
    programs = {}
    for name in bundle.names(FOLDER):
        try:
            program = export.deserialize(bytearray(bundle.read(name)))
            module = program.mlir_module()
        except UserError:
            raise
        except ModuleNotFoundError:
            raise UserError(
                f"{bundle.path}: jax reads programs with flatbuffers. Install it: pip "
                "install flatbuffers."
            ) from None
        except Exception as error:  # whatever a damaged program raises
            raise UserError(
                f"{bundle.path}: {name} is no program that this jax reads ({error}). "
                "Update jax, or export the run again."
            ) from None
        if calls := set(_CALL.findall(module)) - CALLS:
            raise UserError(
                f"{bundle.path}: {name} calls {', '.join(sorted(calls))}; a network "
                "needs no such call. Do not use this file."
            )
        if platform not in program.platforms:
            raise UserError(
                f"{bundle.path}: is for {', '.join(program.platforms)}, and this is "
                f"{platform}. Export it for {platform}."
            )
        programs[name.removeprefix(FOLDER).removesuffix(".bin")] = program
    return Exported(about, programs)


def _seen(way: Any) -> list[tuple[int, int]]:
    """The sizes of images that a way shows to the network; none if they are any."""
    if isinstance(way, Buckets):
        return list(way.sizes)
    if isinstance(way, Slide):
        return [(way.height, way.width)]
    if isinstance(way, Tile):
        return [(way.height + 2 * way.margin, way.width + 2 * way.margin)]
    return []
