"""Shards give back what was put in, in any process; damage and misuse are told."""

import json
import multiprocessing
import pickle

import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.core.keys import IMAGE, INDEX, LABEL
from segjax.data import check, datasets, pipeline, records
from segjax.data.ops.geometry import resize


def streets(split="train", **options):
    return datasets.make("streets", split, size=(40, 56), num_train=9, **options)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "SHARD_BYTES", 30_000)  # three shards
    records.write(streets(), "train", tmp_path / "made", records.Target())
    return tmp_path / "made"


@pytest.mark.parametrize("compression", records.OPTIONS)
def test_the_examples_come_back_bit_by_bit(tmp_path, compression):
    target = records.Target(compression=compression)
    written = records.write(streets(), "train", tmp_path, target)
    assert written == sum(p.stat().st_size for p in tmp_path.glob("*.array_record"))
    made, source = datasets.make("prepared", "train", root=str(tmp_path)), streets()
    assert made.info == source.info
    assert [made.name(i) for i in range(len(made))] == [
        source.name(i) for i in range(9)
    ]
    for i in range(9):
        assert made[i][INDEX] == i
        for key in (IMAGE, LABEL):
            np.testing.assert_array_equal(made[i][key], source[i][key])
            assert made[i][key].dtype == source[i][key].dtype
    assert not check.examine(made).problems


def test_many_shards_are_one_split(folder):
    assert len(list(folder.glob("train-*-of-00003.array_record"))) == 3
    made = datasets.make("prepared", "train", root=str(folder))
    np.testing.assert_array_equal(made[8][IMAGE], streets()[8][IMAGE])
    assert not list(folder.glob(".writing*"))


def _sum(source) -> int:
    return sum(int(source[i][LABEL].sum()) for i in range(len(source)))


def test_another_process_opens_its_own_files(folder):
    made = datasets.make("prepared", "train", root=str(folder))
    expected = _sum(made)
    again = pickle.loads(pickle.dumps(made))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_sum, (again,)) == expected == _sum(streets())


def test_the_pipeline_reads_it_with_workers(folder):
    made = datasets.make("prepared", "train", root=str(folder))
    taken = []
    for source, workers in ((streets(), 0), (made, 0), (made, 1)):
        stream = pipeline.train_batches(
            source, (), seed=3, batch_size=3, workers=workers
        )
        taken.append([next(stream) for _ in range(4)])
        stream.close()
    for batches in taken[1:]:
        for one, other in zip(taken[0], batches, strict=True):
            np.testing.assert_array_equal(one[IMAGE], other[IMAGE])


@pytest.mark.parametrize(
    "target, size",
    [
        (records.Target(size=(16, 24)), (16, 24)),
        (records.Target(short_side=20), (20, 28)),
    ],
)
def test_examples_are_resized_once(tmp_path, target, size):
    source = streets(frames=2)
    records.write(source, "train", tmp_path, target)
    made = datasets.make("prepared", "train", root=str(tmp_path))
    assert made[4][IMAGE].shape == (2, *size, 3)
    expected = resize(source[4][LABEL], *size, nearest=True)
    np.testing.assert_array_equal(made[4][LABEL], expected)


def test_the_fingerprint_follows_the_content(tmp_path):
    found = set()
    for k, target in enumerate((records.Target(), records.Target(short_side=20))):
        records.write(streets(), "train", tmp_path / str(k), target)
        made = datasets.make("prepared", "train", root=str(tmp_path / str(k)))
        found.add(made.fingerprint())
    records.write(streets(), "train", tmp_path / "again", records.Target())
    again = datasets.make("prepared", "train", root=str(tmp_path / "again"))
    assert len(found) == 2 and again.fingerprint() in found


def test_damage_is_told(folder):
    shard = next(folder.glob("train-00001*"))
    content = bytearray(shard.read_bytes())
    written = np.flatnonzero(np.frombuffer(bytes(content), np.uint8))  # not padding
    content[written[len(written) // 2]] ^= 0xFF
    shard.write_bytes(content)
    made = datasets.make("prepared", "train", root=str(folder))
    with pytest.raises(UserError, match="cannot be read"):
        _sum(made)
    shard.write_bytes(content[:-9])
    with pytest.raises(UserError, match="bytes were written"):
        datasets.make("prepared", "train", root=str(folder))


def test_misuse_is_told(folder):
    with pytest.raises(UserError, match="holds the split 'train' already"):
        records.write(streets(), "train", folder, records.Target())
    with pytest.raises(UserError, match="another target"):
        records.write(streets("val"), "val", folder, records.Target(short_side=8))
    with pytest.raises(UserError, match=r"no split 'val'. Known: train"):
        datasets.make("prepared", "val", root=str(folder))
    with pytest.raises(UserError, match="segjax prepare"):
        datasets.make("prepared", "train", root=str(folder / "nothing"))
    with pytest.raises(UserError, match="one of them"):
        records.Target(size=(1, 1), short_side=2)
    assert list(json.loads((folder / "prepared.json").read_text())["splits"]) == [
        "train"
    ]


def test_a_pass_that_fails_leaves_nothing(tmp_path):
    class Bad:
        info, name, fingerprint = streets().info, str, lambda self: "0"

        def __len__(self):
            return 5

        def __getitem__(self, i):
            if i == 3:
                raise UserError("bad.png: is damaged.")
            return streets()[i]

    with pytest.raises(UserError, match="is damaged"):
        records.write(Bad(), "train", tmp_path, records.Target())
    assert not list(tmp_path.iterdir())
