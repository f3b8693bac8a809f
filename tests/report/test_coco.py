"""COCO annotations of label maps, as pycocotools reads them."""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools import mask as masks
from pycocotools.coco import COCO

from segjax.core.info import DatasetInfo
from segjax.report import coco, geojson, polygons

INFO = DatasetInfo(
    "drawn", ("ground", "car", "tree"), ((0, 0, 0), (9, 8, 7), (1, 2, 3))
)

pytestmark = pytest.mark.filterwarnings("ignore:__array__")  # pycocotools


def some_maps() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    found = [rng.integers(0, 3, size).astype(np.uint8) for size in ((7, 9), (1, 5))]
    ring = np.zeros((20, 30), np.uint8)
    ring[3:17, 4:26], ring[6:14, 8:22], ring[9:11, 12:13] = 1, 2, 1
    return [*found, ring]


@pytest.fixture
def written(tmp_path):
    """The file of some maps, opened by pycocotools, and the maps."""
    maps = some_maps()
    with coco.CocoFile(tmp_path, INFO, "a test") as file:
        for i, ids in enumerate(maps):
            regions, labels = polygons.regions(ids)
            sure = np.full(ids.shape, 51, np.uint8)
            means = geojson.means(regions, labels, sure) if i else None
            size = {"height": ids.shape[0], "width": ids.shape[1]}
            found = coco.annotations(regions, labels, means)
            file.add({"file_name": f"{i}.png", **size}, found)
    assert [p.name for p in tmp_path.iterdir()] == [coco.NAME]
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(tmp_path / coco.NAME), maps


def test_masks_of_annotations_are_the_map(written):
    file, maps = written
    holes = 0
    for i, ids in enumerate(maps, 1):
        drawn, times = np.full(ids.shape, 255), np.zeros(ids.shape, int)
        for entry in file.loadAnns(file.getAnnIds(imgIds=i)):
            mask = file.annToMask(entry).astype(bool)
            drawn[mask] = entry["category_id"]
            times += mask
            assert entry["area"] == mask.sum() and entry["iscrowd"] == 0
            box = masks.toBbox(file.annToRLE(entry)).tolist()
            assert entry["bbox"] == box
            holes += isinstance(entry["segmentation"], dict)
        assert (times == 1).all() and np.array_equal(drawn, ids)
    assert holes  # both forms occurred


def test_the_head_says_what_is_meant(written):
    file, maps = written
    categories = file.loadCats(file.getCatIds())
    assert [c["name"] for c in categories] == list(INFO.class_names)
    assert [tuple(c["color"]) for c in categories] == list(INFO.class_colours)
    assert [c["id"] for c in categories] == [0, 1, 2]
    images = file.loadImgs(file.getImgIds())
    assert [(i["height"], i["width"]) for i in images] == [m.shape for m in maps]
    assert sorted(file.anns) == list(range(1, len(file.anns) + 1))
    scores = [a.get("score") for a in file.loadAnns(file.getAnnIds())]
    assert {None, 0.2} == set(scores)


def test_simplified_lines_have_fewer_corners():
    rows, columns = np.mgrid[:40, :40]
    ids = ((rows - 20) ** 2 + (columns - 20) ** 2 < 200).astype(np.uint8)
    regions, labels = polygons.regions(ids)
    exact, few = (
        json.loads(coco.annotations(regions, labels, simplify=s)[1]) for s in (0, 1)
    )
    assert len(few["segmentation"][0]) < len(exact["segmentation"][0]) / 2
    assert few["area"] == exact["area"]


def test_an_error_leaves_no_file(tmp_path):
    (tmp_path / coco.NAME).write_text("before")
    with pytest.raises(KeyboardInterrupt), coco.CocoFile(tmp_path, INFO, "") as file:
        file.add({"file_name": "a", "width": 1, "height": 1}, [])
        raise KeyboardInterrupt
    assert [p.read_text() for p in tmp_path.iterdir()] == ["before"]
