"""Clips that are labelled frame by frame, taken apart again: videos to walk through."""

import dataclasses
import functools
import hashlib
from typing import Any

import numpy as np

from segjax.core.info import DatasetInfo
from segjax.core.keys import IMAGE, INDEX, LABEL
from segjax.data.source import Source


@dataclasses.dataclass(frozen=True)
class Frames:
    """Example `i * length + t` is frame `t` of clip `i`.

    Attributes:
      clips: a source of clips with a label a frame.
      length: frames of each.
    """

    clips: Source
    length: int

    @property
    def info(self) -> DatasetInfo:
        """The class table."""
        return self.clips.info

    @functools.cached_property
    def videos(self) -> tuple[str, ...]:
        """For each example the name of its clip."""
        return tuple(self.clips.name(i // self.length) for i in range(len(self)))

    def __len__(self) -> int:
        return len(self.clips) * self.length

    def __getitem__(self, i: int) -> dict[str, Any]:
        """Frame `i` as an image with its label."""
        clip, t = divmod(i, self.length)
        example = self.clips[clip]
        image, label = example[IMAGE], example[LABEL]
        if self.length > 1:
            image, label = image[t], label[t]
        return {IMAGE: image, LABEL: label, INDEX: np.int64(i)}

    def name(self, i: int) -> str:
        """Name of a frame: `val_000003/007`."""
        clip, t = divmod(i, self.length)
        return f"{self.clips.name(clip)}/{t:03}"

    def fingerprint(self) -> str:
        """sha256 over the clips' fingerprint."""
        return hashlib.sha256(f"{self.clips.fingerprint()}/frames".encode()).hexdigest()

    def __repr__(self) -> str:
        return f"{self.clips!r}, frame by frame"
