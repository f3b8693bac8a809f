"""Which pictures and videos inputs stand for, and what their results are called."""

import os
import unicodedata

import pytest
from PIL import Image

from segjax.predict import inputs


@pytest.fixture
def make(tmp_path):
    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        return tmp_path

    return make


AVI = b"RIFF\0\0\0\0AVI LIST"


def names(*given, **options):
    found = inputs.find(given, **options)
    assert not found.problems
    return [p.name for p in (*found.pictures, *found.videos)]


@pytest.mark.parametrize(
    ("there", "given", "expected"),
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
        (["a.png", "b.txt", "x/c.jpg"], ["*"], ["a", "x/c"]),
        (["a.png", "x/c.jpg", "x/y/d.jpg"], ["**/*.jpg"], ["x/c", "x/y/d"]),
        (["a.png", "x/c.jpg", "b.txt"], ["**"], ["a", "x/c"]),
        (["x/1.png", "y/1.png", "z/1.png"], ["[xy]/?.png"], ["x/1", "y/1"]),
        (["a.dat", "b.dat"], ["*.dat"], ["a", "b"]),
        (["[1].png", "1.png"], ["[1].png"], ["[1]"]),  # a name, not a pattern
    ],
)
def test_names(there, given, expected, make):
    root = make(*there)
    found = names(*(root / i for i in given))
    assert found == expected
    assert len({n.casefold() for n in found}) == len(found)


def test_results_in_a_folder_of_inputs_are_left_out(make):
    root = make("a.png", "out/a_ids.png", "deep/out/b.png")
    assert names(root, leave_out=root / "out") == ["a", "deep/out/b"]


def test_a_pattern_leaves_results_out(make):
    root = make("a.png", "out/a_ids.png", "deep/b.png")
    found = names(root / "**" / "*.png", leave_out=root / "out")
    assert found == ["a", "deep/b"]


def test_all_wrong_inputs_are_told_and_the_others_found(make):
    root = make("empty/notes.txt", "a.png")
    wrong = ["empty", "nowhere", "no.png", "*.gif"]
    found = inputs.find([root / name for name in (*wrong, "a.png")])
    assert [p.name for p in found.pictures] == ["a"]
    assert list(found.problems) == [root / name for name in wrong]
    assert "holds no picture" in found.problems[root / "empty"]
    assert "nothing matches" in found.problems[root / "*.gif"]
    assert "no such file" in found.problems[root / "no.png"]


def test_names_that_differ_in_their_accents_alone(make):
    both = [unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")]
    root = make(*both)
    found = names(root)
    assert len({unicodedata.normalize("NFC", n) for n in found}) == 2


def test_links_that_lead_nowhere_or_round_in_circles(make):
    root = make("a.png")
    os.symlink(root / "gone", root / "b.png")
    os.symlink(root / "c.png", root / "c.png")
    assert names(root) == ["a", "b", "c"]  # and reading them says what is wrong
    os.mkfifo(root / "d.png")
    assert names(root) == ["a", "b", "c", "d"]


def test_videos_are_known_by_their_content(tmp_path):
    for name in ("a.mp4", "odd", "pretends.png"):
        (tmp_path / name).write_bytes(AVI)
    (tmp_path / "broken.mov").write_bytes(b"no video")
    Image.new("RGB", (3, 2)).save(tmp_path / "still.mp4", "PNG")
    Image.new("RGB", (3, 2)).save(tmp_path / "b.png")
    found = inputs.find([tmp_path, tmp_path / "odd"])
    assert [p.name for p in found.pictures] == ["b", "still"]
    assert [v.name for v in found.videos] == ["a", "broken", "pretends", "odd"]
    assert all(v.frames is None for v in found.videos)


@pytest.mark.parametrize("given", [".", "x", "x/*.png", "*/*.png", "x/frame_1.png"])
def test_a_sequence_is_a_folder_in_the_order_of_its_numbers(given, make):
    root = make("x/frame_10.png", "x/frame_2.png", "x/frame_1.png", "x/frame_1.jpg")
    (found,) = inputs.find([root / given], sequence=True).videos
    assert (found.name, found.path.name) == ("x", "x")
    frames = [frame.path.name for frame in found.frames]
    everything = ["frame_1.jpg", "frame_1.png", "frame_2.png", "frame_10.png"]
    if given.endswith("1.png"):
        assert frames == ["frame_1.png"]
    else:
        assert frames == [
            n for n in everything if given in (".", "x") or "jpg" not in n
        ]
    shown = {frame.path.name: frame.name for frame in found.frames}
    assert shown["frame_1.png"] == ("frame_1" if len(shown) < 4 else "frame_1.png")


def test_sequences_have_names_of_their_own(make):
    root = make("a/v1.2/0.png", "b/v1.2/0.png", "0.png")
    found = inputs.find([root], sequence=True)
    assert not found.pictures
    assert [v.name for v in found.videos] == [root.name, "a/v1.2", "b/v1.2"]
    found = inputs.find([root / "a/v1.2", root / "b/v1.2"], sequence=True)
    assert [v.name for v in found.videos] == ["a/v1.2", "b/v1.2"]


def test_the_natural_order():
    mixed = ["b1", "a10b1", "a2b10", "a2b9", "A1", "a", "007", "7", "08"]
    expected = ["007", "7", "08", "a", "A1", "a2b9", "a2b10", "a10b1", "b1"]
    assert sorted(mixed, key=inputs.natural) == expected
