"""Plain, standard JSON and files that are either old or new, never half written."""

import hashlib
import io
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from segjax.core.errors import EnvironmentFault, UserError


def write_text(path: str | Path, text: str) -> None:
    """Put `text` at `path` atomically: temporary file, fsync, rename, fsync of folder.

    Raises:
      EnvironmentFault: if the disk refuses.
    """
    write_bytes(path, text.encode())


def write_arrays(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Put arrays at `path` as a compressed `.npz`, atomically.

    Raises:
      EnvironmentFault: if the disk refuses.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


def write_bytes(path: str | Path, content: bytes) -> None:
    """As `write_text`."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise EnvironmentFault(not_written(path, error)) from error


def write_json(path: str | Path, value: Any) -> None:
    """Put `value` at `path` as sorted, indented, standard JSON, atomically."""
    text = json.dumps(plain(value), indent=1, sort_keys=True, allow_nan=False)
    write_text(path, text + "\n")


def read_json(path: str | Path) -> Any:
    """The JSON value in `path`.

    Raises:
      UserError: if the file is missing or not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); it is written when a run "
            "starts. Check the run folder."
        ) from None
    except ValueError as error:
        raise UserError(
            f"{path}: is not JSON ({error}); segjax never leaves it half written. "
            "Restore the file or use another run folder."
        ) from None


def plain(value: Any) -> Any:
    """`value` with only dict, list, str, int, float, bool and None inside.

    Tuples become lists, paths strings, arrays nested lists. JSON has no NaN: a
    non-finite float becomes the string "nan", "inf" or "-inf", which Python's
    `float` and `number` read back. A float32 keeps its short form (0.1, not
    0.10000000149).

    Raises:
      UserError: for a value that is not data, such as a function.
    """
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted(plain(v) for v in value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        array = np.asarray(value)
        if array.shape:
            return [plain(v) for v in array]
        if array.dtype.kind in "fV" and array.dtype.itemsize < 8:  # V: bfloat16
            return plain(float(str(array[()])))
        return plain(array.item())
    raise UserError(
        f"{value!r}: is a {type(value).__name__}; JSON holds numbers, strings, lists "
        "and dicts. Give plain data."
    )


def number(value: Any) -> float:
    """A float from what `plain` wrote: "nan" and None give nan."""
    return math.nan if value is None else float(value)


def digest(value: Any) -> str:
    """sha256 hex of a plain value, whatever the order of its keys."""
    text = json.dumps(plain(value), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def not_written(path: str | Path, error: OSError) -> str:
    """The message for a disk that refuses."""
    return (
        f"{path}: cannot be written ({error.strerror}); the run's state is in its "
        "checkpoints. Free the disk and start the same command again."
    )
