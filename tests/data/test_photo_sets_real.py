"""Pascal VOC, ADE20K and COCO on real files, linked into the published trees."""

import json
import os
import pathlib

import numpy as np
from PIL import Image

from segjax.data import check
from segjax.data.datasets import ade20k, coco, pascal_voc
from tests.data.pairs import real
from tests.data.test_photo_sets import voc_palette


def link(target: str, at: pathlib.Path) -> None:
    at.parent.mkdir(parents=True, exist_ok=True)
    at.symlink_to(os.path.abspath(target))


def test_real_voc(tmp_path):
    root = real("pascal_voc")
    for folder in ("JPEGImages", "SegmentationClass"):
        link(f"{root}/{folder}", tmp_path / folder)
    (tmp_path / "ImageSets/Segmentation").mkdir(parents=True)
    (tmp_path / "ImageSets/Segmentation/train.txt").write_text("2007_000063\n")
    source = pascal_voc.make("train", str(tmp_path))
    survey = check.run(source, images=True)
    names = [pascal_voc.CLASSES[k][0] for k in np.flatnonzero(survey.class_images)]
    assert names == ["background", "chair", "dog"]
    with Image.open(source.pairs[0][2]) as picture:
        assert picture.getpalette()[: 21 * 3] == voc_palette()[: 21 * 3]


def test_real_ade(tmp_path):
    root = real("ade20k")
    for folder in ("images", "annotations"):
        link(f"{root}/sampleData/{folder}", tmp_path / folder / "validation")
    survey = check.run(ade20k.make("val", str(tmp_path)), images=True)
    named = dict(zip(ade20k.CLASSES, survey.class_images, strict=True))
    assert named["sky"] == named["building"] == 3
    rows = pathlib.Path(root, "objectInfo150.txt").read_text().splitlines()[1:]
    official = [row.split("\t")[4].partition(",")[0].strip() for row in rows]
    assert list(ade20k.CLASSES) == official


def test_real_coco_stuff(tmp_path):
    root = real("coco_stuff")
    for split in ("train", "val"):
        link(f"{root}/{split}_img", tmp_path / f"{split}2017")
        link(f"{root}/{split}_label", tmp_path / f"stuffthingmaps/{split}2017")
    for classes in ("stuff171", "thing80", "voc21"):
        source = coco.make("val", str(tmp_path), classes)
        found = check.run(source, images=True)
        named = dict(zip(source.info.class_names, found.class_pixels, strict=True))
        assert named["person"] > 0
        zebras = named.get("zebra", named.get("background"))
        assert zebras > 0.1 * sum(named.values())
        assert len(coco.make("train", str(tmp_path), classes)) == 13


def test_real_coco_panoptic(tmp_path):
    root = real("coco_panoptic")
    link(f"{root}/input_images", tmp_path / "val2017")
    link(f"{root}/panoptic_examples", tmp_path / "annotations/panoptic_val2017")
    link(
        f"{root}/panoptic_examples.json", tmp_path / "annotations/panoptic_val2017.json"
    )
    source = coco.make("val", str(tmp_path), "panoptic133")
    survey = check.run(source, images=True)
    # The areas that COCO wrote down beside the segments.
    official = json.loads(pathlib.Path(root, "panoptic_examples.json").read_text())
    areas = dict.fromkeys(range(133), 0)
    order = [row["id"] for row in official["categories"]]
    for row in official["annotations"]:
        for segment in row["segments_info"]:
            areas[order.index(segment["category_id"])] += segment["area"]
    assert survey.class_pixels == tuple(areas.values())
    categories = json.loads(
        pathlib.Path(root, "panoptic_coco_categories.json").read_text()
    )
    assert source.info.class_names == tuple(row["name"] for row in categories)
    for row in categories[: -len(coco.MERGED)]:
        assert coco.NAMES[row["id"] - 1] == row["name"]
