"""Pascal VOC, ADE20K, COCO and Penn-Fudan on tiny trees."""

import json
import pickle

import numpy as np
import pytest
from PIL import Image

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE
from segjax.data import check, datasets
from segjax.data.audit import start
from segjax.data.datasets import ade20k, coco, pascal_voc, penn_fudan
from tests.data.pairs import image, mask, write


def voc_palette() -> list[int]:
    """The colours of VOC's development kit: the bits of the index, dealt to r, g, b."""
    table = np.zeros((256, 3), np.uint8)
    for index in range(256):
        for bit in range(8):
            table[index, bit % 3] |= (index >> bit & 1) << (7 - bit // 3)
    return table.ravel().tolist()


def write_palette(path, array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(array)
    picture.putpalette(voc_palette())
    picture.save(path)


def voc_tree(base, names=("2007_000032", "2007_000039")) -> None:
    for k, name in enumerate(names):
        write(base / f"JPEGImages/{name}.jpg", image(k))
        write_palette(
            base / f"SegmentationClass/{name}.png", mask(k, (0, 1, 20, IGNORE))
        )
        write_palette(base / f"SegmentationObject/{name}.png", mask(k, (0, 1, 2)))
        write(base / f"SegmentationClassAug/{name}.png", mask(9 + k, (0, 15, IGNORE)))
    write(base / "JPEGImages/2011_003353.jpg", image(7))  # a photograph without a mask
    lists = base / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text(f"{names[0]}\n")
    (lists / "val.txt").write_text(f"{names[1]}\n\n")
    (lists / "trainaug.txt").write_text(
        f"/JPEGImages/{names[0]}.jpg /SegmentationClassAug/{names[0]}.png\n{names[1]}\n"
    )


@pytest.mark.parametrize("above", ["", "VOC2012", "VOCdevkit/VOC2012"])
def test_voc_reads_the_indices_of_the_palette(above, tmp_path):
    voc_tree(tmp_path / above)
    source = datasets.make("pascal_voc", "val", root=str(tmp_path))
    assert [source.name(i) for i in range(len(source))] == ["2007_000039"]
    np.testing.assert_array_equal(source[0]["label"], mask(1, (0, 1, 20, IGNORE)))
    assert check.run(source, images=True).class_images[20] == 1


def test_voc_trains_on_the_augmented_list_and_leaves_val(tmp_path):
    voc_tree(tmp_path)
    train, more, val, same = (
        pascal_voc.make(split, str(tmp_path), aug=aug)
        for split in ("train", "val")
        for aug in (False, True)
    )
    assert (len(train), len(more)) == (1, 2)
    np.testing.assert_array_equal(more[0]["label"], mask(9, (0, 15, IGNORE)))
    assert val == same


def test_the_colours_of_voc_are_those_of_its_palette():
    colours = np.reshape(voc_palette(), (256, 3))[:21]
    assert pascal_voc.INFO.class_colours == tuple(map(tuple, colours.tolist()))


def test_voc_names_missing_files_and_lists(tmp_path):
    voc_tree(tmp_path)
    (tmp_path / "SegmentationClassAug/2007_000039.png").unlink()
    with pytest.raises(UserError) as error:
        pascal_voc.make("train", str(tmp_path), aug=True)
    missing = "SegmentationClassAug/2007_000039.png: is listed and missing"
    assert error.value.problems[1:] == [missing]
    (tmp_path / "ImageSets/Segmentation/trainaug.txt").unlink()
    with pytest.raises(UserError, match=r"trainaug.txt: is missing"):
        pascal_voc.make("train", str(tmp_path), aug=True)
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(UserError, match="has no ImageSets/Segmentation/"):
        pascal_voc.make("train", str(tmp_path / "elsewhere"))


def ade_tree(base, values=(0, 1, 150)) -> None:
    for split, stem in (("training", "ADE_train"), ("validation", "ADE_val")):
        for k in range(2):
            name = f"{stem}_{k + 1:08}"
            write(base / f"images/{split}/{name}.jpg", image(k))
            write(base / f"annotations/{split}/{name}.png", mask(k, values))


@pytest.mark.parametrize("above", ["", "ADEChallengeData2016"])
def test_ade_counts_from_one_and_ignores_nought(above, tmp_path):
    ade_tree(tmp_path / above)
    source = datasets.make("ade20k", "val", root=str(tmp_path))
    assert source.name(1) == "ADE_val_00000002"
    want = mask(1, (0, 1, 150)).astype(int) - 1
    np.testing.assert_array_equal(source[1]["label"], np.where(want < 0, IGNORE, want))
    check.run(source, images=True)


def test_ade_has_150_classes_with_a_colour_each():
    assert ade20k.INFO.num_classes == len(set(ade20k.INFO.class_colours)) == 150


def test_ade_refuses_numbers_above_150_and_lists_partners(tmp_path):
    ade_tree(tmp_path, (0, 151))
    with pytest.raises(UserError, match=r"id 151 .* classes are 1-150 and ignore 0"):
        ade20k.make("train", str(tmp_path))[0]
    (tmp_path / "images/training/ADE_train_00000001.jpg").unlink()
    (tmp_path / "annotations/training/ADE_train_00000002.png").unlink()
    with pytest.raises(UserError) as error:
        ade20k.make("train", str(tmp_path))
    assert error.value.problems[1:] == [
        "images/training/ADE_train_00000002.jpg: has no mask",
        "annotations/training/ADE_train_00000001.png: has no image",
    ]


STUFFTHING = (0, 5, 91, 181, 255)  # person, bus, banner, wood, unlabelled
SEGMENTS = {  # number of the segment -> category: two persons, a bus, merged trees
    300: 1,
    70000: 1,
    5: 6,
    256: 184,
}


def stuffthing_tree(root, split="val", folder="stuffthingmaps") -> None:
    for k in range(2):
        write(root / f"{split}2017/{k:012}.jpg", image(k))
        write(root / f"{folder}/{split}2017/{k:012}.png", mask(k, STUFFTHING))
    left = root / f"{folder}/{split}2017/{0:012}_labelTrainIds.png"
    write(left, mask(0, (0, 1)))


def segment_numbers(seed) -> np.ndarray:
    place = mask(seed, tuple(range(5)))
    return np.array([0, *SEGMENTS])[place]


def panoptic_tree(root, split="val", segments=None) -> None:
    rows = []
    for k in range(2):
        codes = segment_numbers(k)
        coded = np.stack([codes % 256, codes // 256 % 256, codes // 65536], -1)
        write(root / f"{split}2017/{k:012}.jpg", image(k))
        write(
            root / f"annotations/panoptic_{split}2017/{k:012}.png",
            coded.astype(np.uint8),
        )
        info = [
            {"id": n, "category_id": c, "iscrowd": 0}
            for n, c in (segments or SEGMENTS).items()
        ]
        rows.append({"file_name": f"{k:012}.png", "segments_info": info})
    text = json.dumps({"annotations": rows})
    (root / f"annotations/panoptic_{split}2017.json").write_text(text)


@pytest.mark.parametrize(
    ("classes", "num_classes", "meaning"),
    [
        ("stuff171", 171, {0: 0, 5: 5, 91: 80, 181: 170, 255: IGNORE}),
        ("thing80", 81, {0: 1, 5: 6, 91: 0, 181: 0, 255: 0}),
        ("voc21", 21, {0: 15, 5: 6, 91: 0, 181: 0, 255: 0}),
    ],
)
@pytest.mark.parametrize("folder", ["stuffthingmaps", "annotations"])
def test_coco_from_stuffthing_masks(classes, num_classes, meaning, folder, tmp_path):
    stuffthing_tree(tmp_path, folder=folder)
    source = datasets.make("coco", "val", root=str(tmp_path), classes=classes)
    assert source.info.name == f"coco_{classes}" and len(source) == 2
    assert source.info.num_classes == num_classes
    want = np.vectorize(meaning.__getitem__)(mask(0, STUFFTHING))
    np.testing.assert_array_equal(source[0]["label"], want)
    check.run(source, images=True)


@pytest.mark.parametrize(
    ("classes", "meaning"),
    [
        ("panoptic133", {0: IGNORE, 300: 0, 70000: 0, 5: 5, 256: 116}),
        ("thing80", {0: 0, 300: 1, 70000: 1, 5: 6, 256: 0}),
        ("voc21", {0: 0, 300: 15, 70000: 15, 5: 6, 256: 0}),
    ],
)
def test_coco_from_panoptic_masks(classes, meaning, tmp_path):
    panoptic_tree(tmp_path)
    source = datasets.make("coco", "val", root=str(tmp_path), classes=classes)
    for k in range(2):
        want = np.vectorize(meaning.__getitem__)(segment_numbers(k))
        np.testing.assert_array_equal(source[k]["label"], want)
    check.run(source, images=True)
    assert repr(source) == f"coco_{classes} val: 2 examples"
    assert pickle.loads(pickle.dumps(source)) == source


def test_panoptic_masks_are_audited_by_their_own_colours(tmp_path):
    panoptic_tree(tmp_path)
    source = coco.make("val", str(tmp_path), "panoptic133")
    found = start.run([source])
    assert found.surveys == (check.examine(source),)
    assert not found.audit.refused() and "colour_mask" not in found.audit.counts()


def test_the_fingerprint_of_panoptic_masks_is_of_the_json_too(tmp_path):
    prints = []
    for segments in (SEGMENTS, {**SEGMENTS, 5: 7}):
        panoptic_tree(tmp_path, segments=segments)
        source = coco.make("val", str(tmp_path), "panoptic133")
        prints.append(source.fingerprint())
    assert prints[0] != prints[1]


def test_the_classes_of_voc_are_found_in_coco_by_name():
    other = {
        "aeroplane": "airplane",
        "motorbike": "motorcycle",
        "sofa": "couch",
        "tvmonitor": "tv",
        "diningtable": "dining table",
        "pottedplant": "potted plant",
    }
    names = [other.get(name, name) for name, _ in pascal_voc.CLASSES[1:]]
    assert [coco.NAMES[category - 1] for category in coco.VOC] == names


def test_coco_takes_the_form_that_can_make_the_classes(tmp_path):
    stuffthing_tree(tmp_path)
    panoptic_tree(tmp_path)
    layouts = [
        coco.make("val", str(tmp_path), classes, masks).rule.layout
        for classes, masks in (
            ("thing80", "auto"),
            ("thing80", "panoptic"),
            ("stuff171", "auto"),
            ("panoptic133", "auto"),
        )
    ]
    assert layouts == ["stuffthing", "panoptic", "stuffthing", "panoptic"]
    with pytest.raises(UserError, match="cannot be made from masks='stuffthing'"):
        coco.make("val", str(tmp_path), "panoptic133", "stuffthing")
    with pytest.raises(UserError, match="has no folder train2017/"):
        coco.make("train", str(tmp_path), "thing80")


def test_coco_says_what_is_wrong_with_masks_and_json(tmp_path):
    panoptic_tree(tmp_path, segments={300: 1, 70000: 12, 5: 6, 256: 183})
    with pytest.raises(UserError, match=r"has the categories 12, 183; COCO's"):
        coco.make("val", str(tmp_path), "panoptic133")
    panoptic_tree(tmp_path, segments={300: 1, 5: 6, 256: 184})
    with pytest.raises(UserError, match=r"\(112, 17, 1\) .* The json lists other"):
        coco.make("val", str(tmp_path), "panoptic133")[0]
    (tmp_path / "annotations/panoptic_val2017.json").write_text('{"images": []}')
    with pytest.raises(UserError, match="is no panoptic json"):
        coco.make("val", str(tmp_path), "panoptic133")
    with pytest.raises(UserError, match="has no stuffthing masks of val2017"):
        coco.make("val", str(tmp_path), "stuff171")
    stuffthing_tree(tmp_path)
    path = tmp_path / f"stuffthingmaps/val2017/{0:012}.png"
    write(path, mask(0, (92, 183)))
    with pytest.raises(UserError, match="stuffthingmaps are read"):
        coco.make("val", str(tmp_path), "stuff171")[0]


def penn_tree(base, count=10) -> None:
    for k in range(count):
        write(base / f"PNGImages/FudanPed{k:05}.png", image(k))
        write(base / f"PedMasks/FudanPed{k:05}_mask.png", mask(k, range(k + 1)))


@pytest.mark.parametrize("above", ["", "PennFudanPed"])
def test_pedestrians_are_one_class_whatever_their_number(above, tmp_path):
    penn_tree(tmp_path / above)
    train, val = (
        datasets.make("penn_fudan", split, root=str(tmp_path), val_share=0.3)
        for split in ("train", "val")
    )
    names = [{s.name(i) for i in range(len(s))} for s in (train, val)]
    assert (len(train), len(val)) == (7, 3) and not names[0] & names[1]
    for source in (train, val):
        for i in range(len(source)):
            number = int(source.name(i).removeprefix("FudanPed"))
            want = mask(number, range(number + 1)) > 0
            np.testing.assert_array_equal(source[i]["label"], want)
    other = penn_fudan.make("val", str(tmp_path), val_share=0.3, split_seed=2)
    assert {other.name(i) for i in range(3)} != names[1]


def test_pedestrians_without_partner_are_listed(tmp_path):
    penn_tree(tmp_path)
    (tmp_path / "PedMasks/FudanPed00003_mask.png").unlink()
    with pytest.raises(UserError, match=r"PNGImages/FudanPed00003.png: has no mask"):
        penn_fudan.make("train", str(tmp_path))


OPTIONS = {
    "pascal_voc": {},
    "ade20k": {},
    "coco": {"classes": "thing80"},
    "penn_fudan": {},
    "camvid_32": {},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_what_is_not_there_is_said_in_words(name, tmp_path):
    with pytest.raises(UserError) as error:
        datasets.make(name, "train", root=str(tmp_path / "no"), **OPTIONS[name])
    for part in ("http", "ROOT/", "configs/streets_unet.py"):
        assert part in str(error.value)
    with pytest.raises(UserError, match=r"no split 'trian'\. Known: train, val"):
        datasets.make(name, "trian", root=str(tmp_path), **OPTIONS[name])
    for folder in ("ImageSets/Segmentation", "annotations", "PedMasks"):
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(UserError, match=r"must\s+lie\s+so:"):
        datasets.make(name, "train", root=str(tmp_path), **OPTIONS[name])


@pytest.mark.parametrize("name", ["pascal_voc", "ade20k", "coco"])
def test_test_labels_that_are_not_public(name, tmp_path):
    with pytest.raises(UserError, match=r"are not public, .* the server at http"):
        datasets.make(name, "test", root=str(tmp_path), **OPTIONS[name])
