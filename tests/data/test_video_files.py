"""Video files: known by content, upright, and what is told of damage."""

import struct

import cv2
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.data import video

FRAMES, SIZE = 12, (48, 64)
KINDS = {
    "a.mp4": "mp4v",
    "a.mov": "mp4v",
    "a.m4v": "mp4v",
    "a.avi": "MJPG",
    "a.mkv": "mp4v",
    "a.webm": "VP80",
}


def picture(i: int) -> np.ndarray:
    """RGB, red above and blue below, brighter from frame to frame."""
    image = np.zeros((*SIZE, 3), np.uint8)
    image[: SIZE[0] // 2, :, 0] = 40 + 15 * i
    image[SIZE[0] // 2 :, :, 2] = 40 + 15 * i
    return image


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Name -> bytes of a video of each kind."""
    folder, found = tmp_path_factory.mktemp("videos"), {}
    for name, code in KINDS.items():
        code = cv2.VideoWriter_fourcc(*code)
        path = str(folder / name)
        with video.silent():
            writer = cv2.VideoWriter(path, cv2.CAP_FFMPEG, code, 12.5, SIZE[::-1])
        for i in range(FRAMES):
            writer.write(cv2.cvtColor(picture(i), cv2.COLOR_RGB2BGR))
        writer.release()
        found[name] = (folder / name).read_bytes()
    return found


def put(tmp_path, content: bytes, name="odd name %03d: a"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def read(path) -> tuple[list[np.ndarray], str]:
    """The frames, and what is told at the end."""
    found = []
    try:
        found.extend(video.frames(path))
    except UserError as error:
        return found, str(error)
    return found, ""


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_read_by_its_content(name, made, tmp_path):
    path = put(tmp_path, made[name])
    assert video.is_video(made[name][:16])
    found, told = read(path)
    assert not told and len(found) == FRAMES
    head = video.read_head(path)
    assert (head.frames, head.rate) == (FRAMES, 12.5)
    for i, frame in enumerate(found):
        assert frame.shape == (*SIZE, 3)
        rows = slice(4, -4)
        difference = frame[rows].astype(int) - picture(i)[rows]
        assert np.abs(difference).mean() < 12


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_one_that_is_cut_off_is_told(name, share, made, tmp_path):
    path = put(tmp_path, made[name][: int(share * len(made[name]))], name)
    found, told = read(path)
    assert f"{name}: is" in told
    assert len(found) < FRAMES
    for i, frame in enumerate(found):  # what comes is what was there
        assert np.abs(frame[4:-4].astype(int) - picture(i)[4:-4]).mean() < 12


def boxes(content: bytes) -> dict[bytes, bytes]:
    found, at = {}, 0
    while at < len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        found[name] = content[at : at + length]
        at += length
    return found


def test_one_whose_end_is_lost_but_whose_list_stands_first(made, tmp_path):
    parts = boxes(made["a.mp4"])
    moov = bytearray(parts[b"moov"])
    at = moov.index(b"stco") + 8
    for i in range(struct.unpack_from(">I", moov, at)[0]):
        place = at + 4 + 4 * i
        old = struct.unpack_from(">I", moov, place)[0]
        struct.pack_into(">I", moov, place, old + len(moov))
    rest = [part for name, part in parts.items() if name not in (b"ftyp", b"moov")]
    whole = b"".join([parts[b"ftyp"], moov, *rest])
    assert len(read(put(tmp_path, whole))[0]) == FRAMES
    found, told = read(put(tmp_path, whole[:-300]))
    assert 0 < len(found) < FRAMES and f"{len(found)} frames of the {FRAMES}" in told


def test_an_edit_list_is_no_damage(made, tmp_path):
    content = bytearray(made["a.mp4"])
    at = content.index(b"elst") + 12
    length = struct.unpack_from(">I", content, at)[0]
    struct.pack_into(">I", content, at, length // 2)
    path = put(tmp_path, bytes(content))
    found, told = read(path)
    assert not told and len(found) == FRAMES // 2
    assert video.read_head(path).frames == FRAMES // 2


def test_the_camera_was_turned(made, tmp_path):
    content = bytearray(made["a.mp4"])
    at = content.index(b"tkhd") + 44
    assert struct.unpack_from(">9i", content, at)[0] == 1 << 16
    struct.pack_into(">9i", content, at, 0, 1 << 16, 0, -(1 << 16), *[0] * 4, 1 << 30)
    found, told = read(put(tmp_path, bytes(content)))
    assert not told and found[0].shape == (*SIZE[::-1], 3)
    red = found[-1][..., 0] > 100  # a quarter clockwise: above is right now
    assert red[:, SIZE[0] // 2 + 4 :].all() and not red[:, : SIZE[0] // 2 - 4].any()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"<html>no video", "is not a video that can be read (it starts b'<html>no')"),
        (b"\0\0\0\x1cftypheic" + bytes(64), "is not a video"),  # a photograph
        (b"RIFF\0\0\0\0WEBPVP8 ", "is not a video"),
        (b"\0\0\0\x1cftypisom" + bytes(64), "cannot be opened"),
        (b"RIFF\xff\xff\0\0AVI LIST", "cannot be opened (it ends early)"),
        (b"\x1aE\xdf\xa3" + bytes(40), "cannot be opened"),
    ],
)
def test_what_is_none(content, told, tmp_path):
    path = put(tmp_path, content)
    assert told in read(path)[1]
    with pytest.raises(UserError):
        video.read_head(path)


def test_what_is_not_there(tmp_path):
    assert "no such file" in read(tmp_path / "a.mp4")[1]
    assert "is not a file" in read(tmp_path)[1]


def test_a_live_recording_states_no_size():
    live = b"\x1aE\xdf\xa3\x80" + video._SEGMENT + b"\x01" + b"\xff" * 7
    assert video._segment_end(live) is None
    stated = b"\x1aE\xdf\xa3\x80" + video._SEGMENT + b"\x42\x10"
    assert video._segment_end(stated) == len(stated) + 0x210
    assert video._segment_end(b"\x1aE\xdf\xa3") is None
