"""A user's own folders: layouts, class tables, splits, and every fault by name."""

import os

import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE
from segjax.data import check
from segjax.data.datasets import DATASETS, folder
from tests.data.pairs import image, mask, write

TWO = ("background", "road")


def pairs(root, names, images="images", masks="masks", values=(0, 1)):
    for k, name in enumerate(names):
        write(root / images / f"{name}.png", image(k))
        write(root / masks / f"{name}.png", mask(k, values))


def names(source):
    return [source.name(i) for i in range(len(source))]


def test_split_folders(tmp_path):
    for split in ("train", "val"):
        pairs(tmp_path / split, [f"{split}1", f"{split}2"])
    for split in ("train", "val"):
        source = folder.make(split, str(tmp_path), classes=TWO)
        assert names(source) == [f"{split}1", f"{split}2"]
        np.testing.assert_array_equal(source[0]["label"], mask(0))


def test_names_sort_as_numbers(tmp_path):
    pairs(tmp_path, ["10", "9", "1", "b2", "b10"])
    source = folder.make("all", str(tmp_path), classes=TWO)
    assert names(source) == ["1", "9", "10", "b2", "b10"]


def test_seeded_split_is_a_pure_function_of_names_and_seed(tmp_path):
    pairs(tmp_path, [f"x{k}" for k in range(20)])

    def split(which, seed=0):
        return set(
            names(folder.make(which, str(tmp_path), classes=TWO, split_seed=seed))
        )

    train, val = split("train"), split("val")
    assert (len(train), len(val)) == (18, 2)
    assert not train & val
    assert len(train | val) == 20
    assert len({frozenset(split("val", s)) for s in range(6)}) > 1
    # Worked out by hand: the two lowest of sha256("0/x0") ... sha256("0/x19").
    assert val == {"x14", "x3"}


def test_equal_images_stay_in_one_split(tmp_path):
    pairs(tmp_path, [f"x{k}" for k in range(20)])
    for k in range(10, 20):  # x10..x19 copy x0..x9
        write(tmp_path / "images" / f"x{k}.png", image(k - 10))
    for seed in range(5):
        val = names(folder.make("val", str(tmp_path), classes=TWO, split_seed=seed))
        numbers = {int(n[1:]) for n in val}
        assert numbers == {n % 10 for n in numbers} | {n % 10 + 10 for n in numbers}


def test_lists(tmp_path):
    pairs(tmp_path, ["a", "b", "c"])
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "train.txt").write_text("a.png 1 1\n# note\n\nb\n")
    (tmp_path / "splits" / "test.txt").write_text("c\nd\n")
    assert names(folder.make("train", str(tmp_path), classes=TWO)) == ["a", "b"]
    with pytest.raises(UserError, match="no split 'val'\\. Known: test, train"):
        folder.make("val", str(tmp_path), classes=TWO)
    with pytest.raises(
        UserError, match="d: is in the list of the split, but there is no"
    ):
        folder.make("test", str(tmp_path), classes=TWO)


def test_patterns(tmp_path):
    pairs(tmp_path, ["a", "b"], images="flat", masks="other")
    for name in "ab":
        os.rename(
            tmp_path / "other" / f"{name}.png", tmp_path / "flat" / f"{name}_m.png"
        )
        os.rename(
            tmp_path / "flat" / f"{name}.png", tmp_path / "flat" / f"{name}_i.png"
        )
    source = folder.make(
        "all", str(tmp_path), "flat/{name}_i", "flat/{name}_m.png", classes=TWO
    )
    assert names(source) == ["a", "b"]
    np.testing.assert_array_equal(source[1]["image"], image(1))
    np.testing.assert_array_equal(source[1]["label"], mask(1))


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("a/{name}", ""),
        ("a/b", "c/{name}"),
        ("{name}/a", "{name}"),
        ("{split}/{name}", "{name}"),
    ],
)
def test_bad_patterns(images, masks, tmp_path):
    with pytest.raises(UserError, match="config\\.data: images="):
        folder.make("all", str(tmp_path), images, masks, classes=TWO)


def test_all_pairing_faults_at_once(tmp_path):
    pairs(tmp_path, ["a", "b", "c"])
    os.remove(tmp_path / "masks" / "a.png")  # image without mask
    os.remove(tmp_path / "images" / "b.png")  # mask without image
    write(tmp_path / "images" / "c.bmp", image(0))  # two images of one name
    for junk in ("Thumbs.db", ".hidden.png", "._c.png", "notes.mat"):
        (tmp_path / "images" / junk).write_bytes(b"x")
    with pytest.raises(UserError) as error:
        folder.make("train", str(tmp_path), classes=TWO)
    assert error.value.problems == [
        "folder train: 3 files do not pair:",
        "images/a.png: image has no mask of the name 'a'.",
        "images/c.bmp: image 'c' is also in c.png; keep one.",
        "masks/b.png: mask has no image of the name 'b'.",
    ]


def test_skip(tmp_path):
    pairs(tmp_path, ["a", "b"])
    os.remove(tmp_path / "masks" / "a.png")
    assert names(folder.make("all", str(tmp_path), classes=TWO, skip=("a",))) == ["b"]


