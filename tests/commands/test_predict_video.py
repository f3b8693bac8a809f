"""`segjax predict` of videos and frame sequences, with a memory and without."""

import contextlib
import csv
import io
import json
import os

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from segjax import parts as all_parts
from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL
from segjax.data import video as videos
from segjax.predict.whole import prepare

pytestmark = pytest.mark.filterwarnings("ignore:__array__")  # pycocotools


@pytest.fixture(scope="module")
def clip(source):
    """Frames of one size, as of a camera that moves."""
    wide = np.concatenate([source[i]["image"] for i in range(3)], axis=1)
    return [np.ascontiguousarray(wide[:, 7 * i : 7 * i + 56]) for i in range(6)]


@pytest.fixture(scope="module")
def frames(clip, tmp_path_factory):
    """The clip as pictures whose names sort otherwise by their letters."""
    folder = tmp_path_factory.mktemp("clips") / "walk"
    folder.mkdir()
    for i, image in enumerate(clip):
        Image.fromarray(image).save(folder / f"frame_{5 * i}.png")
    return folder


@pytest.fixture
def film(clip, tmp_path):
    """The clip as a file."""
    path = tmp_path / "walk.avi"
    code = cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, 12.0, (56, 40))
    for image in clip:
        writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def by_hand(run_folder, images) -> list[np.ndarray]:
    """The ids of the frames, by `Parts.stream`."""
    parts, variables, _ = all_parts.load(run_folder)
    examples = (
        prepare(
            {
                IMAGE: image,
                LABEL: np.full(image.shape[:2], IGNORE, np.uint8),
                INDEX: np.int64(i),
            },
            parts.config.eval_ops[0],
        )
        for i, image in enumerate(images)
    )
    return [p.ids for p in parts.stream(["one"] * 99)(variables, examples)]


