"""Published layouts, and their usual faults, on tiny trees; then on the real files."""

import os
import pickle
import shutil

import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE
from segjax.data import check, datasets
from segjax.data.datasets import DATASETS, camvid, cityscapes, oxford_pet
from segjax.data.source import PairedFiles, Source
from tests.data.pairs import image, mask, real, write


def camvid_tree(root, split="train", names=("0001TP_1", "0016E5_2"), listed=True):
    for k, name in enumerate(names):
        write(root / split / f"{name}.png", image(k))
        write(root / f"{split}annot" / f"{name}.png", mask(k, (0, 10, 11)))
    if listed:
        lines = [f"/SegNet/CamVid/{split}/{n}.png /SegNet/x/{n}.png" for n in names]
        (root / f"{split}.txt").write_text("\n".join(lines) + "\n")


def city_tree(root, split="val", ids=(7, 33, 0), labels="labelIds", count=2):
    for k in range(count):
        stem = f"frankfurt_00000{k}_000019"
        write(
            root / "leftImg8bit" / split / "frankfurt" / f"{stem}_leftImg8bit.png",
            image(k),
        )
        gt = root / "gtFine" / split / "frankfurt"
        write(gt / f"{stem}_gtFine_{labels}.png", mask(k, ids))
        write(gt / f"{stem}_gtFine_instanceIds.png", np.full((8, 12), 26000, np.uint16))


@pytest.mark.parametrize("listed", [True, False])
def test_camvid(listed, tmp_path):
    camvid_tree(tmp_path, listed=listed)
    source = datasets.make("camvid", "train", root=str(tmp_path))
    assert isinstance(source, Source)
    assert [source.name(i) for i in range(len(source))] == ["0001TP_1", "0016E5_2"]
    example = source[1]
    np.testing.assert_array_equal(example["image"], image(1))
    raw = mask(1, (0, 10, 11))
    np.testing.assert_array_equal(example["label"], np.where(raw == 11, IGNORE, raw))
    assert example["index"] == 1
    assert repr(source) == "camvid train: 2 examples"
    assert pickle.loads(pickle.dumps(source)) == source


def test_camvid_names_all_missing_files(tmp_path):
    camvid_tree(tmp_path)
    os.remove(tmp_path / "train" / "0001TP_1.png")
    os.remove(tmp_path / "trainannot" / "0016E5_2.png")
    with pytest.raises(UserError) as error:
        camvid.make("train", str(tmp_path))
    assert error.value.problems == [
        "camvid train: 2 files do not pair:",
        "train/0001TP_1.png: image is missing",
        "trainannot/0016E5_2.png: mask is missing",
    ]


def test_a_missing_root_says_where_from_how_and_what_runs_without(tmp_path):
    for name in ("camvid", "cityscapes"):
        with pytest.raises(UserError) as error:
            datasets.make(name, "train", root=str(tmp_path / "no"))
        for part in ("https://", "ROOT/", "configs/streets_unet.py"):
            assert part in str(error.value)


@pytest.mark.parametrize("name", ["camvid", "cityscapes"])
def test_unknown_split(name, tmp_path):
    with pytest.raises(UserError, match=r"no split 'trian'\. Known: train, val, test"):
        datasets.make(name, "trian", root=str(tmp_path))


def test_unknown_data_set():
    with pytest.raises(UserError, match="Did you mean 'camvid'"):
        datasets.make("camvit", "train")


def test_cityscapes_maps_raw_ids_by_the_official_table(tmp_path):
    city_tree(tmp_path, ids=tuple(range(34)))
    source = cityscapes.make("val", str(tmp_path))
    assert source.name(0) == "frankfurt_000000_000019"
    table = {row[1]: row[2] for row in cityscapes.LABELS}
    raw = mask(0, tuple(range(34)))
    want = np.vectorize(table.__getitem__)(raw)
    np.testing.assert_array_equal(source[0]["label"], want)


def test_the_cityscapes_table_is_the_official_one():
    official = pytest.importorskip("cityscapesscripts.helpers.labels")
    ours = [(n, i, t, c) for n, i, t, c in cityscapes.LABELS]
    theirs = [(x.name, x.id, x.trainId % 256, x.color) for x in official.labels]
    assert ours == theirs
    assert cityscapes.INFO.class_names == tuple(
        official.trainId2label[k].name for k in range(19)
    )


def test_cityscapes_train_ids_are_recognised(tmp_path):
    city_tree(tmp_path, ids=(0, 18, 255), labels="labelTrainIds")
    source = cityscapes.make("val", str(tmp_path))
    np.testing.assert_array_equal(source[0]["label"], mask(0, (0, 18, 255)))
    with pytest.raises(UserError, match=r"has no \*_gtFine_labelIds.png"):
        cityscapes.make("val", str(tmp_path), labels="labelIds")


def test_cityscapes_files_without_partner_are_listed(tmp_path):
    city_tree(tmp_path)
    shutil.rmtree(tmp_path / "leftImg8bit")
    with pytest.raises(UserError) as error:
        cityscapes.make("val", str(tmp_path))
    assert len(error.value.problems) == 3
    assert "frankfurt_000001_000019_gtFine_labelIds.png: has no" in str(error.value)


