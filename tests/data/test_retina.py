"""Vessels of the retina: four layouts, two annotators, inside and outside the field."""

import dataclasses

import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE
from segjax.data import check, datasets, retina, splits
from segjax.data.audit import start
from tests.data.pairs import mask, real, write

SIZE = (24, 30)
Y, X = np.mgrid[: SIZE[0], : SIZE[1]]
DISC = (Y - 12) ** 2 + (X - 15) ** 2 < 100


def photograph(seed):
    """A bright disc on a nearly black ground."""
    noise = np.random.default_rng(seed).integers(0, 12, (*SIZE, 3))
    return (noise + DISC[..., None] * np.array([150, 70, 30])).astype(np.uint8)


def vessels(seed, one=255):
    return mask(seed, (0, one), SIZE)


def drive_tree(root, count=20, part="training", manual=1):
    """LZW TIFF images, GIF masks, three names an image."""
    order = ("1st", "2nd")[manual - 1]
    for k in range(21, 21 + count):
        write(
            root / f"{part}/images/{k}_{part}.tif",
            photograph(k),
            compression="tiff_lzw",
        )
        write(root / f"{part}/{order}_manual/{k}_manual{manual}.gif", vessels(k))
        write(
            root / f"{part}/mask/{k}_{part}_mask.gif",
            np.where(DISC, 255, 0).astype(np.uint8),
        )


def stare_tree(root, count=4):
    """PPM images; one annotator's masks are grey, the other's RGB."""
    for k in range(count):
        write(root / f"stare-images/im{k:04}.ppm", photograph(k))
        write(root / f"labels-ah/im{k:04}.ah.ppm", vessels(k))
        write(
            root / f"labels-vk/im{k:04}.vk.ppm",
            np.repeat(vessels(k + 100)[..., None], 3, 2),
        )


def chase_tree(root, children=14):
    """One flat folder, masks of one bit."""
    for k in range(2 * children):
        name = f"Image_{k // 2 + 1:02}{'LR'[k % 2]}"
        write(root / f"{name}.jpg", photograph(k), quality=100, subsampling=0)
        write(root / f"{name}_1stHO.png", vessels(k) > 0)
        write(root / f"{name}_2ndHO.png", vessels(k + 100) > 0)


def hrf_tree(root, each=15):
    """Suffixes of both cases, RGB masks of the field."""
    for seed, (kind, k) in enumerate(
        (kind, k) for kind in ("h", "dr", "g") for k in range(1, each + 1)
    ):
        name, suffix = f"{k:02}_{kind}", "JPG" if kind == "dr" else "jpg"
        write(root / f"images/{name}.{suffix}", photograph(seed), format="JPEG")
        write(root / f"manual1/{name}.tif", vessels(seed))
        field = np.repeat(np.where(DISC, 255, 0).astype(np.uint8)[..., None], 3, 2)
        write(root / f"mask/{name}_mask.tif", field)


TREES = {  # name -> how it is drawn, how many, the seed of the first by name
    "drive": (drive_tree, 20, 21),
    "stare": (stare_tree, 4, 0),
    "chase_db1": (chase_tree, 28, 0),
    "hrf": (hrf_tree, 45, 15),
}


def names(source):
    return [source.name(i) for i in range(len(source))]


@pytest.mark.parametrize("name", TREES)
def test_labels_in_and_outside_the_field_of_view(name, tmp_path):
    draw, count, seed = TREES[name]
    draw(tmp_path)
    split = "trainval" if name == "drive" else "all"
    keep, ignore = (
        datasets.make(name, split, root=str(tmp_path), outside=outside)
        for outside in ("keep", "ignore")
    )
    assert len(keep) == len(ignore) == count
    assert keep.info.class_names == ("background", "vessel")
    assert ignore.info == dataclasses.replace(keep.info, note=retina.INSIDE)
    assert not keep.info.note
    want = vessels(seed) // 255
    np.testing.assert_array_equal(keep[0]["label"], want)
    np.testing.assert_array_equal(ignore[0]["label"], np.where(DISC, want, IGNORE))
    assert keep.fingerprint() != ignore.fingerprint()
    assert check.run(keep, images=True).ignored_pixels == 0
    assert check.run(ignore).ignored_pixels == count * (~DISC).sum()
    assert repr(keep) == f"{name} {split}: {count} examples"


