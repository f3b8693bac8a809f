"""Small results that a pass over the data gave, kept as JSON to be read next time."""

import contextlib
import json
import os
import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any

from segjax.core.errors import EnvironmentFault


def read(path: pathlib.Path) -> dict[str, Any] | None:
    """What `write` wrote, with lists for tuples; None if there is nothing whole."""
    try:
        fields = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return fields if isinstance(fields, dict) else None


def write(path: pathlib.Path, fields: Mapping[str, Any]) -> None:
    """Write by renaming, so that a reader never sees half a file.

    Raises:
      EnvironmentFault: the disk refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(fields, file)
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise EnvironmentFault(f"{path}: writing failed ({error}).") from error