def test_composed_and_decomposed_names_pair(tmp_path):
    pairs(tmp_path, ["x"])
    os.rename(tmp_path / "images" / "x.png", tmp_path / "images" / "u\u0308.png")
    os.rename(tmp_path / "masks" / "x.png", tmp_path / "masks" / "\u00fc.png")
    assert names(folder.make("all", str(tmp_path), classes=TWO)) == ["\u00fc"]


def test_values_ignore_and_threshold(tmp_path):
    pairs(tmp_path, ["a"], values=(1, 2, 3))
    source = folder.make(
        "all", str(tmp_path), classes=("pet", "rest"), values=(1, 2), ignore=(3,)
    )
    raw = mask(0, (1, 2, 3))
    want = np.select([raw == 1, raw == 2], [0, 1], IGNORE)
    np.testing.assert_array_equal(source[0]["label"], want)
    soft = folder.make("all", str(tmp_path), classes=TWO, threshold=2)
    np.testing.assert_array_equal(soft[0]["label"], raw >= 2)


def test_classes_from_a_file(tmp_path):
    pairs(tmp_path, ["a"], values=(0, 4, 255))
    (tmp_path / "classes.txt").write_text(
        "# my classes\n4 traffic light 9 8 7\n0 background 1 2 3\n255 ignore\n"
    )
    source = folder.make("all", str(tmp_path))
    assert source.info.class_names == ("background", "traffic light")
    assert source.info.class_colours == ((1, 2, 3), (9, 8, 7))
    raw = mask(0, (0, 4, 255))
    np.testing.assert_array_equal(
        source[0]["label"], np.select([raw == 0, raw == 4], [0, 1], IGNORE)
    )


def test_a_bad_class_file_names_every_line(tmp_path):
    (tmp_path / "classes.txt").write_text("0 a 1 2 3\nroad\n1 b\n2 c 0 0 256\n")
    with pytest.raises(UserError) as error:
        folder.read_classes(tmp_path / "classes.txt")
    assert [p.split(": ")[0][-1] for p in error.value.problems] == ["2", "4", "t"]


def test_colour_coded_masks(tmp_path):
    colours = ((10, 20, 30), (200, 100, 0))
    write(tmp_path / "images" / "a.png", image(0))
    write(tmp_path / "masks" / "a.png", np.array(colours, np.uint8)[mask(0)])
    kwargs = {"classes": TWO, "colours": colours}
    source = folder.make("all", str(tmp_path), by_colour=True, **kwargs)
    np.testing.assert_array_equal(source[0]["label"], mask(0))
    with pytest.raises(UserError, match="by_colour=True"):
        folder.make("all", str(tmp_path), **kwargs)[0]


def test_mask_orientation(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    write(tmp_path / "images" / "a.png", image(0), exif=exif)
    write(tmp_path / "masks" / "a.png", mask(0))
    with pytest.raises(UserError, match=r"mask is 8x12 and its image .* is 12x8"):
        folder.make("all", str(tmp_path), classes=TWO)[0]
    source = folder.make("all", str(tmp_path), classes=TWO, mask_orientation="stored")
    np.testing.assert_array_equal(source[0]["image"], np.rot90(image(0), -1))
    np.testing.assert_array_equal(source[0]["label"], np.rot90(mask(0), -1))
    check.run(source)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, "name the classes"),
        ({"classes": TWO, "values": (0,)}, "each class needs one value"),
        ({"classes": TWO, "values": (0, 0)}, "no number may stand twice"),
        ({"classes": TWO, "ignore": (1,)}, "no number may stand twice"),
        ({"classes": TWO, "values": (0, 70000)}, "outside of 0"),
        ({"classes": TWO, "colours": ((1, 2, 3),)}, "2 classes and 1 colours"),
        ({"classes": ("a", "b", "c"), "threshold": 9}, "is for two classes"),
        ({"classes": TWO, "by_colour": True}, "needs a colour"),
        ({"classes": ("a", "a")}, "named twice"),
        ({"classes": TWO, "val_share": 1.5}, "val_share=1.5"),
    ],
)
def test_bad_class_tables(kwargs, message, tmp_path):
    pairs(tmp_path, ["a"])
    with pytest.raises(UserError, match=message):
        folder.make("all", str(tmp_path), **kwargs)


def test_an_empty_folder_and_a_missing_one(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        folder.make("train", str(tmp_path / "no"), classes=TWO)
    with pytest.raises(UserError, match="has neither train/images/ nor images/"):
        folder.make("train", str(tmp_path), classes=TWO)
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    with pytest.raises(UserError, match="has no images"):
        folder.make("train", str(tmp_path), classes=TWO)


def test_generated_colours_differ():
    colours = folder.generated_colours(60)
    assert len(set(colours)) == 60
    assert colours[:5] == folder.generated_colours(5)


def test_the_signature_is_the_schema():
    problems = DATASETS.problems("config.data", "folder", {"clases": ("a",)})
    assert "Did you mean 'classes'" in problems[0]
    assert "config.data.root: is missing" in problems[1]
