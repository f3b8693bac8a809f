"""Small results that a pass over the data gave, kept as JSON to be read next time.

They are kept under a name that says all that they depend on: in the folder of a run,
and in one folder of the user, so that the arms of a study pay for a pass once.
"""

import contextlib
import json
import os
import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from segjax.core.errors import EnvironmentFault

Folder = str | os.PathLike[str]
Cache = Folder | Sequence[Folder] | None
"""Where results are remembered: a folder, several, or nowhere."""


def read(cache: Cache, name: str) -> dict[str, Any] | None:
    """What `write` wrote, with lists for tuples; None if there is nothing whole.

    The folders are asked in their order; what a later one knows, the first one gets.
    """
    for place, folder in enumerate(_folders(cache)):
        try:
            fields = json.loads((folder / name).read_text())
        except (OSError, ValueError):
            continue
        if isinstance(fields, dict):
            if place:
                _write(_folders(cache)[0] / name, fields)
            return fields
    return None


def write(cache: Cache, name: str, fields: Mapping[str, Any]) -> None:
    """Write to every folder, by renaming, so that a reader never sees half a file.

    Only the first folder must take it: the others spare work that can be done again
    (`segjax doctor` says whether the shared one can be written).

    Raises:
      EnvironmentFault: the disk of the first folder refuses.
    """
    for place, folder in enumerate(_folders(cache)):
        refusal = EnvironmentFault if place else ()
        with contextlib.suppress(refusal):
            _write(folder / name, fields)


def _folders(cache: Cache) -> list[pathlib.Path]:
    if cache is None:
        return []
    single = isinstance(cache, str | os.PathLike)
    return [pathlib.Path(folder) for folder in ([cache] if single else cache)]


def _write(path: pathlib.Path, fields: Mapping[str, Any]) -> None:
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
