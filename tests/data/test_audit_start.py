"""The audit at the start of a run: verdicts, memory, depths, counts."""

import json
import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image

from segjax.core import cache
from segjax.core.errors import EnvironmentFault, UserError
from segjax.data import audit, check, datasets, remembered
from segjax.data.audit import start
from tests.data.pairs import Memory, image, mask, write

OPTIONS = {"classes": ("land", "sea"), "lists": "{split}.txt"}


@pytest.fixture
def root(tmp_path):
    """Six pairs, four to train on and two to validate."""
    for i in range(6):
        write(tmp_path / f"images/{i}.png", image(i, (20, 30)))
        write(tmp_path / f"masks/{i}.png", mask(i, (0, 1), (20, 30)))
    (tmp_path / "train.txt").write_text("0\n1\n2\n3\n")
    (tmp_path / "val.txt").write_text("4\n5\n")
    return tmp_path


def both(root, **options):
    options = {"root": str(root), **OPTIONS, **options}
    return [datasets.make("folder", split, **options) for split in ("train", "val")]


def spoil_id(root):
    write(root / "masks/4.png", mask(4, (0, 7), (20, 30)))


def spoil_size(root):
    write(root / "masks/0.png", mask(0, (0, 1), (20, 29)))


def spoil_pixels(root):
    path = root / "images/1.png"
    path.write_bytes(path.read_bytes()[:300])


def leak(root):
    shutil.copy(root / "images/0.png", root / "images/4.png")


def rename(root):
    Image.open(root / "images/2.png").save(root / "images/2.png", "WEBP")


def turn(root):
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.open(root / "images/3.png").save(root / "images/3.png", "PNG", exif=exif)


def test_a_clean_set_says_nothing(root):
    found = start.run(both(root))
    assert (found.audit.findings, found.lines) == ((), ())
    assert found.audit.examples == {"train": 4, "val": 2}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_id, r"masks/4\.png: mask has id 7"),
        (spoil_size, r"masks/0\.png: mask is 20x29 and its image images/0\.png is 20x"),
        (spoil_pixels, r"images/1\.png: is damaged"),
        (leak, r"images/0\.png \(train\), images/4\.png \(val\): equal content"),
    ],
)
def test_what_must_be_corrected_stops_the_run(root, spoil, words):
    spoil(root)
    with pytest.raises(UserError, match=words) as caught:
        start.run(both(root))
    assert len(caught.value.problems) == 1  # and none is said twice


def test_all_problems_come_at_once_and_long_lists_are_cut(root, monkeypatch):
    spoil_id(root), spoil_size(root), leak(root)
    with pytest.raises(UserError) as caught:
        start.run(both(root))
    assert len(caught.value.problems) == 3
    monkeypatch.setattr(start, "SHOWN", 2)
    with pytest.raises(UserError, match="and 1 more problems; `segjax inspect data"):
        start.run(both(root))


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (rename, "warn: 1 wrong_suffix (content of another format than the suffix"),
        (turn, "fix: 1 orientation (image with an EXIF orientation): images/3.png"),
    ],
)
def test_the_rest_is_one_line_a_kind(root, spoil, line):
    spoil(root)
    first, last = start.run(both(root)).lines
    assert first.startswith(line)
    assert last == "`segjax inspect data --config=...` shows all."


def test_many_findings_of_a_kind_name_two_files(root):
    for i in range(6):
        write(root / f"masks/{i}.png", np.ones((20, 30), np.uint8))
    lines = [k for k in start.run(both(root)).lines if "single_class" in k]
    assert lines[0].startswith("warn: 6 single_class (")
    assert lines[0].endswith("masks/0.png, masks/1.png, ...")


def test_a_leak_may_be_declared(root):
    leak(root)
    found = start.run(both(root), leaks="warn")
    assert found.lines[0].startswith("warn: 1 duplicate_across (")


@pytest.fixture
def looks(monkeypatch):
    """The pairs that are looked at."""
    seen, look = [], audit.pairs.look

    def watched(pair, *rest):
        seen.append(pair.name)
        return look(pair, *rest)

    monkeypatch.setattr(audit.pairs, "look", watched)
    return seen


def test_a_second_start_looks_at_nothing(root, tmp_path, looks):
    own, others = tmp_path / "run", tmp_path / "shared"
    first = start.run(both(root), cache=(own, others))
    assert len(looks) == 6
    assert start.run(both(root), cache=(own, others)) == first
    assert start.run(both(root), cache=(tmp_path / "new", others)) == first
    assert start.run(both(root), cache=tmp_path / "new") == first  # it was told
    moved = pathlib.Path(shutil.copytree(root, tmp_path.with_name("moved")))
    assert start.run(both(moved), cache=own).audit.root == str(moved)
    assert len(looks) == 6


