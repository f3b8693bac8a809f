"""CamVid's 32 classes and clips, Cityscapes' coarse labels; then the real files."""

import pathlib

import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE
from segjax.data import check, datasets
from segjax.data.datasets import camvid, camvid_32, cityscapes
from tests.data.pairs import image, mask, real, write

RAW = (0, 29, 30, 31)  # Animal, VegetationMisc, Void, Wall
MEANING = {0: 0, 29: 29, 30: IGNORE, 31: 30}


def tree_of_32(root, coloured=False, count=6) -> None:
    colours = np.array([colour for _, colour in camvid_32.CODES], np.uint8)
    for k in range(count):
        name, raw = f"0006R0_f{2280 + 30 * k:05}", mask(k, RAW)
        if coloured:
            write(root / f"701_StillsRaw_full/{name}.png", image(k))
            write(root / f"LabeledApproved_full/{name}_L.png", colours[raw])
        else:
            write(root / f"images/{name}.png", image(k))
            write(root / f"labels/{name}_P.png", raw)


@pytest.mark.parametrize("coloured", [False, True])
def test_camvid_32_ignores_void_and_moves_wall(coloured, tmp_path):
    tree_of_32(tmp_path, coloured)
    (tmp_path / "train.txt").write_text(
        "/SegNet/CamVid/train/0006R0_f02280.png /SegNet/x/0006R0_f02280.png\n"
        "0006R0_f02310.png\n0006R0_f02340\n"
    )
    source = datasets.make("camvid_32", "train", root=str(tmp_path))
    assert len(source) == 3 and source.name(2) == "0006R0_f02340"
    want = np.vectorize(MEANING.__getitem__)(mask(0, RAW))
    np.testing.assert_array_equal(source[0]["label"], want)
    assert source.info.class_names[30] == "Wall" and source.info.num_classes == 31
    check.run(source, images=True)


def test_the_colours_of_camvid_32_are_of_two_bits_a_channel_and_differ():
    colours = {colour for _, colour in camvid_32.CODES}
    assert len(colours) == 32
    assert {channel for colour in colours for channel in colour} == {0, 64, 128, 192}


def test_camvid_32_splits_by_seed_where_there_is_no_list(tmp_path):
    tree_of_32(tmp_path)
    parts = [camvid_32.make(s, str(tmp_path), val_share=0.34) for s in ("train", "val")]
    names = [{s.name(i) for i in range(len(s))} for s in parts]
    assert list(map(len, names)) == [4, 2] and not names[0] & names[1]
    with pytest.raises(UserError, match="split 'test' has no list"):
        camvid_32.make("test", str(tmp_path))
    (tmp_path / "val.txt").write_text("0006R0_f02280\n0006R0_f99999\n")
    with pytest.raises(UserError, match="split 'train' has no list"):
        camvid_32.make("train", str(tmp_path))
    with pytest.raises(UserError, match=r"images/0006R0_f99999.png: is listed and"):
        camvid_32.make("val", str(tmp_path))


def test_camvid_32_refuses_another_list_of_codes(tmp_path):
    tree_of_32(tmp_path)
    names = [name for name, _ in camvid_32.CODES]
    (tmp_path / "codes.txt").write_text("\n".join(names))
    camvid_32.make("train", str(tmp_path))
    (tmp_path / "codes.txt").write_text("\n".join([*names[:3], "Bench", *names[4:]]))
    with pytest.raises(UserError, match="line 4 is 'Bench'"):
        camvid_32.make("train", str(tmp_path))
    (tmp_path / "codes.txt").write_text("\n".join(names[::-1]))
    with pytest.raises(UserError, match="the order or the number"):
        camvid_32.make("train", str(tmp_path))


VIDEO = (  # name, the number of its picture; 0016E5_00901 is late by a frame
    ("0001TP_006690", 0),
    ("0001TP_006720", 1),
    ("0016E5_00840", 2),
    ("0016E5_00870", 3),
    ("0016E5_00901", 4),
    ("0016E5_00930", 5),
    ("0016E5_02880", 6),
)


def video_tree(root, split="train") -> None:
    for name, k in VIDEO:
        write(root / split / f"{name}.png", image(k))
        write(root / f"{split}annot" / f"{name}.png", mask(k, (0, 11)))


@pytest.mark.parametrize(
    ("frames", "every", "starts", "clips"),
    [
        (2, 30, "repeat", ["00", "01", "22", "23", "34", "45", "66"]),
        (2, 30, "leave_out", ["01", "23", "34", "45"]),
        (3, 30, "repeat", ["000", "001", "222", "223", "234", "345", "666"]),
        (3, 30, "leave_out", ["234", "345"]),
        (2, 60, "leave_out", ["24", "35"]),
        (2, 31, "leave_out", ["01", "23", "34"]),
    ],
)
def test_camvid_clips_end_at_the_labelled_frame(frames, every, starts, clips, tmp_path):
    video_tree(tmp_path)
    source = datasets.make(
        "camvid", "train", root=str(tmp_path), frames=frames, every=every, starts=starts
    )
    assert len(source) == len(clips)
    for i, numbers in enumerate(clips):
        example = source[i]
        np.testing.assert_array_equal(
            example["image"], [image(int(k)) for k in numbers]
        )
        raw = mask(int(numbers[-1]), (0, 11))
        np.testing.assert_array_equal(example["label"], np.where(raw, IGNORE, 0))
    assert repr(source) == f"camvid train: {len(clips)} examples"
    check.run(source, images=True)


