"""Weights of other projects: a file of `torch.save`, or of safetensors."""

import dataclasses
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

from segjax.checkpoint.torch_file import Tensor, TorchFile, is_torch_file
from segjax.core.errors import EnvironmentFault, UserError

ENTRIES = ("state_dict", "model_state_dict", "model", "net", "module", "weights")
"""Where training scripts keep the weights, beside the optimiser's state and others."""

PREFIXES = ("module.", "_orig_mod.")
"""What wrappers for several devices, and `torch.compile`, put before every name."""

SHOWN = 8


@dataclasses.dataclass(frozen=True)
class StateDict:
    """Named arrays of a file.

    Attributes:
      path: the file.
      sha256: hex digest of its bytes.
      arrays: name -> array; read-only.
      notes: what was taken off to come to the arrays.
    """

    path: Path
    sha256: str
    arrays: dict[str, np.ndarray]
    notes: tuple[str, ...]


def read(path: Path) -> StateDict:
    """The arrays of a `.pth`, `.pt`, `.bin` or `.safetensors` file.

    What the file is follows from its first bytes. No code in it is run.

    Raises:
      UserError: it is of another format or damaged, or holds no named tensors.
      EnvironmentFault: the disk cannot be read.
    """
    try:
        if is_torch_file(path):
            file = TorchFile(path)
            tensors, notes = _state_dict(file.content, path)
            arrays = file.arrays(tensors)
        else:
            arrays, notes = _safetensors(path), []
        with open(path, "rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise EnvironmentFault(f"{path}: cannot be read ({error}).") from error
    for prefix in PREFIXES * 2:
        if arrays and all(name.startswith(prefix) for name in arrays):
            arrays = {name.removeprefix(prefix): x for name, x in arrays.items()}
            notes.append(f"{prefix!r} stood before every name and was taken off")
    return StateDict(path, sha256, arrays, tuple(notes))


def _state_dict(content: Any, path: Path) -> tuple[dict[str, Tensor], list[str]]:
    """The named tensors of what was saved, and where they lay in it."""
    entry = ""
    if isinstance(content, Mapping) and not _tensors(content):
        holders = [k for k, v in content.items() if _tensors(v)]
        known = [k for k in ENTRIES if k in holders]
        if not known and len(holders) != 1:
            keys = ", ".join(repr(k)[:40] for k in list(content)[:SHOWN]) or "nothing"
            raise UserError(
                f"{path}: holds no state dict, or several; its entries are {keys}. "
                "Save the one that is wanted: torch.save(model.state_dict(), FILE)."
            )
        entry = (known or holders)[0]
        content = content[entry]
    tensors = _tensors(content)
    if not tensors:
        raise UserError(
            f"{path}: is a {type(content).__name__} and no named tensors. Save them "
            "so: torch.save(model.state_dict(), FILE)."
        )
    notes = [f"taken from the entry {entry!r} of the file"] if entry else []
    if len(tensors) < len(content):
        others = [repr(k)[:40] for k in content if k not in tensors]
        notes.append(
            f"{len(others)} entries are no named tensors: {', '.join(others[:SHOWN])}"
        )
    return tensors, notes


def _tensors(content: Any) -> dict[str, Tensor]:
    if not isinstance(content, Mapping):
        return {}
    return {
        k: v for k, v in content.items() if isinstance(k, str) and isinstance(v, Tensor)
    }


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        with safetensors.safe_open(path, "numpy") as file:
            names = file.keys()  # the file itself cannot be iterated
            return {name: file.get_tensor(name) for name in names}
    except safetensors.SafetensorError as error:
        why = re.sub(r"^Error while deserializing header: ", "", str(error))
        raise UserError(
            f"{path}: is neither a file of torch.save (zip format) nor a whole one of "
            f"safetensors ({why}). Check that its download is complete."
        ) from None
