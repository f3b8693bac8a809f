"""Videos of one object: splits by list and by table, clips that stay in a sequence."""

import numpy as np
import pytest
from PIL import Image

from segjax.core.errors import UserError
from segjax.data import check, datasets
from segjax.data.datasets import davis
from tests.data.pairs import image, mask, real, write

SEQUENCES = {"blackswan": 5, "dog": 3, "bear": 4}  # two of val, one of train


def draw(number, size=(8, 12)):
    return image(number, size)


def tree(root, sequences=SEQUENCES, ids=(0, 255), resolution="480p"):
    for k, (name, count) in enumerate(sequences.items()):
        for n in range(count):
            path = root / f"JPEGImages/{resolution}/{name}/{n:05}.jpg"
            write(path, draw(10 * k + n), format="PNG")
            array = Image.fromarray(mask(10 * k + n, ids))
            if len(ids) > 2:
                array = array.convert("P")
                array.putpalette(list(range(256)) * 3)
            path = root / f"Annotations/{resolution}/{name}/{n:05}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            array.save(path)


def names(source):
    return [source.name(i) for i in range(len(source))]


def make(root, split="val", **options):
    return datasets.make("davis", split, root=str(root), **options)


def test_stills_are_split_by_the_table(tmp_path):
    tree(tmp_path)
    source = make(tmp_path)
    assert names(source)[:2] == ["blackswan/00000", "blackswan/00001"]
    assert len(source) == 8 and names(make(tmp_path, "train"))[0] == "bear/00000"
    np.testing.assert_array_equal(source[1]["image"], draw(1))
    np.testing.assert_array_equal(source[1]["label"], mask(1, (0, 255)) // 255)
    check.run(source, images=True)


@pytest.mark.parametrize(("frames", "every"), [(2, 1), (3, 1), (2, 2), (1, 3)])
def test_a_clip_ends_at_its_label_and_never_crosses_a_sequence(tmp_path, frames, every):
    tree(tmp_path)
    source = make(tmp_path, frames=frames, every=every)
    lost = (frames - 1) * every
    want = [
        (name, n, 10 * k)
        for k, (name, count) in enumerate(SEQUENCES.items())
        for n in range(lost, count)
        if name != "bear"
    ]
    assert names(source) == [f"{name}/{n:05}" for name, n, _ in want]
    for i, (_, n, base) in enumerate(want):
        stills = np.array([draw(base + m) for m in range(n - lost, n + 1, every)])
        np.testing.assert_array_equal(
            source[i]["image"], stills if frames > 1 else stills[0]
        )
        np.testing.assert_array_equal(
            source[i]["label"], mask(base + n, (0, 255)) // 255
        )
    check.run(source, images=True)


def test_other_clips_of_the_same_files_have_another_fingerprint(tmp_path):
    tree(tmp_path, {"dog": 5})
    one, two = (
        make(tmp_path, frames=frames, every=every) for frames, every in ((2, 2), (3, 1))
    )
    assert one.files() == two.files() and one.pairs == two.pairs
    assert one.fingerprint() != two.fingerprint()
    assert repr(two) == "davis val: 3 examples"


def test_numbered_objects_are_all_foreground(tmp_path):
    tree(tmp_path, {"dog": 1}, ids=(0, 1, 2, 7))
    source = make(tmp_path)
    assert Image.open(source.pairs[0][2]).mode == "P"
    np.testing.assert_array_equal(source[0]["label"], mask(0, (0, 1, 2, 7)) > 0)


@pytest.mark.parametrize(
    ("folder", "year", "lines"),
    [
        (
            "480p",
            2016,
            "/JPEGImages/480p/{0}/00000.jpg /Annotations/480p/{0}/00000.png",
        ),
        ("2016", 2016, "{0}"),
        ("2017", 2017, "{0}\n"),
    ],
)
def test_the_lists_say_which_sequences(folder, year, lines, tmp_path):
    tree(tmp_path)
    listing = tmp_path / "ImageSets" / folder / "val.txt"
    listing.parent.mkdir(parents=True)
    listing.write_text("\n".join(lines.format(n) for n in ("dog", "bear")) + "\n")
    source = make(tmp_path, year=year)
    assert {n.split("/")[0] for n in names(source)} == {"bear", "dog"}
    with pytest.raises(UserError, match=r"train\.txt: is missing"):
        make(tmp_path, "train", year=year)
    listing.write_text("goat\n")
    with pytest.raises(UserError, match="goat: has no frames in JPEGImages/480p"):
        make(tmp_path, year=year)


def test_faults_are_named(tmp_path):
    tree(tmp_path)
    (tmp_path / "JPEGImages/480p/blackswan/00002.jpg").unlink()
    (tmp_path / "Annotations/480p/dog/00001.png").unlink()
    with pytest.raises(UserError) as error:
        make(tmp_path, frames=2)
    assert error.value.problems[1:] == [
        "blackswan/00002: has no image",
        "blackswan/00002: is missing",
        "dog/00001: has no mask",
    ]
    (tmp_path / "JPEGImages/480p/my-cat").mkdir()
    with pytest.raises(UserError, match="my-cat: are no sequences of DAVIS-2016"):
        make(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 0}, "frames=0, every=1: both are 1 or more"),
        ({"frames": 2, "every": 0}, "every=0: both"),
        ({"frames": 6}, "no sequence of 6 frames or more"),
        ({"split": "test"}, "no split 'test'"),
        ({"year": 2017}, r"2017/val\.txt: is missing"),
        ({"resolution": "1080p"}, "has no sequence of 'val'; the files"),
    ],
    ids=str,
)
def test_what_is_out_of_range_is_refused(options, message, tmp_path):
    tree(tmp_path)
    with pytest.raises(UserError, match=message):
        make(tmp_path, **options)


def test_the_table_of_2016_has_thirty_and_twenty_sequences():
    train, val = (set(davis.SEQUENCES_2016[s]) for s in ("train", "val"))
    assert (len(train), len(val), len(train & val)) == (30, 20, 0)


def test_real_davis():
    root = real("DAVIS")
    stills, clips = make(root), make(root, frames=3, every=4)
    assert len(stills) == 90 and len(clips) == 90 - 2 * 8
    example = clips[0]
    assert clips.name(0) == "blackswan/00008"
    assert example["image"].shape == (3, 480, 854, 3)
    np.testing.assert_array_equal(example["image"][-1], stills[8]["image"])
    np.testing.assert_array_equal(example["label"], stills[8]["label"])
    foreground = check.run(stills).class_pixels[1]
    assert 0.05 < foreground / (90 * 480 * 854) < 0.12
