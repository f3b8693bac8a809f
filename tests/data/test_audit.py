"""The audit: planted defects of every kind, a clean set, single rules."""

import os
import pathlib
import re
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from segjax.core.errors import UserError
from segjax.data import audit
from segjax.data.audit import across, files, masks
from segjax.data.audit.findings import KINDS, VERDICTS, Finding
from segjax.data.labels import LabelMap
from tests.data import planted
from tests.data.pairs import write

EACH = 3
DOCUMENT = pathlib.Path(__file__).parents[2] / "docs/audit.md"


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A drawn set of 113 pairs without a defect."""
    root = tmp_path_factory.mktemp("drawn")
    planted.draw(root, planted.spoiled(EACH), 5)
    return root


def examine(root, **options):
    return audit.run("folder", {"root": str(root), **planted.OPTIONS, **options})


def kinds(found):
    return set(found.counts())


def test_nothing_is_found_in_a_clean_set(clean):
    found = examine(clean)
    assert found.findings == ()
    assert found.examples == {"train": planted.spoiled(EACH), "val": 5}
    assert not found.refused()


@pytest.fixture(scope="module")
def spoiled(clean, tmp_path_factory):
    """`(expected, audit)` of the same set with every kind of defect."""
    root = tmp_path_factory.mktemp("spoiled") / "set"
    shutil.copytree(clean, root)
    expected = planted.plant(root, EACH)
    return expected, examine(root)


@pytest.mark.parametrize("kind", planted.DEFECTS)
def test_every_planted_defect_is_found(kind, spoiled):
    expected, found = spoiled
    assert len(expected[kind]) == EACH
    assert not planted.misses({kind: expected[kind]}, found.findings)


def test_no_other_file_is_blamed(spoiled):
    _, found = spoiled
    assert not planted.alarms(EACH, found.findings)
    assert found.refused()
    order = [VERDICTS.index(f.verdict) for f in found.findings]
    assert order == sorted(order)


def test_every_kind_is_planted_here_or_tested_below():
    others = {"listed_missing", "unused_file", "unpaired", "undeclared_colour"}
    others |= {"palettes_differ", "unused_class", "unseen_class", "imbalance"}
    others |= {"group_across"}
    assert planted.DEFECTS.keys() | others == KINDS.keys()


def flat(tmp_path, count=4, **options):
    """`count` scenes in `images/` and `masks/` without splits."""
    for i in range(count):
        image, mask = planted.scene(i)
        write(tmp_path / f"images/n{i}.png", image)
        write(tmp_path / f"masks/n{i}.png", mask)
    return {"root": str(tmp_path), **planted.OPTIONS, **options}


def test_lists_that_name_too_much_and_too_little(tmp_path):
    options = flat(tmp_path)
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits/train.txt").write_text("n0\nn1\nn9\n")
    (tmp_path / "splits/val.txt").write_text("n2\n")
    found = audit.run("folder", options)
    blamed = {f.files for f in found.findings if f.kind == "listed_missing"}
    assert blamed == {("n9",)}
    blamed = {f.files for f in found.findings if f.kind == "unused_file"}
    assert blamed == {("images/n3.png",), ("masks/n3.png",)}
    assert "test" in found.left_out
    assert "unused_file" not in kinds(audit.run("folder", options, "train"))


def test_an_unused_file_in_disguise_is_named(tmp_path):
    options = flat(tmp_path, lists="{split}.txt")
    (tmp_path / "train.txt").write_text("n0\nn1\nn2\n")
    path = tmp_path / "images/n3.png"
    Image.open(path).convert("P").save(path, "GIF")
    [message] = [
        f.message
        for f in audit.run("folder", options).findings
        if f.files == ("images/n3.png",)
    ]
    assert message.endswith("it is a GIF file.")


def test_colours_that_no_class_has(tmp_path):
    options = flat(tmp_path, 1, classes=("a", "b"), ignore=(), by_colour=True)
    options |= {"colours": ((0, 0, 0), (9, 9, 9))}
    found = audit.run("folder", options, "all")
    assert "undeclared_colour" in kinds(found)


def test_an_index_with_another_colour_than_elsewhere(tmp_path):
    options = flat(tmp_path, 5)
    for i in range(5):
        picture = Image.open(tmp_path / f"masks/n{i}.png")
        indices = Image.fromarray(np.array(picture), "P")
        table = np.arange(768).astype(np.uint8)
        indices.putpalette((table[::-1] if i == 3 else table).tobytes())
        indices.save(tmp_path / f"masks/n{i}.png")
    found = audit.run("folder", options, "all")
    blamed = [f.files for f in found.findings if f.kind == "palettes_differ"]
    assert blamed == [("images/n3.png", "masks/n3.png")]


def test_classes_that_are_absent_or_rare(tmp_path):
    def split_of(name, ids):
        mask = np.zeros((200, 200), np.uint8)
        mask.flat[: len(ids)] = ids
        image = planted.scene(len(ids), (200, 200))[0]
        write(tmp_path / f"{name}/images/{name}.png", image)
        write(tmp_path / f"{name}/masks/{name}.png", mask)

    split_of("train", [1, 1, 1])
    split_of("val", [2] * 200)
    options = {"root": str(tmp_path), "classes": ("a", "b", "c", "d")}
    by_kind = {f.kind: f.message for f in audit.run("folder", options).findings}
    assert by_kind["unused_class"].endswith("train, val: d.")
    assert by_kind["unseen_class"].endswith("another split: c.")
    share = f"{100 * 3 / 80_000:.4f} %"
    assert "'b'" in by_kind["imbalance"] and share in by_kind["imbalance"]


def clip(tmp_path, name, frames, seed):
    """Frames of a picture that moves, `{name}_{number}`."""
    image, mask = planted.scene(seed, (96, 200))
    for k in range(frames):
        left = 8 * k
        write(tmp_path / f"images/{name}_{k}.png", image[:, left : left + 128])
        write(tmp_path / f"masks/{name}_{k}.png", mask[:, left : left + 128])


def test_a_clip_in_two_splits(tmp_path):
    clip(tmp_path, "a", 9, 0)
    clip(tmp_path, "b", 9, 1)
    (tmp_path / "splits").mkdir()
    names = {
        "train": [f"a_{k}" for k in range(6)] + [f"b_{k}" for k in range(9)],
        "val": [f"a_{k}" for k in (6, 7, 8)],
    }
    for split, listed in names.items():
        (tmp_path / f"splits/{split}.txt").write_text("\n".join(listed))
    options = {"root": str(tmp_path), **planted.OPTIONS}
    found = audit.run("folder", options)
    [finding] = [f for f in found.findings if f.kind == "group_across"]
    assert finding.message.startswith("a: a group in 2 splits (6 in train, 3 in val)")
    assert finding.verdict == "warn"
    assert not kinds(found) & {"near_duplicate", "near_duplicate_across"}
    declared = audit.run("folder", options, group="^(.)")
    assert [f.message for f in declared.findings if f.kind == "group_across"]


def test_unlike_pictures_with_numbers_are_no_clip(tmp_path):
    found = audit.run("folder", flat(tmp_path, 12))
    assert set(found.examples) == {"train", "val"}
    assert "group_across" not in kinds(found)


def test_a_frame_after_another_in_one_split_is_no_duplicate(tmp_path):
    options = flat(tmp_path, 3)
    image, mask = planted.scene(7, (96, 129))
    for k in (0, 1):
        write(tmp_path / f"images/f{k}.png", image[:, k : k + 128])
        write(tmp_path / f"masks/f{k}.png", mask[:, k : k + 128])
    alike = across.correlation(*(small(image[:, k : k + 128]) for k in (0, 1)))
    assert 0.96 < alike < across.SAME
    assert kinds(audit.run("folder", options, "all")) == {"unused_class"}


def test_masks_that_never_fit_tell_of_no_exchange(tmp_path):
    options = flat(tmp_path, 12)
    for i in range(12):
        write(tmp_path / f"masks/n{i}.png", planted.scene(100 + i)[1])
    assert "swapped" not in kinds(audit.run("folder", options, "all"))


def test_a_threshold_makes_soft_and_jpeg_masks_a_declared_rule(tmp_path):
    rule = {"classes": ("a", "b"), "ignore": (), "threshold": 128}
    options = flat(tmp_path, 2, **rule)
    soft = np.zeros((96, 128), np.uint8)
    soft[30:60, 40:90] = 255
    write(tmp_path / "masks/n0.png", cv2.GaussianBlur(soft, (5, 5), 0))
    (tmp_path / "masks/n1.png").unlink()
    write(tmp_path / "masks/n1.jpg", soft)
    found = audit.run("folder", options, "all")
    verdicts = {f.kind: f.verdict for f in found.findings}
    assert verdicts["soft_mask"] == verdicts["jpeg_mask"] == "fix"
    assert not found.refused()


def test_stored_masks_of_turned_photographs(tmp_path):
    """Orientation 6: the mask fits only if it is turned as the photograph is."""
    image, mask = planted.scene(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "images").mkdir()
    Image.fromarray(image).save(tmp_path / "images/a.jpg", exif=exif, quality=95)
    write(tmp_path / "masks/a.png", mask)
    options = {"root": str(tmp_path), **planted.OPTIONS}
    found = audit.run("folder", options, "all")
    [finding] = [f for f in found.findings if f.kind == "size_mismatch"]
    assert "mask_orientation" in finding.message
    stored = audit.run("folder", {**options, "mask_orientation": "stored"}, "all")
    assert kinds(stored) == {"orientation", "unused_class"}


def test_cityscapes_read_with_the_wrong_table(tmp_path):
    folder = "leftImg8bit/train/aachen", "gtFine/train/aachen"
    for i in range(2):
        image, mask = planted.scene(i)
        stem = f"aachen_00000{i}_000019"
        write(tmp_path / folder[0] / f"{stem}_leftImg8bit.png", image)
        mask = planted.TO_CITYSCAPES[mask]
        write(tmp_path / folder[1] / f"{stem}_gtFine_labelTrainIds.png", mask)
    options = {"root": str(tmp_path), "labels": "labelTrainIds"}
    found = audit.run("cityscapes", options)
    assert found.counts()["cityscapes_ids"] == 2
    os.remove(tmp_path / folder[0] / "aachen_000001_000019_leftImg8bit.png")
    found = audit.run("cityscapes", options)
    assert found.counts() == {"orphan_mask": 1, "cityscapes_ids": 1}


def test_camvid_with_files_missing_is_audited_all_the_same(tmp_path):
    for i in range(3):
        image, mask = planted.scene(i)
        write(tmp_path / f"train/c_{i}.png", image)
        write(tmp_path / f"trainannot/c_{i}.png", mask % 12)
    (tmp_path / "train.txt").write_text("train/c_0.png\ntrain/c_1.png\ntrain/c_9.png")
    os.remove(tmp_path / "trainannot/c_1.png")
    found = audit.run("camvid", {"root": str(tmp_path)})
    assert found.examples == {"train": 1}
    assert {"missing_mask", "listed_missing"} <= kinds(found)


def test_no_split_at_all_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        audit.run("camvid", {"root": str(tmp_path / "no")})
    with pytest.raises(UserError, match="not made of image and mask files"):
        audit.run("streets", {"size": (32, 32), "num_train": 1, "num_val": 1})


def test_the_same_files_are_not_looked_at_twice(tmp_path, monkeypatch):
    options = flat(tmp_path / "set")
    first = audit.run("folder", options, cache=tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr(audit.pairs, "look", None)
        assert audit.run("folder", options, cache=tmp_path / "cache") == first
    mask = tmp_path / "set/masks/n0.png"
    write(mask, np.full((96, 128), 77, np.uint8))
    again = audit.run("folder", options, cache=tmp_path / "cache")
    assert "undeclared_ids" in kinds(again)
    [file] = [p for p in (tmp_path / "cache").iterdir() if "unde" in p.read_text()]
    file.write_text("{")  # a damaged memory is no memory
    assert audit.run("folder", options, cache=tmp_path / "cache") == again


@pytest.mark.parametrize(
    ("quality", "scale", "mirrored"),
    [(75, 1, False), (90, 0.5, False), (95, 1, True), (75, 0.7, True)],
)
def test_copies_are_near_and_other_pictures_are_far(quality, scale, mirrored):
    hashes = [across.picture_hash(small(planted.scene(i)[0])) for i in range(40)]
    bits = np.unpackbits(np.stack(hashes), axis=1).astype(int)
    between = np.abs(bits[:, None] - bits[None]).sum(-1)[np.triu_indices(40, 1)]
    assert between.min() > across.BITS
    for i in range(10):
        image = planted.scene(i)[0]
        copy = cv2.resize(image, None, fx=scale, fy=scale)
        coded = cv2.imencode(".jpg", copy, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        copy = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        copy = small(copy[:, ::-1] if mirrored else copy)
        copy = copy[:, ::-1] if mirrored else copy
        far = np.bitwise_count(across.picture_hash(copy) ^ hashes[i]).sum()
        assert far <= across.BITS
        assert across.correlation(copy, small(image)) > across.ALIKE


def small(image):
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (files.SMALL, files.SMALL), interpolation=cv2.INTER_AREA)


def test_correlation_is_that_of_numpy():
    a, b = (planted.scene(i)[0][:64, :64, 0] for i in range(2))
    expected = np.corrcoef(a.ravel(), b.ravel())[0, 1]
    assert across.correlation(a, b) == pytest.approx(expected)
    assert across.correlation(a, np.full_like(a, 7)) == 0


def test_ranks_of_edges():
    flat_ground = np.zeros((96, 96, 3), np.uint8)
    assert np.unique(files.edge_ranks(flat_ground)).tolist() == [128]
    flat_ground[:, 48:] = 200
    ranks = files.edge_ranks(flat_ground)
    assert (ranks[:, 47:49] == 252).all()  # the upper 2 of 96 columns: 255 * 95 / 96
    assert (np.delete(ranks, [47, 48], 1) == 125).all()  # 255 * 47 / 96


def specks(mask):
    """The mask with nine small squares of nine values."""
    for k in range(1, 10):
        mask[5:15, 20 * k : 20 * k + 10] = 20 * k
    return mask


@pytest.mark.parametrize(
    ("change", "soft"),
    [
        (lambda m: m, False),
        (lambda m: cv2.GaussianBlur(m, (3, 3), 0), True),
        (lambda m: cv2.resize(m, None, fx=0.7, fy=0.7), True),
        (lambda m: np.where(np.indices(m.shape).sum(0) % 97 == 0, 77, m), False),
        (lambda m: specks(m), False),
    ],
)
def test_soft_edges(change, soft):
    mask = np.zeros((200, 300), np.uint8)
    cv2.circle(mask, (150, 100), 60, 255, -1)
    assert (masks.soft_edges(change(mask).astype(np.uint8)) > 0) == soft


def test_a_mask_is_read_once_and_as_stored(tmp_path):
    path = write(tmp_path / "m.png", np.array([[1, 2], [3, 3]], np.uint8))
    rule = LabelMap(((1, 0), (2, 1), (3, 255)))
    look, found = masks.look_at_mask(str(path), "m.png", rule)
    assert found == [] and look.size == (2, 2)
    assert look.counts[[0, 1, 255]].tolist() == [1, 1, 2]


def test_a_finding_takes_the_verdict_of_its_kind():
    assert Finding("damaged", (), "x").verdict == "refuse"
    assert {kind.verdict for kind in KINDS.values()} < set(VERDICTS)


def test_the_document_has_the_table_of_kinds():
    rows = [f"| `{k}` | {row.verdict} | {row.what} |" for k, row in KINDS.items()]
    text = DOCUMENT.read_text()
    assert not [row for row in rows if row not in text]
    named = re.findall(r"^\| `(\w+)` \| (?:refuse|warn|fix) \|", text, re.M)
    assert named == list(KINDS)