def test_camvid_clips_that_cannot_be_are_refused(tmp_path):
    video_tree(tmp_path)
    for frames, every in ((2, 1), (2, 2), (5, 30), (2, 27)):
        with pytest.raises(UserError, match="no clip of 'train' has all"):
            camvid.make("train", str(tmp_path), frames=frames, every=every)
    with pytest.raises(UserError, match="frames=0, every=30: both must be 1 or more"):
        camvid.make("train", str(tmp_path), frames=0)
    for folder in ("train", "trainannot"):
        path = tmp_path / folder / "0001TP_006690.png"
        path.rename(path.with_name("street.png"))
    assert len(camvid.make("train", str(tmp_path))) == 7
    with pytest.raises(UserError, match="street: is not VIDEO_NUMBER"):
        camvid.make("train", str(tmp_path), frames=2)


def coarse_tree(root, split) -> None:
    stem = "augsburg_000000_000019"
    for kind, ids in (("gtFine", (7,)), ("gtCoarse", (0, 7, 33))):
        folder = root / kind / split / "augsburg"
        write(folder / f"{stem}_{kind}_labelIds.png", mask(0, ids))
        write(folder / f"{stem}_{kind}_instanceIds.png", np.full((8, 12), 26000, "u2"))
        write(folder / f"{stem}_{kind}_color.png", image(1))
    write(root / "leftImg8bit" / split / f"augsburg/{stem}_leftImg8bit.png", image(0))


@pytest.mark.parametrize("split", ["train", "train_extra", "val"])
def test_cityscapes_coarse(split, tmp_path):
    coarse_tree(tmp_path, split)
    source = datasets.make("cityscapes", split, root=str(tmp_path), coarse=True)
    want = np.vectorize({0: IGNORE, 7: 0, 33: 18}.__getitem__)(mask(0, (0, 7, 33)))
    np.testing.assert_array_equal(source[0]["label"], want)


def test_cityscapes_coarse_has_splits_of_its_own(tmp_path):
    with pytest.raises(UserError, match=r"'train_extra'\. Known: train, val, test"):
        cityscapes.make("train_extra", str(tmp_path))
    with pytest.raises(UserError, match=r"'all'\. Known: train, train_extra, val"):
        cityscapes.make("all", str(tmp_path), coarse=True)
    with pytest.raises(UserError, match="are not public"):
        cityscapes.make("test", str(tmp_path), coarse=True)


def test_instance_ids_are_never_taken_for_labels(tmp_path):
    coarse_tree(tmp_path, "val")
    folder = tmp_path / "gtFine/val/augsburg"
    path = folder / "augsburg_000000_000019_gtFine_labelIds.png"
    path.unlink()
    with pytest.raises(UserError, match=r"has no \*_gtFine_labelIds.png"):
        cityscapes.make("val", str(tmp_path))
    write(path, np.full((8, 12), 26000, np.uint16))
    with pytest.raises(UserError, match="look like instance ids"):
        cityscapes.make("val", str(tmp_path))[0]


# The real files.


def test_real_camvid_32():
    root = real("camvid_32class")
    parts = [camvid_32.make(s, root, val_share=0.34) for s in ("train", "val")]
    assert [len(s) for s in parts] == [2, 1]
    assert parts[0][0]["image"].shape == (720, 960, 3)
    found = check.run(parts[0], images=True)
    named = dict(zip(camvid_32.INFO.class_names, found.class_pixels, strict=True))
    assert named["Road"] > named["Tree"] > named["Car"] > named["Sky"] > 0
    codes = pathlib.Path(root, "codes.txt").read_text().split()
    assert codes == [name for name, _ in camvid_32.CODES]


@pytest.mark.parametrize(
    ("split", "every", "count"), [("train", 30, 352), ("val", 30, 56), ("val", 2, 98)]
)
def test_real_camvid_clips(split, every, count):
    root = real("camvid")
    every_one = camvid.make(split, root, frames=4, every=every)
    assert len(every_one) == len(camvid.make(split, root))
    whole = camvid.make(split, root, frames=4, every=every, starts="leave_out")
    assert len(whole) == count
    assert whole[0]["image"].shape == (4, 360, 480, 3)
    for (name, _, _), earlier in zip(whole.pairs, whole.earlier, strict=True):
        paths = [pathlib.Path(p).stem.rsplit("_", 1) for p in earlier]
        video, last = name.rsplit("_", 1)
        steps = [int(last.lstrip("f")) - int(n.lstrip("f")) for _, n in paths]
        assert {v for v, _ in paths} == {video}
        assert (
            max(abs(s - k * every) for s, k in zip(steps, (3, 2, 1), strict=True)) < 2
        )
