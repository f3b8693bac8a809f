"""One pass finds every problem, counts every pixel, and is paid once."""

import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.data import check
from segjax.data.datasets import folder
from tests.data.pairs import Memory, image, mask, write

TWO = ("background", "road")


def tree(root, count=4, values=(0, 1)):
    for k in range(count):
        write(root / "images" / f"{k}.png", image(k))
        write(root / "masks" / f"{k}.png", mask(k, values))
    return lambda **kwargs: folder.make("all", str(root), **{"classes": TWO} | kwargs)


def test_counts(tmp_path):
    source = tree(tmp_path, values=(0, 1, 9))(ignore=(9,))
    seen = []
    survey = check.run(source, progress=lambda *args: seen.append(args))
    raw = np.stack([mask(k, (0, 1, 9)) for k in range(4)])
    np.testing.assert_array_equal(
        survey.pixel_counts(), [(raw == 0).sum(), (raw == 1).sum()]
    )
    assert survey.pixel_counts().dtype == np.int64
    assert survey.ignored_pixels == (raw == 9).sum()
    assert survey.class_images == (4, 4)
    assert survey.sizes == ((8, 12, 4),)
    assert seen == [(k, 4) for k in (1, 2, 3, 4)]


def test_every_problem_at_once(tmp_path):
    make = tree(tmp_path, 6)
    write(tmp_path / "masks" / "0.png", mask(0, (0, 77)))
    write(tmp_path / "masks" / "1.png", mask(0, size=(8, 11)))
    (tmp_path / "masks" / "2.png").write_bytes(b"")
    (tmp_path / "images" / "3.png").write_bytes(b"<html>")
    path = tmp_path / "images" / "4.png"
    path.write_bytes(path.read_bytes()[:150])  # damaged pixels behind a good head
    with pytest.raises(UserError) as error:
        check.run(make(), images=True)
    expected = (
        "has id 77",
        "mask is 8x11",
        "is empty",
        "is not a picture",
        "is damaged",
    )
    assert len(error.value.problems) == 5
    for problem, part in zip(error.value.problems, expected, strict=True):
        assert part in problem
    assert len(check.examine(make()).problems) == 4  # heads of images alone


def test_long_lists_are_cut(tmp_path):
    make = tree(tmp_path, 25, (0, 77))
    with pytest.raises(UserError) as error:
        check.run(make())
    assert len(error.value.problems) == check.SHOWN + 1
    assert "and 5 more problems in 25 examples" in error.value.problems[-1]


def test_the_result_is_remembered_until_a_file_changes(tmp_path, monkeypatch):
    make = tree(tmp_path / "data")
    cache = tmp_path / "cache"
    first = check.run(make(), cache)
    passes = []
    survey = check._survey
    monkeypatch.setattr(check, "_survey", lambda *a: passes.append(1) or survey(*a))
    assert check.run(make(), cache) == first
    assert not passes
    write(tmp_path / "data" / "masks" / "0.png", mask(9, (0, 1, 1, 1)))
    assert check.run(make(), cache) != first
    assert len(passes) == 1
    for file in cache.iterdir():
        file.write_text("{")  # a damaged memory is no memory
    check.run(make(), cache)
    assert len(passes) == 2


def test_black_and_white_masks_with_white_ignored(tmp_path):
    source = tree(tmp_path, values=(0, 255))(ignore=(255,))
    with pytest.raises(UserError, match="set values=\\(0, 255\\)"):
        check.run(source)


def test_everything_ignored(tmp_path):
    source = tree(tmp_path, values=(9,))(ignore=(9,))
    with pytest.raises(UserError, match="every pixel is ignored"):
        check.run(source)


def test_a_source_without_files():
    survey = check.run(Memory(5))
    assert sum(survey.class_pixels) == 5 * 8 * 12
    with pytest.raises(UserError, match="pixels: are bad"):
        check.run(Memory(5, bad=3))


def test_ids_beyond_the_classes_of_a_source_without_files():
    class Wrong(Memory):
        def __getitem__(self, i):
            return {"image": image(i), "label": mask(i, (0, 3))}

    with pytest.raises(UserError, match=r"n0: label has ids \[3\]; classes are 0-2"):
        check.run(Wrong(1))
