"""Splits by seed, by folds and by file: complete, stable, and nothing torn apart."""

import hashlib
import json

import pytest

from segjax.core.errors import UserError
from segjax.data import datasets, splits
from tests.data.pairs import INFO, image, mask, write


def drawn(root, contents):
    """Name -> image files; equal numbers are equal pictures."""
    return {
        name: [write(root / f"{name}.png", image(seed))]
        for name, seed in contents.items()
    }


@pytest.fixture
def twenty(tmp_path):
    return drawn(tmp_path, {f"x{k}": k for k in range(20)})


@pytest.mark.parametrize(
    ("share", "seed", "count"), [(0.1, 0, 2), (0.1, 7, 2), (0.33, 1, 7), (0.001, 2, 1)]
)
def test_the_lowest_hashes_are_held_out(twenty, share, seed, count):
    def key(name):
        return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()

    held = splits.held_out(twenty, share, seed)
    assert held == set(sorted(twenty, key=key)[:count])


def test_shares_follow_each_other_and_leave_the_rest_to_train(twenty):
    found = splits.assign(twenty, {"val": 0.1, "test": 0.25}, seed=0)
    assert {s: len(names) for s, names in found.items()} == {
        "train": 13,
        "val": 2,
        "test": 5,
    }
    assert sorted(n for names in found.values() for n in names) == sorted(twenty)
    assert set(found["val"]) == splits.held_out(twenty, 0.1, 0)


@pytest.mark.parametrize("count", [2, 3, 5, 20])
def test_folds_share_the_names_evenly(twenty, count):
    number = splits.assign_folds(twenty, count, seed=0)
    sizes = [list(number.values()).count(k) for k in range(count)]
    assert number.keys() == twenty.keys() and sum(sizes) == 20
    assert max(sizes) - min(sizes) <= 1
    assert number == splits.assign_folds(twenty, count, seed=0)
    assert number == splits.assign_folds(dict(reversed(twenty.items())), count, seed=0)
    if count < 20:
        assert number != splits.assign_folds(twenty, count, seed=1)


# b and c are one picture, c and d of one clip, f and g of one: three groups and "h".
CONTENTS = {"a": 0, "b": 1, "c": 1, "d": 2, "e": 0, "f": 3, "g": 4, "h": 5}
CLIPS = {"c": "one", "d": "one", "f": "two", "g": "two", "h": "", "a": ""}
TOGETHER = ({"b", "c", "d"}, {"a", "e"}, {"f", "g"}, {"h"})


@pytest.mark.parametrize("seed", range(5))
def test_equal_pictures_and_groups_are_never_torn_apart(tmp_path, seed):
    files = drawn(tmp_path, CONTENTS)
    number = splits.assign_folds(files, 3, seed, CLIPS)
    assert all(len({number[n] for n in names}) == 1 for names in TOGETHER)
    assert sorted(list(number.values()).count(k) for k in range(3)) == [2, 3, 3]
    held = splits.held_out(files, 0.3, seed, CLIPS)
    assert all(names <= held or not names & held for names in TOGETHER)


def test_more_folds_than_groups_are_refused(tmp_path):
    files = drawn(tmp_path, CONTENTS)
    assert len(set(splits.assign_folds(files, 4, 0, CLIPS).values())) == 4
    with pytest.raises(UserError, match=r"8 images in 4 groups .* at most 4 folds"):
        splits.assign_folds(files, 5, 0, CLIPS)


def test_folds_are_train_and_val(twenty):
    val = [
        splits.part(INFO, "val", twenty, folds=4, fold=fold, split_seed=3)
        for fold in range(4)
    ]
    assert set().union(*val) == set(twenty) and sum(map(len, val)) == 20
    train = splits.part(INFO, "train", twenty, folds=4, fold=2, split_seed=3)
    assert train == set(twenty) - val[2]
    assert splits.part(INFO, "all", twenty) == set(twenty)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"val_share": 1}, r"val_share=1: must be in \(0, 1\)"),
        ({"val_share": 0.0}, r"val_share=0.0: must be in \(0, 1\)"),
        ({"folds": 1}, "folds=1: 2 to 20"),
        ({"folds": 21}, "folds=21: 2 to 20"),
        ({"fold": 1}, "folds=0: 2 to 20"),
        ({"folds": 5, "fold": 5}, "fold=5: 0 to 4"),
        ({"split": "tset"}, r"no split 'tset'\. Known: train, val, all"),
        ({"split_file": "x.json"}, "x.json': no such file"),
        ({"split_file": "x.json", "folds": 5}, "Leave the other out"),
    ],
    ids=str,
)
def test_what_is_out_of_range_is_refused(twenty, options, message):
    with pytest.raises(UserError, match=message):
        splits.part(INFO, **{"split": "val", "files": twenty} | options)


SPLITS = {"train": ["b", "a"], "val": ["c"], "test": ["ä"]}


