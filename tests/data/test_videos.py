"""A label a frame, and videos frame by frame: drawn, and from files."""

import numpy as np
import pytest
from PIL import Image

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE, IMAGE, LABEL
from segjax.data import check, datasets
from segjax.evaluate.split import videos
from tests.data.test_moving_mnist import tree as mnist

SIZE = (6, 8)


def draw(path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = SIZE if path.suffix == ".png" and "leftImg" not in path.name else (*SIZE, 3)
    Image.fromarray(np.full(shape, value, np.uint8)).save(path)


@pytest.fixture
def davis(tmp_path):
    for sequence, count in (("bear", 4), ("bus", 3)):
        for k in range(count):
            draw(tmp_path / f"JPEGImages/480p/{sequence}/{k:05}.jpg", 40 + k)
            mask = tmp_path / f"Annotations/480p/{sequence}/{k:05}.png"
            draw(mask, 255 * (k % 2))
    return tmp_path


@pytest.fixture
def camvid(tmp_path):
    for name in ("0001TP_000030", "0001TP_000060", "0006R0_f00090"):
        number = int(name[-5:]) // 30
        image = np.full((*SIZE, 3), number, np.uint8)
        (tmp_path / "train").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / f"train/{name}.png")
        draw(tmp_path / f"trainannot/{name}.png", number)
    return tmp_path


@pytest.fixture
def cityscapes(tmp_path):
    frames = tmp_path / "leftImg8bit_sequence/train/aachen"
    masks = tmp_path / "gtFine/train/aachen"
    for k in range(15, 22):
        draw(frames / f"aachen_000000_{k:06}_leftImg8bit.png", k)
    draw(masks / "aachen_000000_000019_gtFine_labelIds.png", 7)
    (tmp_path / "leftImg8bit").mkdir()
    return tmp_path


def test_davis_labels_every_frame_of_a_clip(davis):
    options = dict(root=str(davis), frames=3)
    last = datasets.make("davis", "train", **options)
    both = datasets.make("davis", "train", labelled="all", **options)
    assert both[0][LABEL].shape == (3, *SIZE)
    np.testing.assert_array_equal(both[0][LABEL][:, 0, 0], (0, 1, 0))
    np.testing.assert_array_equal(both[0][LABEL][-1], last[0][LABEL])
    np.testing.assert_array_equal(both[0][IMAGE], last[0][IMAGE])
    assert both.fingerprint() != last.fingerprint()
    assert not check.examine(both).problems


def test_camvid_labels_every_frame_of_a_clip(camvid):
    options = dict(root=str(camvid), frames=2, labelled="all")
    found = datasets.make("camvid", "train", **options)
    labels = [found[i][LABEL][:, 0, 0].tolist() for i in range(len(found))]
    assert labels == [[1, 1], [1, 2], [3, 3]]  # the first frame of a video repeats


def test_a_mask_of_another_size_within_a_clip_is_named(davis):
    small = Image.fromarray(np.zeros((3, 3), np.uint8))
    small.save(davis / "Annotations/480p/bear/00000.png")
    options = dict(root=str(davis), frames=2, labelled="all")
    with pytest.raises(UserError, match=r"bear/00000.png: mask is 3x3"):
        datasets.make("davis", "train", **options)[0]


def test_videos_of_files(davis, camvid, cityscapes):
    found = datasets.make("davis", "train", root=str(davis), video=True)
    assert videos(found) == {"bear": [0, 1, 2, 3], "bus": [4, 5, 6]}
    assert found[5][IMAGE].shape == (*SIZE, 3)
    found = datasets.make("camvid", "train", root=str(camvid), video=True)
    assert videos(found) == {"0001TP": [0, 1], "0006R0": [2]}
    found = datasets.make("cityscapes", "train", root=str(cityscapes), video=True)
    assert videos(found) == {"aachen_000000_000019": list(range(7))}
    assert [found.name(i)[-2:] for i in (0, 4, 6)] == ["15", "19", "21"]
    assert (found[0][LABEL] == IGNORE).all() and (found[4][LABEL] == 0).all()
    assert not check.examine(found).problems
    assert found.fingerprint()


@pytest.mark.parametrize("name", ["streets", "moving_mnist"])
def test_drawn_clips_are_videos(name, tmp_path):
    options = dict(size=(32, 48), num_train=3)
    if name == "moving_mnist":
        mnist(tmp_path)
        options = dict(root=str(tmp_path), num_train=3)
    last = datasets.make(name, "train", frames=4, **options)
    clips = datasets.make(name, "train", frames=4, labelled="all", **options)
    frames = datasets.make(name, "train", frames=4, video=True, **options)
    np.testing.assert_array_equal(clips[1][LABEL][-1], last[1][LABEL])
    assert clips.fingerprint() != last.fingerprint() != frames.fingerprint()
    assert len(frames) == 12
    for source in (clips, frames):
        survey = check.examine(source)
        assert not survey.problems and survey.sizes[0][2] == len(source)
    assert list(videos(frames).values()) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    for key in (IMAGE, LABEL):
        np.testing.assert_array_equal(frames[6][key], clips[1][key][2])
    assert len({frames.name(i) for i in range(12)}) == 12


def test_pictures_are_no_videos():
    with pytest.raises(UserError, match="no frames of videos"):
        videos(datasets.make("streets", "train", size=(32, 48), num_train=2))
