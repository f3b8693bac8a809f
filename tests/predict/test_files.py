"""Pictures and videos as examples: in order, read ahead, in bounded memory."""

import functools

import cv2
import numpy as np
from PIL import Image

from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL
from segjax.core.pixels import Pixels
from segjax.data import video as videos
from segjax.models.segmenter import Segmenter
from segjax.predict import files, inputs, whole


def video_file(path, frames, size=(64, 48)):
    fourcc = cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, 10, size)
    noise = np.random.default_rng(0).integers(-9, 10, (*size[::-1], 3))
    for i in range(frames):
        writer.write(np.clip(10 + 10 * i + noise, 0, 255).astype(np.uint8))
    writer.release()


def test_examples_go_on_after_a_bad_file(tmp_path):
    for name in ("a.png", "c.png"):
        Image.new("RGB", (6, 4), (1, 2, 3)).save(tmp_path / name)
    (tmp_path / "b.png").write_bytes(b"bad")
    failed = {}
    pictures = inputs.find([tmp_path]).pictures
    found = list(files.pictures(pictures, (), failed.__setitem__))
    assert [int(e[INDEX]) for e in found] == [0, 2]
    assert all((e[LABEL] == IGNORE).all() for e in found)
    assert found[0][IMAGE].shape == (4, 6, 3)
    assert list(failed) == [1] and "b.png" in str(failed[1])


def test_few_examples_wait_when_all_sizes_differ():
    begun = 0

    def stream():
        nonlocal begun
        for i in range(40):
            begun += 1
            size = 4 * (i + 1), 4
            label = np.zeros(size, np.uint8)
            yield {IMAGE: np.zeros((*size, 3), np.uint8), LABEL: label, INDEX: i}

    taken = []
    fit = functools.partial(whole.fit, model=Segmenter())
    for batch in whole.batches(stream(), fit, batch_size=2):
        taken += batch[INDEX][: len(batch["sizes"])].tolist()
        assert begun - len(taken) < whole.WAITING * 2
    assert taken == list(range(40))


def frames(path, **options):
    failed = {}
    (video,) = inputs.find([path], sequence=True).videos
    found = list(files.frames(video, (), failed.__setitem__, **options))
    assert all((e[LABEL] == IGNORE).all() for e in found)
    return [int(e[INDEX]) for e in found], [int(e[IMAGE].mean()) for e in found], failed


def test_frames_of_a_video_file(tmp_path):
    video_file(tmp_path / "a.avi", 12)
    numbers, means, failed = frames(tmp_path / "a.avi", waiting=3)
    assert numbers == list(range(12)) and not failed
    assert np.abs(np.array(means) - 10 - 10 * np.arange(12)).max() <= 3


def test_frames_are_decoded_as_they_are_needed(tmp_path, monkeypatch):
    taken = []

    def endless(path, where=""):
        while True:
            taken.append(len(taken))
            yield np.zeros((2, 2, 3), np.uint8)

    monkeypatch.setattr(videos, "frames", endless)
    video = inputs.Video(tmp_path / "a.avi", "a")
    stream = files.frames(video, (), {}.__setitem__, waiting=4)
    for i in range(20):
        next(stream)
        assert len(taken) <= i + 1 + 4
    stream.close()
    assert len(taken) <= 24


def test_a_damaged_video_gives_what_comes_before(tmp_path):
    video_file(tmp_path / "a.avi", 12)
    content = (tmp_path / "a.avi").read_bytes()
    (tmp_path / "a.avi").write_bytes(content[: len(content) * 2 // 3])
    numbers, _, failed = frames(tmp_path / "a.avi")
    assert 3 < len(numbers) < 12 and numbers == list(range(len(numbers)))
    assert list(failed) == [len(numbers)]
    assert "a.avi: is damaged" in str(failed[len(numbers)])


def test_a_frame_that_cannot_be_read_is_left_out(tmp_path):
    for i in range(4):
        Image.new("L", (6, 4), 10 * i).save(tmp_path / f"{i}.png")
    (tmp_path / "1.png").write_bytes(b"")
    numbers, means, failed = frames(tmp_path)
    assert (numbers, means) == ([0, 2, 3], [0, 20, 30])
    assert list(failed) == [1] and "1.png: is empty" in str(failed[1])


def test_a_change_of_size_ends_the_video_and_names_the_frame(tmp_path):
    for i in range(4):
        Image.new("L", (6, 4 + (i == 2)), 10 * i).save(tmp_path / f"{i}.png")
    numbers, _, failed = frames(tmp_path)
    assert numbers == [0, 1] and list(failed) == [2]
    assert "2.png: is 5x6, and the frames before are 4x6" in str(failed[2])


def test_videos_are_no_bands_of_a_satellite(tmp_path):
    video_file(tmp_path / "a.avi", 2)
    numbers, _, failed = frames(tmp_path / "a.avi", pixels=Pixels(13, "uint16"))
    assert not numbers and "13 channels of uint16 are needed" in str(failed[0])
