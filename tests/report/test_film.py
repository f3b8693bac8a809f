"""Videos that are written: whole, or not there."""

import cv2
import numpy as np
import pytest

from segjax.core.errors import EnvironmentFault, UserError
from segjax.data import video
from segjax.report import film, maps


def frame(i: int, size=(33, 47)) -> np.ndarray:
    image = np.full((*size, 3), (200, 10 * i, 20), np.uint8)
    image[-1], image[:, -1] = (10, 10, 240), (10, 10, 240)
    return image


def test_it_is_read_again(tmp_path):
    with film.Film(tmp_path / "new" / "a.mp4", 12.5) as reel:
        for i in range(7):
            reel.add(frame(i))
        assert not (tmp_path / "new" / "a.mp4").exists()
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.mp4"]
    assert video.read_head(tmp_path / "new" / "a.mp4").rate == 12.5
    found = list(video.frames(tmp_path / "new" / "a.mp4"))
    assert len(found) == 7 and found[0].shape == (34, 48, 3)  # even sides
    for i, image in enumerate(found):
        middle = image[4:28, 4:40].astype(int) - (200, 10 * i, 20)
        assert np.abs(middle).mean() < 8


def test_no_frame_no_file(tmp_path):
    with film.Film(tmp_path / "a.mp4", 25.0):
        pass
    assert not list(tmp_path.iterdir())


def test_an_error_leaves_what_was_there(tmp_path):
    (tmp_path / "a.mp4").write_text("before")
    with pytest.raises(KeyboardInterrupt), film.Film(tmp_path / "a.mp4", 25.0) as reel:
        reel.add(frame(0))
        raise KeyboardInterrupt
    assert [p.read_text() for p in tmp_path.iterdir()] == ["before"]


def test_a_size_that_the_encoder_does_not_take(tmp_path):
    told = pytest.raises(UserError, match="--video-as png")
    with told, film.Film(tmp_path / "a.mp4", 25.0) as reel:
        reel.add(np.zeros((2, 20000, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "in_the_way").write_text("")
    told = pytest.raises(EnvironmentFault, match="cannot be written")
    with told, film.Film(tmp_path / "in_the_way" / "a.mp4", 25.0) as reel:
        reel.add(frame(0))


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    real = cv2.VideoWriter

    class Full:
        """Says nothing, as OpenCV does; no subclass, of which OpenCV frees too much."""

        def __init__(self, *arguments):
            real_one = real(*arguments)
            self.isOpened, self.release = real_one.isOpened, real_one.release

        def write(self, frame):
            del frame

    monkeypatch.setattr(cv2, "VideoWriter", Full)
    told = pytest.raises(EnvironmentFault, match="No space left")
    with told, film.Film(tmp_path / "a.mp4", 25.0) as reel:
        reel.add(frame(0))
    assert not list(tmp_path.iterdir())


def test_hidden_names_are_never_the_same(tmp_path):
    names = {maps.hidden(tmp_path / "a.mp4").name for _ in range(100)}
    assert len(names) == 100 and all(n.startswith(".") for n in names)