@pytest.mark.parametrize(
    "change",
    [
        lambda root: write(root / "masks/5.png", mask(9, (0, 1), (20, 30))),
        lambda root: (root / "val.txt").write_text("5\n"),
        lambda root: {"values": (1, 0)},
        lambda root: {"depth": "masks"},
    ],
)
def test_what_changes_the_answer_is_looked_at_again(root, tmp_path, looks, change):
    start.run(both(root), cache=tmp_path / "cache")
    done, changed = len(looks), change(root)
    options = changed if isinstance(changed, dict) else {}
    depth = {k: options.pop(k) for k in list(options) if k == "depth"}
    start.run(both(root, **options), cache=tmp_path / "cache", **depth)
    assert len(looks) > done


def test_a_new_version_of_the_audit_looks_again(root, tmp_path, looks, monkeypatch):
    start.run(both(root), cache=tmp_path / "cache")
    monkeypatch.setattr(audit, "VERSION", audit.VERSION + 1)
    start.run(both(root), cache=tmp_path / "cache")
    assert len(looks) == 12


def test_a_damaged_memory_is_none(root, tmp_path, looks):
    first = start.run(both(root), cache=tmp_path / "cache")
    [path] = (tmp_path / "cache").iterdir()
    for text in ("{", json.dumps({"audit": {"findings": 3}, "surveys": [{}, {}]})):
        path.write_text(text)
        assert start.run(both(root), cache=tmp_path / "cache") == first
    assert len(looks) == 18


def test_off_still_refuses_what_cannot_be_trained_on(root):
    leak(root)
    rename(root)
    found = start.run(both(root), depth="off")
    assert (found.audit, found.lines) == (None, ())
    spoil_id(root)
    spoil_size(root)
    with pytest.raises(UserError) as caught:
        start.run(both(root), depth="off")
    assert len(caught.value.problems) == 2  # one of either split


def test_masks_alone_decode_no_image(root, monkeypatch):
    rename(root)
    turn(root)
    full = start.run(both(root))
    monkeypatch.setattr(audit.files.decode, "decode_image", None)
    found = start.run(both(root), depth="masks")
    assert found.surveys == full.surveys
    assert {"wrong_suffix", "orientation"} == set(found.audit.counts())
    monkeypatch.undo()
    spoil_pixels(root)
    start.run(both(root), depth="masks")  # behind a good head
    leak(root)
    with pytest.raises(UserError, match="equal content"):
        start.run(both(root), depth="masks")


@pytest.mark.parametrize(
    ("limit", "words"),
    [({"LARGEST": 5}, "6 images, more than 5"), ({"PIXELS": 3599}, "gigapixels")],
)
def test_large_sets_say_that_they_take_the_lighter_depth(
    root, monkeypatch, limit, words
):
    for name, value in limit.items():
        monkeypatch.setattr(start, name, value)
    [line] = start.run(both(root)).lines
    assert words in line and "only masks and heads of images" in line


def test_the_counts_are_those_of_the_plain_pass(root):
    for options in ({}, {"values": (1, 0)}, {"values": (0, 2), "ignore": (1,)}):
        write(root / "masks/1.png", np.zeros((20, 30), np.uint8))
        sources = both(root, **options)
        surveys = start.run(sources).surveys
        assert list(surveys) == [check.examine(source) for source in sources]
        assert surveys[0].class_images[0] > 0


def test_masks_that_hold_one_class_by_a_wrong_rule_are_refused(root):
    for i in range(6):
        write(root / f"masks/{i}.png", mask(i, (0, 255), (20, 30)))
    with pytest.raises(UserError, match=r"set values=\(0, 255\)"):
        start.run(both(root, ignore=(255,)))


def test_a_source_without_files_is_surveyed():
    found = start.run([Memory(5), Memory(6)])
    assert found.audit is None
    assert [sum(s.class_pixels) for s in found.surveys] == [5 * 96, 6 * 96]
    with pytest.raises(UserError, match="pixels: are bad"):
        start.run([Memory(3), Memory(4, bad=3)])


def test_frames_without_a_label(root):
    train, val = both(root)
    name, path, _ = val.pairs[0]
    object.__setattr__(val, "pairs", ((name, path, ""), val.pairs[1]))
    found = start.run([train, val])
    assert found.surveys[1] == check.examine(val)
    assert found.surveys[1].ignored_pixels == 20 * 30


def test_one_split_for_both_is_no_leak(root):
    train, _ = both(root)
    found = start.run([train, train])
    assert found.lines == () and found.surveys[0] == found.surveys[1]


def test_the_shared_folder(monkeypatch):
    monkeypatch.setenv("SEGJAX_CACHE", "/a")
    assert cache.shared() == pathlib.Path(f"/a/v{cache.VERSION}")
    monkeypatch.delenv("SEGJAX_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert cache.shared().parent == pathlib.Path("/b/segjax")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.shared().parent == pathlib.Path.home() / ".cache/segjax"


def test_only_the_first_folder_must_take_it(tmp_path):
    (tmp_path / "file").write_text("")
    good, bad = tmp_path / "good", tmp_path / "file" / "under"
    remembered.write((good, bad), "a.json", {"x": 1})
    assert remembered.read(good, "a.json") == {"x": 1}
    with pytest.raises(EnvironmentFault, match="writing failed"):
        remembered.write((bad, good), "b.json", {})
    remembered.write(None, "a.json", {})
    assert remembered.read(None, "a.json") is None