def test_cityscapes_test_cannot_be_scored(tmp_path):
    city_tree(tmp_path, "test")
    with pytest.raises(UserError, match="are not public"):
        cityscapes.make("test", str(tmp_path))


def sequence_tree(root, before: int = 4) -> None:
    """One snippet whose labelled frame is number 42, as in the long sequences."""
    folder = root / "leftImg8bit_sequence" / "val" / "hamburg"
    for number in range(42 - before, 45):
        write(folder / f"hamburg_000000_{number:06}_leftImg8bit.png", image(number))
    write(
        root / "gtFine/val/hamburg/hamburg_000000_000042_gtFine_labelIds.png",
        mask(0, (0, 7, 33)),
    )


@pytest.mark.parametrize(("frames", "every"), [(2, 1), (3, 2), (5, 1)])
def test_cityscapes_clips_end_at_the_labelled_frame(tmp_path, frames, every):
    sequence_tree(tmp_path)
    source = cityscapes.make("val", str(tmp_path), frames=frames, every=every)
    example = source[0]
    numbers = range(42 - (frames - 1) * every, 43, every)
    np.testing.assert_array_equal(example["image"], [image(n) for n in numbers])
    assert example["label"].shape == example["image"].shape[1:3]
    assert check.run(source, images=True).class_images[0] == 1
    assert len(source.files()) == frames + 1
    if frames > 2:
        other = cityscapes.make("val", str(tmp_path), frames=frames - 1, every=every)
        assert other.fingerprint() != source.fingerprint()


def test_frames_that_are_missing_are_listed(tmp_path):
    sequence_tree(tmp_path)
    with pytest.raises(UserError) as error:
        cityscapes.make("val", str(tmp_path), frames=8)
    assert len(error.value.problems) == 4  # the headline, and frames 35 to 37
    assert "hamburg_000000_000035_leftImg8bit.png: is missing" in str(error.value)
    with pytest.raises(UserError, match=r"19 frames before the labelled one"):
        cityscapes.make("val", str(tmp_path), frames=21)


def pet_tree(root) -> None:
    """Twelve listed pets of three breeds, and a GIF named .jpg that no list has."""
    names = [f"{breed}_{n}" for breed in ("Bengal", "pug", "beagle") for n in range(4)]
    for seed, name in enumerate(names):
        write(root / f"images/{name}.jpg", image(seed))
        write(root / f"annotations/trimaps/{name}.png", mask(seed, (1, 2, 3)))
    write(root / "images/pug_99.jpg", image(99), format="GIF")
    numbers = {"Bengal": 6, "pug": 26, "beagle": 5}
    lines = [f"{name} {numbers[name.split('_')[0]]} 1 1" for name in names]
    for name, listed in (("trainval", lines[:-2]), ("test", lines[-2:])):
        path = root / f"annotations/{name}.txt"
        path.write_text("# a comment\n" + "\n".join(listed) + "\n")


@pytest.mark.parametrize(
    ("classes", "border", "meaning"),
    [
        ("binary", "ignore", {1: 1, 2: 0, 3: 255}),
        ("binary", "pet", {1: 1, 2: 0, 3: 1}),
        ("binary", "background", {1: 1, 2: 0, 3: 0}),
        ("trimap", "ignore", {1: 1, 2: 0, 3: 2}),
        ("breed", "ignore", {1: 5, 2: 0, 3: 255}),
        ("breed", "pet", {1: 5, 2: 0, 3: 5}),
    ],
)
def test_pets_say_what_each_number_means(tmp_path, classes, border, meaning):
    pet_tree(tmp_path)
    source = oxford_pet.make("test", str(tmp_path), classes=classes, border=border)
    assert len(source) == 2 and source.name(0) == "beagle_2"
    want = np.vectorize(meaning.__getitem__)(mask(10, (1, 2, 3)))
    np.testing.assert_array_equal(source[0]["label"], want)
    check.run(source, images=True)


def test_pets_split_the_list_of_training_and_validation(tmp_path):
    pet_tree(tmp_path)
    train, val = (
        oxford_pet.make(s, str(tmp_path), val_share=0.3) for s in oxford_pet.SPLITS[:2]
    )
    names = [{s.name(i) for i in range(len(s))} for s in (train, val)]
    assert len(names[0]) == 7 and len(names[1]) == 3 and not names[0] & names[1]
    other = oxford_pet.make("val", str(tmp_path), val_share=0.3, split_seed=1)
    assert {other.name(i) for i in range(3)} != names[1]


def test_pets_name_what_is_missing_or_wrong(tmp_path):
    pet_tree(tmp_path)
    (tmp_path / "images/pug_1.jpg").unlink()
    with pytest.raises(UserError, match=r"images/pug_1.jpg: is listed and missing"):
        oxford_pet.make("train", str(tmp_path))
    (tmp_path / "annotations/test.txt").write_text("pug_1 38 1 1\n")
    with pytest.raises(UserError, match=r"test.txt: line 1 .* from 1 to 37"):
        oxford_pet.make("test", str(tmp_path))


