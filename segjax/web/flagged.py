"""Pictures that people flag, kept for those who train the next model; off by default.

In a folder: `ID_picture.png` (`.npy` for other pixels than 8-bit RGB), encoded anew so
that nothing of the file's own is left, `ID_mask.png`, what the model said, and a line
of `flags.jsonl`. Names are drawn at random, and there is a bound to all of it.
"""

import asyncio
import datetime
import json
import uuid
from pathlib import Path

from segjax.core.errors import EnvironmentFault
from segjax.report import files
from segjax.web.refused import Refused

REASONS = ("wrong_class", "missed", "outline", "unlike_training", "other")
"""What a person may say is the matter."""

LOG = "flags.jsonl"
MOST_COMMENT = 500

MOST_PICTURES = 1000
MOST_BYTES = 2**30
"""Of the folder; then nothing more is kept."""


class Flagged:
    """Keeps flagged pictures.

    Args:
      folder: where; it is made.
    """

    def __init__(self, folder: Path):
        self._folder, self._turn = folder, asyncio.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        sizes = [p.stat().st_size for p in folder.iterdir() if p.is_file()]
        self._bytes, self._pictures = sum(sizes), len(list(folder.glob("*_mask.png")))

    async def keep(
        self, picture: bytes, suffix: str, mask: bytes, entry: dict[str, str]
    ) -> str:
        """Keep a picture.

        Args:
          picture: a file, encoded anew.
          suffix: of it.
          mask: a PNG file.
          entry: of the log: `model`, its `sha256`, `reason`, `comment`.

        Returns:
          The name that it was given.

        Raises:
          Refused: there is no more room.
        """
        name = uuid.uuid4().hex
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        line = json.dumps({"id": name, "time": now, **entry}, sort_keys=True) + "\n"
        size = len(picture) + len(mask) + len(line)
        async with self._turn:
            if self._pictures >= MOST_PICTURES or self._bytes + size > MOST_BYTES:
                raise Refused("full", "This server keeps no more pictures.")
            try:
                await asyncio.to_thread(self._write, name, picture, suffix, mask, line)
            except (OSError, EnvironmentFault):
                raise Refused("full", "The picture could not be kept.") from None
            self._pictures += 1
            self._bytes += size
        return name

    def _write(self, name: str, picture: bytes, suffix: str, mask: bytes, line: str):
        files.write_bytes(self._folder / f"{name}_picture{suffix}", picture)
        files.write_bytes(self._folder / f"{name}_mask.png", mask)
        with open(self._folder / LOG, "a") as log:
            log.write(line)


def checked(reason: str, comment: str) -> tuple[str, str]:
    """What a form says of a picture.

    Raises:
      Refused: there is no such reason, or the comment is too long.
    """
    if reason not in REASONS:
        raise Refused("bad_form", f"There are the reasons {', '.join(REASONS)}.")
    if len(comment) > MOST_COMMENT:
        raise Refused("bad_form", f"A comment has {MOST_COMMENT} letters at most.")
    return reason, comment
