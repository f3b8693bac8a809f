"""Pictures as a video file, whole or not there.

MPEG-4 part 2 in an MP4, which OpenCV's FFmpeg writes in 4 ms a frame of 854x480; of
its other encoders VP9 takes 530 ms, and H.264 is not among them. VLC and mpv play it; a
browser wants `ffmpeg -i IN.mp4 OUT.webm`.
"""

import contextlib
import errno
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from segjax.core.errors import EnvironmentFault, UserError
from segjax.data import video
from segjax.report import maps

SUFFIX = ".mp4"


class Film(contextlib.AbstractContextManager):
    """A video that is written; it takes its place when the block ends without an error.

    A side of an odd number of pixels gets one more, equal to the last, as the encoder
    takes even ones alone.
    """

    def __init__(self, path: Path, rate: float):
        """
        Args:
          path: the file, ending in `.mp4`.
          rate: frames a second.
        """
        self.path, self.rate, self.frames = path, rate, 0
        self._temporary = maps.hidden(path)
        self._writer: cv2.VideoWriter | None = None

    def add(self, frame: UInt8[np.ndarray, "H W 3"]) -> None:
        """The next frame, RGB; all of one size.

        Raises:
          UserError: the encoder takes no frames of this size.
          EnvironmentFault: the disk refuses.
        """
        height, width = frame.shape[:2]
        frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        if self._writer is None:
            self._writer = self._open(frame.shape[:2])
        with video.silent():
            self._writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        self.frames += 1
        if not shutil.disk_usage(self._temporary.parent).free:  # OpenCV goes on
            full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise maps.refused(self.path, full)

    def __exit__(self, kind, error, trace) -> None:
        try:
            if self._writer is not None:
                self._writer.release()
                if kind is None:
                    self._raise_unless_whole()
                    os.replace(self._temporary, self.path)
        except OSError as failed:
            raise maps.refused(self.path, failed) from failed
        finally:
            maps.discard(self._temporary)

    def _open(self, size: tuple[int, int]):
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._temporary.touch()  # OpenCV does not say why it cannot
        except OSError as error:
            raise maps.refused(self.path, error) from error
        with video.silent():
            writer = cv2.VideoWriter(
                os.path.abspath(self._temporary),
                cv2.CAP_FFMPEG,
                cv2.VideoWriter_fourcc(*"mp4v"),
                self.rate,
                size[::-1],
            )
        if not writer.isOpened():
            raise UserError(
                f"{self.path}: OpenCV writes no video of {size[0]}x{size[1]} at "
                f"{self.rate:g} frames a second. Write pictures: --video-as png."
            )
        return writer

    def _raise_unless_whole(self) -> None:
        """OpenCV is silent where the disk is full."""
        try:
            written = video.read_head(self._temporary).frames
        except (UserError, EnvironmentFault):
            written = 0
        if written != self.frames:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