def test_a_split_file_says_what_was_written(tmp_path):
    path = tmp_path / "split.json"
    digest = splits.write(path, SPLITS, seed=7)
    assert splits.read(path) == {"train": ("a", "b"), "val": ("c",), "test": ("ä",)}
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content.pop("sha256") == digest and content["seed"] == 7
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == digest
    # Neither the order in which splits are given nor the layout of the file counts.
    assert splits.write(path, dict(reversed(SPLITS.items())), seed=7) == digest
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8"))))
    assert splits.read(path)["val"] == ("c",)
    assert splits.write(path, SPLITS, seed=8) != digest


def rewritten(path, **changes):
    content = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: p.unlink(), "no such file"),
        (lambda p: p.write_text("{"), r"is no split file \(JSONDecodeError"),
        (lambda p: p.write_text("[]"), "is no split file"),
        (lambda p: p.write_text('{"splits": [1]}'), "is no split file"),
        (lambda p: rewritten(p, format="other"), "format is 'other'"),
        (lambda p: rewritten(p, seed=8), "was changed after it was written"),
        (lambda p: rewritten(p, splits={"val": ["d"]}), "was changed after"),
        (lambda p: rewritten(p, sha256=""), "and it states ''"),
    ],
)
def test_a_damaged_split_file_is_refused(tmp_path, spoil, message):
    path = tmp_path / "split.json"
    splits.write(path, SPLITS, seed=7)
    spoil(path)
    with pytest.raises(UserError, match=message):
        splits.read(path)


def test_a_meant_change_needs_the_digest_that_the_message_gives(tmp_path):
    path = tmp_path / "split.json"
    splits.write(path, SPLITS, seed=7)
    rewritten(path, splits={"train": ["a"], "val": ["c"]})
    with pytest.raises(UserError) as error:
        splits.read(path)
    digest = str(error.value).partition("has the sha256 ")[2][:64]
    rewritten(path, sha256=digest)
    assert splits.read(path) == {"train": ("a",), "val": ("c",)}


def test_a_name_stands_once_and_no_split_is_empty(tmp_path):
    with pytest.raises(UserError) as error:
        splits.write(tmp_path / "s", {"train": ["a", "b"], "val": ["b"], "x": []}, 0)
    assert [p.partition(": ")[2][:24] for p in error.value.problems] == [
        "'b' is in 'train' and in",
        "split 'x' has no names; ",
    ]
    assert not (tmp_path / "s").exists()


def folder_set(root):
    for k in range(6):
        write(root / f"images/{k}.png", image(k))
        write(root / f"masks/{k}.png", mask(k))
    return {"root": str(root), "classes": ("a", "b")}


def flood_set(root):
    for k in range(6):
        write(root / f"Image/{k}.jpg", image(k))
        write(root / f"Mask/{k}.png", mask(k, (0, 9, 130, 255)))
    rows = [f"{k}.jpg,{k}.png" for k in range(6)]
    (root / "metadata.csv").write_text("\n".join(["Image,Mask", *rows]))
    return {"root": str(root)}


def pet_set(root):
    for k in range(6):
        write(root / f"images/{k}.jpg", image(k))
        write(root / f"annotations/trimaps/{k}.png", mask(k, (1, 2, 3)))
    lines = [f"{k} 1 1 1" for k in range(6)]
    (root / "annotations/trainval.txt").write_text("\n".join(lines))
    return {"root": str(root)}


SETS = {"folder": folder_set, "flood_area": flood_set, "oxford_pet": pet_set}


@pytest.mark.parametrize("name", SETS)
def test_a_data_set_is_split_as_the_file_says(name, tmp_path):
    options = SETS[name](tmp_path / "data")
    path = str(tmp_path / "split.json")
    splits.write(path, {"train": "0235", "val": "41"}, seed=0)

    def names(split, **more):
        source = datasets.make(name, split, **options, split_file=path, **more)
        return [source.name(i) for i in range(len(source))]

    assert (names("train"), names("val")) == (["0", "2", "3", "5"], ["1", "4"])
    assert names("val", split_seed=3, val_share=0.5) == ["1", "4"]

    splits.write(path, {"train": "0238", "val": "41"}, seed=0)
    with pytest.raises(UserError) as error:
        names("train")
    assert [p.partition(".json: ")[2][:27] for p in error.value.problems] == [
        "'8' is in a split and not o",
        "'5' is on disk and in no sp",
    ]
    if name != "oxford_pet":
        splits.write(path, {"train": "0235", "test": "41"}, seed=0)
        assert names("test") == ["1", "4"]
        with pytest.raises(UserError, match=r"no split 'val'\. Known: test, train"):
            names("val")


def test_a_split_file_is_not_for_splits_that_are_folders(tmp_path):
    for split in ("train", "val"):
        folder_set(tmp_path / split)
    with pytest.raises(UserError, match="the splits are folders here"):
        datasets.make(
            "folder",
            "val",
            root=str(tmp_path),
            classes=("a", "b"),
            split_file=str(tmp_path / "split.json"),
        )


def test_many_disagreements_are_counted(tmp_path):
    path = tmp_path / "split.json"
    splits.write(path, {"train": map(str, range(50))}, seed=0)
    with pytest.raises(UserError) as error:
        splits.from_file(path, "train", ["0"], INFO)
    assert len(error.value.problems) == splits.SHOWN + 1
    assert error.value.problems[-1] == "... and 29 more names."
