"""Slices of membranes: as PNG files and as pages of the challenge's own TIFF files."""

import pickle

import numpy as np
import pytest
from PIL import Image

from segjax.core.errors import UserError
from segjax.data import audit, check, datasets
from segjax.data.audit import start
from segjax.data.datasets import isbi2012
from tests.data.pairs import mask, real, write

SIZE = (6, 9)


def grey(k):
    return np.random.default_rng(k).integers(0, 256, SIZE, np.uint8)


def labels(k):
    return mask(k + 50, (0, 255), SIZE)


def files_tree(root, count=12):
    for k in range(count):
        write(root / f"membrane/train/image/{k}.png", grey(k))
        write(root / f"membrane/train/label/{k}.png", labels(k))


def pages_tree(root, count=12):
    for name, draw in (("volume", grey), ("labels", labels)):
        first, *others = (Image.fromarray(draw(k)) for k in range(count))
        first.save(root / f"train-{name}.tif", save_all=True, append_images=others)


TREES = {"files": files_tree, "pages": pages_tree}


def names(source):
    return [int(source.name(i)) for i in range(len(source))]


@pytest.mark.parametrize("layout", TREES)
def test_slices_are_in_the_order_of_numbers(layout, tmp_path):
    TREES[layout](tmp_path)
    source = datasets.make("isbi2012", "all", root=str(tmp_path))
    assert names(source) == list(range(12))
    for i in (0, 2, 11):
        example = source[i]
        np.testing.assert_array_equal(
            example["image"], np.repeat(grey(i)[..., None], 3, 2)
        )
        np.testing.assert_array_equal(example["label"], labels(i) // 255)
    assert source.info.class_names == ("membrane", "cell")
    assert check.run(source, images=True).class_images == (12, 12)
    assert pickle.loads(pickle.dumps(source)) == source
    assert repr(source) == "isbi2012 all: 12 examples"


@pytest.mark.parametrize("layout", TREES)
@pytest.mark.parametrize(
    ("options", "val"),
    [
        ({}, range(6, 12)),
        ({"val_slices": 1}, [11]),
        ({"folds": 3, "fold": 1}, range(4, 8)),
        ({"folds": 5, "fold": 0}, range(0, 2)),
        ({"folds": 5, "fold": 4}, range(9, 12)),
        ({"folds": 12, "fold": 11}, [11]),
    ],
    ids=str,
)
def test_val_is_a_contiguous_block(layout, options, val, tmp_path):
    TREES[layout](tmp_path)
    train, found = (
        datasets.make("isbi2012", split, root=str(tmp_path), **options)
        for split in ("train", "val")
    )
    assert names(found) == list(val)
    assert names(train) == [k for k in range(12) if k not in val]
    assert train.fingerprint() != found.fingerprint()


@pytest.mark.parametrize("layout", TREES)
def test_other_slices_have_another_fingerprint(layout, tmp_path):
    TREES[layout](tmp_path)
    one, two = (
        datasets.make("isbi2012", "val", root=str(tmp_path), val_slices=count)
        for count in (3, 4)
    )
    assert one.fingerprint() != two.fingerprint()


def test_folds_cover_all_slices_once(tmp_path):
    files_tree(tmp_path)
    blocks = [
        names(datasets.make("isbi2012", "val", root=str(tmp_path), folds=5, fold=k))
        for k in range(5)
    ]
    assert [k for block in blocks for k in block] == list(range(12))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"val_slices": 12}, "val_slices=12: 1 to 11"),
        ({"val_slices": 0}, "val_slices=0: 1 to 11"),
        ({"folds": 13}, r"folds=13: 2 to 12 \(the slices\)"),
        ({"folds": 2, "fold": 2}, "fold=2: 0 to 1"),
        ({"split": "test"}, "no split 'test'"),
    ],
    ids=str,
)
def test_what_is_out_of_range_is_refused(options, message, tmp_path):
    files_tree(tmp_path)
    with pytest.raises(UserError, match=message):
        datasets.make(
            **{"name": "isbi2012", "split": "val", "root": str(tmp_path)} | options
        )


def test_faults_of_the_files_are_named(tmp_path):
    files_tree(tmp_path)
    (tmp_path / "membrane/train/label/3.png").unlink()
    write(tmp_path / "membrane/train/image/x.png", grey(0))
    with pytest.raises(UserError) as error:
        datasets.make("isbi2012", "train", root=str(tmp_path))
    assert error.value.problems[1:] == [
        "3.png: has no label",
        "x.png: has no label",
        "image/x.png: names are numbers; take it away",
    ]


def test_faults_of_the_pages_are_named(tmp_path):
    pages_tree(tmp_path)
    Image.fromarray(labels(0)).save(tmp_path / "train-labels.tif")
    with pytest.raises(UserError, match=r"\(12, 6, 9\) and \(1, 6, 9\)"):
        datasets.make("isbi2012", "train", root=str(tmp_path))
    (tmp_path / "train-labels.tif").write_bytes(b"II*")
    with pytest.raises(UserError, match=r"train-labels\.tif: is not a picture"):
        datasets.make("isbi2012", "train", root=str(tmp_path))
    (tmp_path / "train-labels.tif").unlink()
    with pytest.raises(UserError, match=r"train-labels\.tif: is missing"):
        datasets.make("isbi2012", "train", root=str(tmp_path))


def test_a_page_holds_two_values_of_eight_bits(tmp_path):
    pages_tree(tmp_path)
    pages = [Image.fromarray(grey(k)) for k in range(12)]
    pages[0].save(tmp_path / "train-labels.tif", save_all=True, append_images=pages[1:])
    source = datasets.make("isbi2012", "all", root=str(tmp_path))
    with pytest.raises(UserError, match=r"page 0 holds .* 255 \(cell\)"):
        source[0]
    wide = [Image.fromarray(grey(k).astype(np.uint16)) for k in range(12)]
    wide[0].save(tmp_path / "train-volume.tif", save_all=True, append_images=wide[1:])
    with pytest.raises(UserError, match="page 4 is uint16"):
        source[4]


def test_pages_are_surveyed_and_not_taken_for_copies_of_one_picture(tmp_path):
    pages_tree(tmp_path)
    both = [isbi2012.make(s, str(tmp_path), val_slices=2) for s in ("train", "val")]
    found = start.run(both)
    assert found.audit is None
    assert list(found.surveys) == [check.examine(source) for source in both]
    with pytest.raises(UserError, match="not made of image and mask files"):
        audit.run("isbi2012", {"root": str(tmp_path), "val_slices": 2})


def test_real_isbi2012():
    root = real("isbi2012")
    train, val = (datasets.make("isbi2012", s, root=root) for s in ("train", "val"))
    assert names(train) == list(range(24)) and names(val) == list(range(24, 30))
    membrane, cell = check.run(train).class_pixels
    assert membrane + cell == 24 * 512 * 512 and membrane < cell
    # Why a split is a block: neighbours go on into each other.
    walls = [train.label(k) == 0 for k in range(24)]
    near, far = (
        np.mean([dice(walls[k], walls[k + step]) for k in range(14)])
        for step in (1, 10)
    )
    assert near > 1.4 * far


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())
