"""Bouncing digits: drawn from MNIST's files, pure, and labelled where the ink is."""

import gzip
import pickle
import struct

import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.data import check, datasets
from segjax.data.datasets import moving_mnist
from tests.data.pairs import real


def idx(array):
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return head + array.tobytes()


def tree(root, groups=("t10k",), count=20, packed=True, mark="-"):
    """Digit `k` is a square of its own size, alone in its 28x28."""
    root.mkdir(exist_ok=True)
    for group in groups:
        images = np.zeros((count, 28, 28), np.uint8)
        for k in range(count):
            images[k, 4 : 6 + k, 4 : 6 + k] = 200
            images[k, 3, 3] = 100  # faint: no ink
        labels = np.arange(count, dtype=np.uint8) % 10
        for kind, array, rank in (("images", images, 3), ("labels", labels, 1)):
            content = idx(array)
            name = f"{group}-{kind}{mark}idx{rank}-ubyte"
            if packed:
                name, content = f"{name}.gz", gzip.compress(content)
            (root / name).write_bytes(content)


def make(root, split="train", **options):
    options = {"num_train": 6, "num_val": 3, "num_test": 3, **options}
    return datasets.make("moving_mnist", split, root=str(root), **options)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("mark", ["-", "."])
def test_an_example_has_the_house_keys_shapes_and_types(packed, mark, tmp_path):
    tree(tmp_path, packed=packed, mark=mark)
    source = make(tmp_path)
    example = source[1]
    assert sorted(example) == ["image", "index", "label"] and example["index"] == 1
    assert example["image"].shape == (10, 64, 64, 3)
    assert example["image"].dtype == example["label"].dtype == np.uint8
    assert example["label"].shape == (64, 64)
    assert len(source) == 6 and source.name(1) == "train_000001"
    assert repr(source) == (
        "moving_mnist_foreground train: 6 clips of 10 frames (digits 0-15 of t10k, "
        "seed 0)"
    )
    assert make(tmp_path, frames=1)[0]["image"].shape == (64, 64, 3)
    check.run(source)


def test_the_label_is_the_ink_of_the_last_frame(tmp_path):
    tree(tmp_path)
    for i in range(6):
        example = make(tmp_path)[i]
        last = example["image"][-1, ..., 0]
        np.testing.assert_array_equal(example["label"], last >= 128)
        assert 0 < (last == 100).sum() <= 2
        assert len(np.unique(example["image"][0] != example["image"][-1])) == 2


def test_each_digit_is_labelled_as_itself_and_the_later_one_lies_above(tmp_path):
    tree(tmp_path)
    classes = set()
    for i in range(6):
        source = make(tmp_path, labels="digits")
        example, foreground = source[i], make(tmp_path)[i]
        layers, which = source._draw(i)
        want = np.zeros((64, 64), np.uint8)
        want[layers[0, -1] >= 128] = which[0] + 1
        want[layers[1, -1] >= 128] = which[1] + 1
        np.testing.assert_array_equal(example["label"], want)
        np.testing.assert_array_equal(example["label"] > 0, foreground["label"])
        np.testing.assert_array_equal(example["image"], foreground["image"])
        for digit in which:  # a square of digit + 2, unless another is above it
            assert (layers[list(which).index(digit), -1] == 200).sum() in (
                (digit + 2) ** 2,
                (digit + 12) ** 2,
            )
        classes |= set(np.unique(example["label"]))
    assert len(classes) > 4 and source.info.class_names[1] == "digit 0"