def test_a_sequence_goes_through_the_memory(
    clip_run_folder, run_folder, clip, frames, tmp_path, call, read_ids
):
    words = [frames.parent, "--sequence", "--out", tmp_path / "out", "--json"]
    code, document, _ = call("predict", clip_run_folder, *words)
    assert code == 0 and not document["pictures"]
    (entry,) = document["videos"]
    assert (entry["frames"], entry["height"], entry["width"]) == (6, 40, 56)
    assert entry["complete"] and not entry["skipped"] and entry["rate"] == 25
    folder = tmp_path / "out" / "walk_frames"
    found = [read_ids(folder / f"frame_{5 * i}_ids.png") for i in range(6)]
    for one, expected in zip(found, by_hand(clip_run_folder, clip), strict=True):
        assert np.array_equal(one, expected)
    alone = [by_hand(clip_run_folder, [image])[0] for image in clip]
    assert any(not np.array_equal(a, b) for a, b in zip(found, alone, strict=True))
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "areas.csv",
        "walk_colour.mp4",
        "walk_frames",
        "walk_overlay.mp4",
    ]
    for kind in ("overlay", "colour"):
        shown = list(videos.frames(entry["files"][kind]))
        assert len(shown) == 6 and shown[0].shape == (40, 56, 3)
    with open(tmp_path / "out" / "areas.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["frame"] for row in rows] == [f"frame_{5 * i}.png" for i in range(6)]
    assert {row["input"] for row in rows} == {str(frames)}
    assert sum(entry["shares"].values()) == pytest.approx(1)


def test_to_a_model_of_images_frames_are_pictures(
    run_folder, frames, tmp_path, call, read_ids
):
    words = ["predict", run_folder, frames, "--json", "--write", "ids,overlay"]
    _, pictures, _ = call(*words, "--out", tmp_path / "pictures")
    code, _, _ = call(
        *words, "--sequence", "--video-as", "png", "--out", tmp_path / "video"
    )
    assert code == 0 and len(pictures["pictures"]) == 6
    for entry in pictures["pictures"]:
        for file in map(os.path.basename, entry["files"].values()):
            one = (tmp_path / "pictures" / file).read_bytes()
            assert (tmp_path / "video" / "walk_frames" / file).read_bytes() == one
    assert [p.name for p in (tmp_path / "video").iterdir()] == ["walk_frames"]


def test_a_video_file(clip_run_folder, film, tmp_path, call, read_ids):
    kinds = ["--write", "ids,overlay,coco,confidence"]
    words = ["predict", clip_run_folder, film, "--out", tmp_path / "out", *kinds]
    code, document, err = call(*words, "--json")
    assert code == 0, err
    (entry,) = document["videos"]
    assert entry["rate"] == 12 and entry["frames"] == 6
    expected = by_hand(clip_run_folder, videos.frames(film))
    with contextlib.redirect_stdout(io.StringIO()):
        file = COCO(document["tables"]["coco"])
    for i, ids in enumerate(expected):
        stem = tmp_path / "out" / "walk_frames" / f"{i:06d}"
        assert np.array_equal(read_ids(f"{stem}_ids.png"), ids)
        image = file.loadImgs(i + 1)[0]
        assert (image["file_name"], image["frame"]) == (str(film), i)
        drawn = np.full(ids.shape, 255)
        for found in file.loadAnns(file.getAnnIds(imgIds=i + 1)):
            drawn[file.annToMask(found) == 1] = found["category_id"]
        assert np.array_equal(drawn, ids)
    assert videos.read_head(tmp_path / "out" / "walk_overlay.mp4").rate == 12
    code, again, _ = call(*words, "--json", "--skip-existing")
    assert code == 0 and again["videos"] == [{**entry, "skipped": True}]
    assert again["speed"]["pictures"] == 0
    (tmp_path / "out" / "walk_frames" / "000003_ids.png").unlink()
    code, once_more, _ = call(*words, "--json", "--skip-existing")
    assert once_more["videos"] == [entry] and once_more["speed"]["pictures"] == 6


def test_a_damaged_one_and_a_good_one(run_folder, film, photos, tmp_path, call):
    content = film.read_bytes()
    (tmp_path / "cut.avi").write_bytes(content[: len(content) * 2 // 3])
    (tmp_path / "none.mp4").write_bytes(b"no video")
    given = [tmp_path, photos / "1.png"]
    words = ["predict", run_folder, *given, "--out", tmp_path / "out", "--json"]
    code, document, err = call(*words, "--write", "ids,areas,overlay")
    assert code == 2
    complete = {os.path.basename(v["input"]): v["complete"] for v in document["videos"]}
    assert complete == {"walk.avi": True, "cut.avi": False}
    assert err.count("error:") == len(document["failures"]) == 2
    assert "cut.avi: is damaged" in err and "none.mp4: is not a video" in err
    kept = {v["input"]: v["frames"] for v in document["videos"]}[
        str(tmp_path / "cut.avi")
    ]
    assert 0 < kept < 6
    folder = tmp_path / "out" / "cut_frames"
    assert len(list(folder.glob("*_ids.png"))) == kept
    assert videos.read_head(tmp_path / "out" / "cut_overlay.mp4").frames == kept
    assert not json.loads((folder / "video.json").read_text())["complete"]
    assert (tmp_path / "out" / "1_ids.png").exists()
    code, again, _ = call(*words, "--write", "ids,areas,overlay", "--skip-existing")
    assert code == 2  # what is damaged is not done
    assert [v["skipped"] for v in again["videos"]] == [False, True]


def test_windows_have_no_memory(clip_run_folder, run_folder, frames, tmp_path, call):
    words = [frames, "--sequence", "--out", tmp_path / "out", "--write", "ids"]
    words += ["--protocol", "slide(16, 16)"]
    code, _, err = call("predict", clip_run_folder, *words)
    assert code == 2 and "shows whole frames" in err
    assert call("predict", run_folder, *words)[0] == 0


def test_folders_of_others_are_left_alone(run_folder, frames, tmp_path, call):
    words = ["--sequence", "--write", "ids", "--out"]
    mine = tmp_path / "out" / "walk_frames"
    mine.mkdir(parents=True)
    (mine / "diary.txt").write_text("mine")
    code, _, err = call("predict", run_folder, frames, *words, tmp_path / "out")
    assert code == 2 and "was not made by this command" in err
    assert [p.name for p in mine.iterdir()] == ["diary.txt"]
    taken = tmp_path / "walk_frames"
    taken.mkdir()
    Image.new("RGB", (8, 8)).save(taken / "a.png")
    code, _, err = call("predict", run_folder, frames, taken, *words, tmp_path)
    assert code == 2 and "other pictures are in it" in err


def test_a_second_call_replaces_the_frames(run_folder, frames, tmp_path, call):
    words = ["predict", run_folder, "--sequence", "--out", tmp_path, "--write", "ids"]
    assert call(*words, frames)[0] == 0
    assert call(*words, frames / "frame_[05].png")[0] == 0
    names = sorted(p.name for p in (tmp_path / "walk_frames").iterdir())
    assert names == ["frame_0_ids.png", "frame_5_ids.png", "video.json"]
    assert [p.name for p in tmp_path.iterdir()] == ["walk_frames"]
