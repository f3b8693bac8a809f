"""The folder in which all runs of a user keep what spares work the next time."""

import os
import pathlib

VERSION = 1
"""Raised whenever a pass over the same files may give something else than it did."""


def shared() -> pathlib.Path:
    """In `$SEGJAX_CACHE`, else `$XDG_CACHE_HOME/segjax`, else `~/.cache/segjax`."""
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    place = os.environ.get("SEGJAX_CACHE") or os.path.join(caches, "segjax")
    return pathlib.Path(place).expanduser() / f"v{VERSION}"