@pytest.mark.parametrize(("name", "seed"), [("stare", 100), ("chase_db1", 100)])
def test_the_second_annotator(name, seed, tmp_path):
    TREES[name][0](tmp_path)
    source = datasets.make(name, "all", root=str(tmp_path), annotator=2)
    np.testing.assert_array_equal(source[0]["label"], vessels(seed) // 255)


def test_the_second_annotator_of_drive_drew_the_test_images_alone(tmp_path):
    drive_tree(tmp_path)
    drive_tree(tmp_path, 2, "test", manual=2)
    source = datasets.make("drive", "test", root=str(tmp_path), annotator=2)
    assert names(source) == ["21", "22"]
    with pytest.raises(UserError, match="drew the test images alone"):
        datasets.make("drive", "train", root=str(tmp_path), annotator=2)
    # The archive of the challenge has test images without the masks of vessels.
    with pytest.raises(UserError, match="21: has no 1st_manual"):
        datasets.make("drive", "test", root=str(tmp_path))


def test_five_folds_of_the_training_images_of_drive(tmp_path):
    drive_tree(tmp_path)
    val = [
        names(datasets.make("drive", "val", root=str(tmp_path), folds=5, fold=k))
        for k in range(5)
    ]
    assert [len(v) for v in val] == [4] * 5
    assert sorted(n for v in val for n in v) == [str(k) for k in range(21, 41)]
    train = names(datasets.make("drive", "train", root=str(tmp_path), folds=5, fold=2))
    assert set(train) == {str(k) for k in range(21, 41)} - set(val[2])
    assert len(names(datasets.make("drive", "val", root=str(tmp_path)))) == 4


@pytest.mark.parametrize(
    ("name", "train", "val"),
    [
        ("chase_db1", ("Image_01L", "Image_10R", 20), ("Image_11L", "Image_14R", 8)),
        ("hrf", ("01_dr", "05_h", 15), ("06_dr", "15_h", 30)),
    ],
)
def test_the_usual_splits(name, train, val, tmp_path):
    TREES[name][0](tmp_path)
    for split, want in (("train", train), ("val", val)):
        found = names(datasets.make(name, split, root=str(tmp_path)))
        assert (found[0], found[-1], len(found)) == want
    with pytest.raises(UserError, match=r"no split 'test'\. Known: train, val, all"):
        datasets.make(name, "test", root=str(tmp_path))


def test_both_eyes_of_a_child_are_in_one_fold(tmp_path):
    chase_tree(tmp_path)
    for fold in range(3):
        found = names(
            datasets.make("chase_db1", "val", root=str(tmp_path), folds=3, fold=fold)
        )
        assert {n[6:8] + "LR"[n[8] == "L"] for n in found} == {n[6:] for n in found}


def test_stare_leaves_one_out_or_follows_a_split_file(tmp_path):
    stare_tree(tmp_path)
    root = str(tmp_path)
    left = [
        names(datasets.make("stare", "val", root=root, folds=4, fold=k))
        for k in range(4)
    ]
    assert sorted(left) == [[f"im{k:04}"] for k in range(4)]
    path = str(tmp_path / "split.json")
    splits.write(path, {"train": ["im0000"], "val": ["im0001", "im0002", "im0003"]}, 0)
    assert names(datasets.make("stare", "train", root=root, split_file=path)) == [
        "im0000"
    ]


def test_what_is_missing_packed_or_strange_is_named(tmp_path):
    stare_tree(tmp_path / "a")
    (tmp_path / "a/labels-ah/im0001.ah.ppm").unlink()
    (tmp_path / "a/stare-images/im0002.ppm").unlink()
    with pytest.raises(UserError) as error:
        datasets.make("stare", "val", root=str(tmp_path / "a"))
    assert error.value.problems[1:] == [
        "im0001: has no labels-ah",
        "im0002: has no image",
    ]
    (tmp_path / "a/labels-ah/im0001.ah.ppm.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(UserError, match=r"im0001\.ah\.ppm\.gz: is packed"):
        datasets.make("stare", "val", root=str(tmp_path / "a"))
    chase_tree(tmp_path / "b", children=1)
    write(tmp_path / "b/notes.png", photograph(0))
    write(tmp_path / "b/notes_1stHO.png", vessels(0) > 0)
    with pytest.raises(UserError, match="notes: is no name of chase_db1"):
        datasets.make("chase_db1", "train", root=str(tmp_path / "b"))
    with pytest.raises(UserError, match=r"lie so:\n +ROOT/images/01_dr.JPG"):
        datasets.make("hrf", "train", root=str(tmp_path / "b"))


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (np.zeros(SIZE, np.uint8), "field of view is empty"),
        (
            np.full((3, 4), 255, np.uint8),
            "field of view is 3x4 and the mask of .* 24x30",
        ),
    ],
)
def test_a_wrong_field_of_view_is_refused(field, message, tmp_path):
    drive_tree(tmp_path)
    path = write(tmp_path / "training/mask/21_training_mask.gif", field)
    source = datasets.make("drive", "trainval", root=str(tmp_path))
    with pytest.raises(UserError, match=f"{path.name}: the {message}"):
        source[0]


