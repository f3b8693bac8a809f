"""Video files -> frames, one at a time, upright, 8-bit RGB.

FFmpeg reads them, by OpenCV. A file is a video by its content, never by its suffix
alone:

=================  ====================================================================
container          how damage is found
=================  ====================================================================
MP4, MOV           a box reaches over the end of the file; fewer frames come than
                   are listed or, if an edit list leaves some out, over a second less
AVI                its size is stated; fewer frames come than are listed
MKV, WebM          its size is stated, if it was not recorded live; over a second
                   less comes than its length tells
=================  ====================================================================

The frames before the damage are given. What a codec hides of its own errors (MPEG-4
and H.264 patch lost blocks) is not noticed. The rotation that a camera notes is
applied, and deeper colours become 8 bits.
"""

import contextlib
import dataclasses
import math
import os
import struct
import threading
from collections.abc import Iterator
from typing import BinaryIO

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # its words on broken files

import cv2
import numpy as np
from jaxtyping import UInt8

from segjax.core.errors import UserError
from segjax.data.decode import check_file, unreadable

SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm")
"""By these videos are looked for in folders; their content decides."""

RATE = 25.0
"""Frames a second of a video that states none, or nonsense."""

_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_STILLS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_MOST = 1 << 26  # bytes of a list of frames that are read
_LOCK, _LEVELS = threading.Lock(), []  # of OpenCV's log


@dataclasses.dataclass(frozen=True)
class Head:
    """What a video says of itself.

    Attributes:
      frames: how many there are; 0 if that is not known.
      rate: frames a second.
      exact: whether `frames` was counted, and not reckoned from a length.
    """

    frames: int
    rate: float
    exact: bool


def is_video(content: bytes) -> bool:
    """Whether a file that starts so, by 12 bytes or more, is a video of these kinds."""
    return bool(_container(content))


def read_head(path: str | os.PathLike[str], where: str = "") -> Head:
    """Number and rate of the frames, without reading them.

    Args:
      path: the file.
      where: what messages call the file; its path if empty.

    Raises:
      UserError: the file is missing, empty or no video that can be read.
      EnvironmentFault: the disk failed while reading.
    """
    where = where or str(path)
    container = _checked(path, where)
    capture = _open(path, where, container)
    try:
        return _head(capture, path, container)
    finally:
        capture.release()


def frames(
    path: str | os.PathLike[str], where: str = ""
) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """The frames in order, decoded as they are taken.

    Args:
      path: the file.
      where: what messages call the file; its path if empty.

    Raises:
      UserError: as `read_head`; behind the last frame that can be read if the file is
        damaged.
      EnvironmentFault: the disk failed while reading.
    """
    where = where or str(path)
    container = _checked(path, where)
    capture = _open(path, where, container)
    number = 0
    try:
        head = _head(capture, path, container)
        while True:
            there, frame = capture.read()
            if not there:
                break
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            number += 1
    finally:
        capture.release()
    allowed = 0 if head.exact else max(1, round(head.rate))
    if number < head.frames - allowed:
        why = f"gives {number} frames of the {head.frames} that it states"
    elif not number:
        why = "gives no frame"
    elif _cut_off(path, container):
        why = f"ends early, after {number} frames that can be read"
    else:
        return
    raise UserError(f"{where}: is damaged ({why}); copy the file again.")


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """OpenCV says nothing of what it cannot do, as the caller does; for any thread."""
    log = cv2.utils.logging
    with _LOCK:
        _LEVELS.append(log.setLogLevel(log.LOG_LEVEL_SILENT))
    try:
        yield
    finally:
        with _LOCK:
            level = _LEVELS.pop()  # the one that was found first comes out last
            if not _LEVELS:
                log.setLogLevel(level)


def _checked(path: str | os.PathLike[str], where: str) -> str:
    """The container of a file that is there."""
    check_file(path, where)
    try:
        with open(path, "rb") as file:
            content = file.read(16)
    except OSError as error:
        raise unreadable(error, where) from error
    if not (found := _container(content)):
        raise UserError(
            f"{where}: is not a video that can be read (it starts {content[:8]!r}); "
            "MP4, MOV, AVI, MKV and WebM are."
        )
    return found


