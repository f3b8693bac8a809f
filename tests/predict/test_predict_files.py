"""Which pictures inputs stand for, what their results are called, what may wait."""

import functools
import threading

import numpy as np
import pytest
from PIL import Image

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL
from segjax.models.segmenter import Segmenter
from segjax.predict import files, whole


@pytest.fixture
def make(tmp_path):
    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        return tmp_path

    return make


def names(*inputs, **options):
    return [p.name for p in files.find(inputs, **options)]


@pytest.mark.parametrize(
    ("there", "inputs", "expected"),
    [
        (["b.png", "a.JPG", "x/c.tif"], ["."], ["a", "b", "x/c"]),
        (["a.png", "a.jpg"], ["."], ["a.jpg", "a.png"]),
        (["a.png", "A.jpg"], ["."], ["A.jpg", "a.png"]),  # one file on some disks
        (["x/a.png", "y/a.png"], ["."], ["x/a", "y/a"]),
        (["x/a.png", "y/a.png"], ["x/a.png", "y/a.png"], ["x/a.png", "y/a.png"]),
        (["x/a.png", "y/a.png"], ["x", "y"], ["x/a.png", "y/a.png"]),
        (["p/x/a.png", "q/x/a.png"], ["p/x", "q/x"], ["x/a.png", "x/a.png-2"]),
        (["a.png", "b.png"], ["a.png", ".", "b.png"], ["a", "b"]),  # each once
        (["odd.dat"], ["odd.dat"], ["odd"]),
        ([".hidden.png", "._a.png", ".x/b.png", "a.png"], ["."], ["a"]),
        (["a.b.png", "a.png"], ["."], ["a.b", "a"]),
    ],
)
def test_names(there, inputs, expected, make):
    root = make(*there)
    found = names(*(root / i for i in inputs))
    assert found == expected
    assert len({n.casefold() for n in found}) == len(found)


def test_results_in_a_folder_of_inputs_are_left_out(make):
    root = make("a.png", "out/a_ids.png", "deep/out/b.png")
    assert names(root, leave_out=root / "out") == ["a", "deep/out/b"]


def test_all_wrong_inputs_are_told(make):
    root = make("empty/notes.txt")
    with pytest.raises(UserError) as error:
        names(root / "empty", root / "nowhere", root / "no.png")
    assert len(error.value.problems) == 3


def test_examples_go_on_after_a_bad_file(tmp_path):
    for name in ("a.png", "c.png"):
        Image.new("RGB", (6, 4), (1, 2, 3)).save(tmp_path / name)
    (tmp_path / "b.png").write_bytes(b"bad")
    failed = {}
    pictures = files.find([tmp_path])
    found = list(files.examples(pictures, (), failed.__setitem__))
    assert [int(e[INDEX]) for e in found] == [0, 2]
    assert all((e[LABEL] == IGNORE).all() for e in found)
    assert found[0][IMAGE].shape == (4, 6, 3)
    assert list(failed) == [1] and "b.png" in str(failed[1])


def test_ahead_is_map_and_waits_for_its_taker():
    begun, gate = [], threading.Event()

    def work(i):
        begun.append(i)
        gate.wait(5)
        return i * i

    stream = files.ahead(work, iter(range(100)), threads=2)
    gate.set()
    assert next(stream) == 0
    assert len(begun) <= 5
    assert list(stream) == [i * i for i in range(1, 100)]


def test_ahead_lets_errors_through():
    def work(i):
        if i == 3:
            raise UserError("three.")
        return i

    with pytest.raises(UserError):
        list(files.ahead(work, range(10), threads=2))


def test_few_examples_wait_when_all_sizes_differ():
    begun = 0

    def stream():
        nonlocal begun
        for i in range(40):
            begun += 1
            size = 4 * (i + 1), 4
            label = np.zeros(size, np.uint8)
            yield {IMAGE: np.zeros((*size, 3), np.uint8), LABEL: label, INDEX: i}

    taken = []
    fit = functools.partial(whole.fit, model=Segmenter())
    for batch in whole.batches(stream(), fit, batch_size=2):
        taken += batch[INDEX][: len(batch["sizes"])].tolist()
        assert begun - len(taken) < whole.WAITING * 2
    assert taken == list(range(40))