def test_masks_of_vessels_are_black_and_white(tmp_path):
    stare_tree(tmp_path)
    write(tmp_path / "labels-ah/im0000.ah.ppm", vessels(0, one=1))
    source = datasets.make("stare", "all", root=str(tmp_path))
    with pytest.raises(UserError, match="colours that no class has: "):
        source[0]


def test_the_derived_field_is_the_largest_bright_region_with_its_holes():
    image = photograph(0)
    image[10:13, 14:17] = 0  # a dark spot inside
    image[0, 0] = 200  # a bright speck outside
    np.testing.assert_array_equal(retina.field_of_view(image), DISC)
    assert not retina.field_of_view(np.full((4, 5, 3), retina.RED, np.uint8)).any()
    assert retina.field_of_view(np.full((4, 5, 3), retina.RED + 1, np.uint8)).all()


# The real files.


def test_real_drive():
    root = real("DRIVE")
    ignore = datasets.make("drive", "trainval", root=root)
    keep = datasets.make("drive", "trainval", root=root, outside="keep")
    overlaps, lost = [], 0
    for i in range(0, 20):
        inside = ignore.field(i)
        lost += int((keep.label(i)[~inside] == 1).sum())
        if i % 5 == 0:  # masks that others drew: what is derived is near to them
            derived = retina.field_of_view(keep[i]["image"])
            overlaps.append((derived & inside).sum() / (derived | inside).sum())
    assert lost == 200
    assert min(overlaps) > 0.98


def test_real_chase():
    root = real("CHASEDB1")
    val = datasets.make("chase_db1", "val", root=root, annotator=2, outside="ignore")
    survey = check.run(val)
    pixels = 8 * 960 * 999
    assert 0.28 < survey.ignored_pixels / pixels < 0.35
    assert 0.05 < survey.class_pixels[1] / pixels < 0.09


def test_masks_of_0_and_1_in_grey_are_told_what_to_do(tmp_path):
    stare_tree(tmp_path)
    path = tmp_path / "labels-ah/im0000.ah.ppm"
    write(path, vessels(0) // 255)
    source = datasets.make("stare", "all", root=str(tmp_path))
    with pytest.raises(UserError, match=r"0 and 1 as grey.* write 255 for 1"):
        source.label(0)
    with pytest.raises(UserError) as caught:
        start.run([source])
    assert len(caught.value.problems) == 1  # by the audit, and not by the survey too
    write(path, vessels(0) // 255 * 2)
    with pytest.raises(UserError, match="Check the colours of the classes"):
        source.label(0)
