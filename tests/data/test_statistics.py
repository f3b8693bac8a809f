"""Mean and deviation of a split's pixels: numpy's, whoever counts in which order."""

import dataclasses
import fractions
import os

import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.data import remembered, statistics
from segjax.data.datasets import camvid, folder
from segjax.data.statistics import Statistics
from tests.data.pairs import Memory, image, mask, write


def truth(images) -> Statistics:
    """numpy in float64, over all pixels at once."""
    pixels = np.concatenate([i.reshape(-1, i.shape[-1]) for i in images]) / 255
    return Statistics(tuple(pixels.mean(0)), tuple(pixels.std(0)))


def close(a: Statistics, b: Statistics):
    np.testing.assert_allclose((a.mean, a.std), (b.mean, b.std), rtol=1e-12)


def test_numpy_agrees():
    found = statistics.measure(Memory(7))
    close(found, truth([image(k) for k in range(7)]))
    assert all(type(x) is float for x in (*found.mean, *found.std))


def test_by_hand():
    """Values 0 and 255 once each, and 51 four times: exact tenths of 255."""
    counts = np.zeros((2, 256), np.int64)
    counts[0, [0, 255]] = 1
    counts[1, [51, 102]] = 4
    found = statistics.from_counts(counts)
    assert found.mean == (0.5, 0.3)
    assert found.std == (0.5, 0.1)


def test_counts_beyond_what_floats_hold():
    """A sum of squares above 2**53 that differs in its last place."""
    counts = np.zeros((1, 256), np.int64)
    counts[0, 254], counts[0, 255] = 10**12, 1
    (std,) = statistics.from_counts(counts).std
    n = 10**12 + 1
    exact = fractions.Fraction(10**12, n * n * 255**2)
    assert abs(std / float(exact) ** 0.5 - 1) < 1e-15


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_order_and_threads_move_no_digit(threads):
    class Backwards(Memory):
        def __getitem__(self, i):
            return super().__getitem__(len(self) - 1 - i)

    want = statistics.measure(Memory(9), threads=1)
    assert statistics.measure(Memory(9), threads=threads) == want
    assert statistics.measure(Backwards(9), threads=threads) == want


def test_images_weigh_by_their_pixels():
    class Sizes(Memory):
        def __getitem__(self, i):
            return {"image": image(i, (3 + i, 5))}

    close(statistics.measure(Sizes(4)), truth([image(k, (3 + k, 5)) for k in range(4)]))


def test_frames_of_clips_count():
    class Clips(Memory):
        def __getitem__(self, i):
            return {"image": np.stack([image(i), image(i + 10)])}

    both = [image(k) for k in (0, 1, 2, 10, 11, 12)]
    close(statistics.measure(Clips(3)), truth(both))


def tree(root, count=3):
    for k in range(count):
        write(root / "images" / f"{k}.png", image(k))
        write(root / "masks" / f"{k}.png", mask(k))
    return lambda: folder.make("all", str(root), classes=("a", "b"))


def test_the_result_is_remembered_until_a_file_changes(tmp_path, monkeypatch):
    make, cache = tree(tmp_path / "data"), tmp_path / "cache"
    first = statistics.measure(make(), cache)
    passes = []
    counts = statistics._total
    monkeypatch.setattr(statistics, "_total", lambda *a: passes.append(1) or counts(*a))
    assert statistics.measure(make(), cache) == first  # digit for digit
    assert not passes
    write(tmp_path / "data" / "images" / "0.png", image(99))
    changed = statistics.measure(make(), cache)
    assert changed != first
    assert len(passes) == 1
    for file in cache.iterdir():
        file.write_text("[1")  # a damaged memory is no memory
    assert statistics.measure(make(), cache) == changed
    assert len(passes) == 2


def test_progress_is_told():
    seen = []
    statistics.measure(Memory(3), progress=lambda *args: seen.append(args))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_every_bad_image_is_named(tmp_path):
    make = tree(tmp_path, 4)
    (tmp_path / "images" / "1.png").write_bytes(b"")
    path = tmp_path / "images" / "2.png"
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(UserError) as error:
        statistics.measure(make())
    assert len(error.value.problems) == 2
    assert "1.png: is empty" in error.value.problems[0]
    assert "2.png: is damaged" in error.value.problems[1]


def test_long_lists_are_cut():
    class Wrong(Memory):
        def __getitem__(self, i):
            raise UserError(f"n{i}: is bad.")

    with pytest.raises(UserError) as error:
        statistics.measure(Wrong(30))
    assert len(error.value.problems) == statistics.SHOWN + 1
    assert "and 10 more problems" in error.value.problems[-1]


def test_nothing_to_measure():
    with pytest.raises(UserError, match="is empty"):
        statistics.measure(Memory(0))

    class Plain(Memory):
        def __getitem__(self, i):
            return {"image": np.full((4, 5, 3), 9, np.uint8)}

    with pytest.raises(UserError, match="cannot be divided by"):
        statistics.measure(Plain(2))


def test_remembered_survives_what_is_not_its_own(tmp_path):
    path = tmp_path / "deep" / "a.json"
    assert remembered.read(path.parent, "a.json") is None
    remembered.write(path.parent, "a.json", {"mean": (0.1, 1 / 3)})
    assert remembered.read(path.parent, "a.json") == {"mean": [0.1, 1 / 3]}
    path.write_text("[]")
    assert remembered.read(path.parent, "a.json") is None
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]


def test_camvid_by_numpy():
    root = os.path.join(os.environ.get("SEGJAX_DATA", "../shared/data"), "camvid")
    if not os.path.isdir(root):
        pytest.skip(f"{root}: no CamVid here; set SEGJAX_DATA to a folder with camvid/")
    source = camvid.make("val", root)
    source = dataclasses.replace(source, pairs=source.pairs[:10])
    found, want = (
        statistics.measure(source),
        truth([source[i]["image"] for i in range(len(source))]),
    )
    np.testing.assert_allclose(found.mean, want.mean, rtol=1e-9)  # numpy's sums are off
    np.testing.assert_allclose(found.std, want.std, rtol=1e-9)