def test_splits_share_no_motion(tmp_path):
    tree(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(
        idx(np.full((20, 28, 28), 200, np.uint8))
    )
    first = [make(tmp_path, split)[0]["image"] for split in moving_mnist.SPLITS]
    assert all(
        (a != b).any() for a, b in zip(first, first[1:] + first[:1], strict=True)
    )


@pytest.mark.parametrize("groups", [("t10k",), ("train", "t10k")])
def test_splits_share_no_digit(groups, tmp_path):
    tree(tmp_path, groups, count=24)
    found = {s: make(tmp_path, s) for s in moving_mnist.SPLITS}
    drawn = {s: (x.images_file, x.digits) for s, x in found.items()}
    t10k, train = (
        str(tmp_path / f"{g}-images-idx3-ubyte.gz") for g in ("t10k", "train")
    )
    assert drawn == (
        {"train": (t10k, (0, 19)), "val": (t10k, (19, 22)), "test": (t10k, (22, 24))}
        if len(groups) == 1
        else {
            "train": (train, (0, 22)),
            "val": (train, (22, 24)),
            "test": (t10k, (0, 24)),
        }
    )


def test_a_clip_is_a_pure_function_of_seed_split_and_number(tmp_path):
    tree(tmp_path)
    source = make(tmp_path)
    copy = pickle.loads(pickle.dumps(source))
    assert copy == source and len(pickle.dumps(source)) < 5000
    np.testing.assert_array_equal(copy[3]["image"], source[3]["image"])
    longer = make(tmp_path, frames=20, num_train=9)
    np.testing.assert_array_equal(longer[3]["image"][:10], source[3]["image"])
    for other in (make(tmp_path, seed=1), make(tmp_path, "val"), longer):
        assert (other[0]["image"][:10] != source[0]["image"]).any() or other is longer
        assert other.fingerprint() != source.fingerprint()
    assert make(tmp_path).fingerprint() == source.fingerprint()
    with pytest.raises(IndexError):
        source[6]


def test_a_point_goes_straight_and_turns_at_the_walls():
    for seed in range(20):
        places = moving_mnist.bounce(np.random.default_rng(seed), 60)
        assert places.min() >= 0 and places.max() <= 1
        steps = np.diff(places, axis=0)
        lengths = np.hypot(*steps.T)
        free = (places[1:].min(axis=1) > 0) & (places[1:].max(axis=1) < 1)
        np.testing.assert_allclose(lengths[free & np.roll(free, 1)], 0.1)
        assert (lengths <= 0.1 + 1e-9).all()
        speed = np.abs(steps[free & np.roll(free, 1)])
        np.testing.assert_allclose(speed, np.broadcast_to(speed[:1], speed.shape))
        assert ((steps.min(axis=0) < 0) & (steps.max(axis=0) > 0)).any()  # it turned


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x1f\x8bxx", "is no IDX file of bytes"),
        (b"\0\0", "is no IDX file of bytes"),
        (struct.pack(">HBBI", 0, 13, 1, 2) + bytes(8), "it starts"),
        (struct.pack(">HBBI", 0, 8, 1, 5) + bytes(4), "is no IDX file of bytes"),
        (idx(np.zeros(3, np.uint8)), r"holds \(20, 28, 28\) and the labels 3"),
    ],
    ids=["gzip", "short", "kind", "length", "count"],
)
def test_damaged_files_are_refused(content, message, tmp_path):
    tree(tmp_path, packed=False)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(content)
    with pytest.raises(UserError, match=message):
        make(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 0}, r"data\.frames=0: must be 1 or more"),
        ({"num_digits": 0, "num_val": -1}, r"(?s)num_val=-1.*num_digits=0"),
        ({"split": "all"}, "no split 'all'"),
    ],
    ids=str,
)
def test_what_is_out_of_range_is_refused(options, message, tmp_path):
    tree(tmp_path)
    with pytest.raises(UserError, match=message):
        make(tmp_path, **options)


def test_missing_files_are_named(tmp_path):
    tree(tmp_path, ("train",))
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UserError, match=r"has no train-labels-idx1-ubyte\.gz"):
        make(tmp_path)
    with pytest.raises(UserError) as error:
        make(tmp_path, "test")
    assert len(error.value.problems) == 2


def test_real_moving_mnist():
    source = make(real("mnist"), "test", labels="digits", num_test=50)
    assert source.digits == (9000, 10_000)
    survey = check.run(source)
    assert min(survey.class_images) > 0
    assert 0.03 < 1 - survey.class_pixels[0] / (50 * 64 * 64) < 0.08
