"""The network of an exported model: a StableHLO program for each size of image."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from segjax.core.errors import UserError
from segjax.serve.bundle import Bundle
from segjax.serve.description import Description, section

FOLDER = "programs/"

CALLS = frozenset({"shape_assertion"})
"""The calls out of StableHLO that a program may make: that a batch has a size."""

_CALL = re.compile(r"stablehlo\.custom_call\s*@([\w.$-]+)")
_WAYS_OUT = re.compile(r"custom_call|\binfeed|\boutfeed|stablehlo\.(?:send|recv)\b")


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


def kinds(takes_clips: bool) -> tuple[str, ...]:
    """The programs that there are for each size."""
    return ("image", "start", "stream") if takes_clips else ("image",)


def read(bundle: Bundle, about: Description, arrays: Sequence[Any]) -> Exported:
    """The programs of a file.

    Args:
      bundle: the file.
      about: its description.
      arrays: what the programs take beside images.

    Raises:
      UserError: one is not there, is damaged, makes calls out of StableHLO, is of other
        arrays or images, or is not for the devices of this process.
    """
    platform = {"gpu": "cuda"}.get(jax.default_backend(), jax.default_backend())
    if platform not in about.platforms:
        raise UserError(
            f"{bundle.path}: is for {', '.join(about.platforms)}, and this is "
            f"{platform}. Export it with --platforms {platform}."
        )
    programs = {}
    for size in about.sizes:
        for kind in kinds(about.takes_clips):
            name = program_name(kind, size)
            programs[name] = _program(bundle, name)
            if platform not in programs[name].platforms:
                raise _refused(bundle, name, f"is not for {platform}, as it should be")
            if wrong := _misfit(programs[name], kind, size, about, arrays):
                raise _refused(bundle, name, wrong)
    return Exported(about, programs)


def _program(bundle: Bundle, name: str) -> export.Exported:
    try:
        program = export.deserialize(bytearray(bundle.read(f"{FOLDER}{name}.bin")))
        module = program.mlir_module()
    except UserError:
        raise
    except ModuleNotFoundError:
        raise UserError(
            f"{bundle.path}: jax reads programs with flatbuffers. Install it: pip "
            "install flatbuffers."
        ) from None
    except Exception as error:  # whatever a damaged program raises
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{bundle.path}: {name} is no program that this jax, {jax.__version__}, "
            f"reads ({first[:200]}). Install what made it, jax {_maker(bundle)}, or "
            "export the run again."
        ) from None
    calls = _CALL.findall(module)
    if set(calls) - CALLS or len(_WAYS_OUT.findall(module)) != len(calls):
        others = ", ".join(sorted(set(calls) - CALLS)) or "out of StableHLO"
        raise UserError(
            f"{bundle.path}: {name} calls {others}; a network needs no such call. Do "
            "not use this file."
        )
    return program


def _maker(bundle: Bundle) -> str:
    """The version of jax that a file was made by."""
    versions = section(section(bundle.manifest, "exported"), "versions")
    return str(versions.get("jax", "of unknown version"))[:20]


def _misfit(
    program: export.Exported,
    kind: str,
    size: tuple[int, int],
    about: Description,
    arrays: Sequence[Any],
) -> str:
    """Why a program is not the one that a description says, or nothing."""
    given, pixels = program.in_avals, about.info.pixels
    if program.nr_devices != 1 or program.in_tree.num_leaves != len(given):
        return "is for several devices"
    own = [(tuple(x.shape), np.dtype(x.dtype)) for x in arrays]
    if [(a.shape, np.dtype(a.dtype)) for a in given[: len(own)]] != own:
        return "takes other parameters"
    if len(given) <= len(own) or (kind != "stream" and len(given) != len(own) + 1):
        return "takes other arguments"
    image, logits = given[-1], program.out_avals[0]
    seen = *size, pixels.channels
    if image.shape[1:] != seen or np.dtype(image.dtype).name != pixels.depth:
        return f"takes images {image.shape} {image.dtype}"
    classes = 1 if about.task == "binary" else about.info.num_classes
    if logits.shape[1:] != (*(n - 2 * about.margin for n in size), classes):
        return f"gives logits {logits.shape}"
    return ""


def _refused(bundle: Bundle, name: str, why: str) -> UserError:
    return UserError(
        f"{bundle.path}: is damaged: the program {name} {why} (made by jax "
        f"{_maker(bundle)}, read by {jax.__version__}). Copy or export it again."
    )