def test_the_breeds_are_the_published_ones():
    assert len(oxford_pet.BREEDS) == 37
    assert list(oxford_pet.BREEDS) == sorted(oxford_pet.BREEDS, key=str.lower)


def test_fingerprint_is_of_the_content(tmp_path):
    for folder in ("one", "two"):
        camvid_tree(tmp_path / folder)
    os.utime(tmp_path / "two" / "train" / "0001TP_1.png", (1, 1))

    def fingerprint(folder):
        return camvid.make("train", str(tmp_path / folder)).fingerprint()

    assert fingerprint("one") == fingerprint("two")
    path = tmp_path / "two" / "train" / "0001TP_1.png"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    assert fingerprint("one") != fingerprint("two")


def test_fingerprint_is_of_the_class_table_too(tmp_path):
    camvid_tree(tmp_path)
    source = camvid.make("train", str(tmp_path))
    other = PairedFiles(
        cityscapes.INFO, source.split, source.root, source.pairs, source.rule
    )
    assert other.fingerprint() != source.fingerprint()


def test_every_data_set_takes_split_from_the_caller():
    for entry in DATASETS.values():
        assert "split" in entry.__annotations__


# The real files: what the tiny trees above imitate.


@pytest.mark.parametrize(("split", "count"), [("train", 367), ("val", 101)])
def test_real_camvid(split, count):
    source = datasets.make("camvid", split, root=real("camvid"))
    assert len(source) == count
    assert source[0]["image"].shape == (360, 480, 3)
    survey = check.run(source)
    assert sum(survey.class_pixels) + survey.ignored_pixels == count * 360 * 480


def test_real_cityscapes():
    raw = datasets.make("cityscapes", "val", root=real("cityscapes_tiny"))
    train_ids = datasets.make(
        "cityscapes", "val", root=real("cityscapes_tiny"), labels="labelTrainIds"
    )
    # Both were made by shrinking the same frame, apart from each other.
    assert (raw[0]["label"] == train_ids[0]["label"]).mean() > 0.95
    check.run(datasets.make("cityscapes", "train", root=real("cityscapes")))
    with pytest.raises(UserError, match="15 files do not pair"):
        datasets.make("cityscapes", "val", root=real("cityscapes_labels_only"))


def test_real_cityscapes_clips():
    root = real("cityscapes_sequence")
    clips = datasets.make("cityscapes", "train", root=root, frames=3)
    assert len(clips) == 3
    assert clips[0]["image"].shape == (3, 1024, 2048, 3)
    still, moving = clips[0]["image"][-1], clips[0]["image"][0]
    assert (still != moving).mean() > 0.1
    with pytest.raises(UserError, match=r"aachen_000001_000016_leftImg8bit"):
        datasets.make("cityscapes", "train", root=root, frames=4)


def test_real_pets():
    root = real("oxford_pet")
    for classes in oxford_pet.CLASSES:
        train = datasets.make("oxford_pet", "train", root=root, classes=classes)
        check.run(train, images=True)
    assert len(train) == 29
    breed = oxford_pet.CLASSES["breed"][
        train[0]["label"].max(initial=0, where=train[0]["label"] < 255)
    ]
    assert train.name(0).startswith(breed)


def test_real_floods():
    kwargs = {
        "root": real("flood_area"),
        "images": "Image/{name}",
        "masks": "Mask/{name}",
        "classes": ("dry", "water"),
        "threshold": 128,
    }
    with pytest.raises(UserError) as error:
        check.run(datasets.make("folder", "all", **kwargs))
    named = {p.split(":")[0] for p in error.value.problems}
    assert named == {f"Mask/{n}.png" for n in (14, 15, 1061, 2052, 2053)}
    skip = ("14", "15", "1061", "2052", "2053")
    survey = check.run(datasets.make("folder", "all", **kwargs, skip=skip), images=True)
    assert (len(survey.problems), survey.turned) == (0, 1)


@pytest.mark.parametrize(
    ("name", "count", "kwargs"),
    [
        (
            "oxford_pet",
            64,
            {
                "images": "images/{name}",
                "masks": "annotations/trimaps/{name}",
                "classes": ("pet", "background"),
                "values": (1, 2),
                "ignore": (3,),
            },
        ),
        (
            "pascal_voc",
            1,
            {
                "images": "JPEGImages/{name}",
                "masks": "SegmentationClass/{name}",
                "classes": tuple(map(str, range(21))),
                "ignore": (255,),
                "skip": ("2011_003353",),
            },
        ),
        (
            "CHASEDB1",
            28,
            {
                "images": "{name}.jpg",
                "masks": "{name}_1stHO.png",
                "classes": ("background", "vessel"),
            },
        ),
        (
            "DRIVE",
            20,
            {
                "images": "training/images/{name}_training.tif",
                "masks": "training/1st_manual/{name}_manual1.gif",
                "classes": ("background", "vessel"),
                "values": (0, 255),
            },
        ),
    ],
)
def test_real_folders(name, count, kwargs):
    source = datasets.make("folder", "all", root=real(name), **kwargs)
    assert len(source) == count
    assert min(check.run(source).class_images[:1]) > 0