def _container(content: bytes) -> str:
    """`mp4`, `avi` or `matroska`, by the first bytes; empty for all else."""
    if content.startswith(_EBML):
        return "matroska"
    if content.startswith(b"RIFF") and content[8:12] == b"AVI ":
        return "avi"
    if content[4:8] in _BOXES and content[8:12] not in _STILLS:
        return "mp4"
    return ""


def _open(path: str | os.PathLike[str], where: str, container: str) -> cv2.VideoCapture:
    # FFmpeg takes what stands before a colon for a protocol, but in a whole path.
    with silent():
        capture = cv2.VideoCapture(os.path.abspath(path), cv2.CAP_FFMPEG)
    if capture.isOpened():
        return capture
    why = "it ends early" if _cut_off(path, container) else "no codec, or damage"
    raise UserError(
        f"{where}: is a video that cannot be opened ({why}); copy the file again, or "
        "convert it: ffmpeg -i IN OUT.mp4."
    )


def _head(capture: cv2.VideoCapture, path, container: str) -> Head:
    number, rate = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    rate = rate if 0 < rate <= 1000 else RATE
    number = round(number) if 0 < number < 1e9 else 0
    left = rate * _edited(path) if container == "mp4" else number
    exact = container != "matroska" and left > number - 1
    return Head(number if left > number - 1 else round(left), rate, exact)


def _cut_off(path: str | os.PathLike[str], container: str) -> bool:
    """Whether the file is shorter than it says."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        if container == "avi":
            return 8 + int.from_bytes(file.read(8)[4:], "little") > size
        if container == "mp4":
            return any(stop > size for _, _, stop in _boxes(file, size))
        stop = _segment_end(file.read(4096))
        return stop is not None and stop > size


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, begin of the content and end of each box of an MP4."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length, name = struct.unpack(">I4s", head[:8])
        begin = at + 8
        if length == 1 and len(head) == 16:
            length, begin = int.from_bytes(head[8:], "big"), at + 16
        stop = at + length if length else size
        yield name, begin, stop
        at = max(stop, begin)


def _edited(path: str | os.PathLike[str]) -> float:
    """Seconds that the edit list of an MP4 leaves; infinite if there is none."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        for name, begin, stop in _boxes(file, size):
            if name == b"moov":
                file.seek(begin)
                return _left(file.read(min(stop - begin, _MOST)))
    return math.inf


def _left(moov: bytes) -> float:
    """The same of the box that describes all else; the least of several tracks."""
    try:
        at, found = moov.index(b"mvhd") + 4, math.inf
        scale = struct.unpack_from(">I", moov, at + (20 if moov[at] else 12))[0]
        at = moov.find(b"elst") + 4
        while at > 3:
            entry = ">QqI" if moov[at] else ">IiI"
            step, number = (
                struct.calcsize(entry),
                struct.unpack_from(">I", moov, at + 4),
            )
            parts = [
                struct.unpack_from(entry, moov, at + 8 + i * step)
                for i in range(min(number[0], 1000))
            ]
            found = min(found, sum(d for d, start, _ in parts if start >= 0) / scale)
            at = moov.find(b"elst", at) + 4
    except (ValueError, struct.error, IndexError, ZeroDivisionError):
        return math.inf  # no list that can be read
    return found


def _segment_end(content: bytes) -> int | None:
    """Where the one segment of a Matroska file ends; None if that is not stated."""
    at = content.find(_SEGMENT)
    if at < 0 or at + 5 > len(content) or not content[at + 4]:
        return None
    length = 9 - content[at + 4].bit_length()
    begin = at + 4 + length
    number = int.from_bytes(content[at + 4 : begin], "big") & ((1 << 7 * length) - 1)
    return None if number == (1 << 7 * length) - 1 else begin + number
