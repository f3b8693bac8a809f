"""All regions of a call as one file of COCO annotations.

A region is an annotation, of every class, background included. Its segmentation is a
polygon along the edges of its pixels, or run lengths if it has holes, which polygons of
COCO cannot have; pycocotools makes the same mask of either, so `iscrowd` is 0. The ids
of categories are those of the classes, from 0 on; those of images and annotations
begin with 1.

Source: COCO data format, cocodataset.org, 2014; pycocotools 2.0.11 reads it.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Integer

from segjax.core.info import DatasetInfo
from segjax.report import maps
from segjax.report.polygons import Region, simplified

NAME = "annotations.json"


def annotations(
    regions: Sequence[Region],
    labels: Integer[np.ndarray, "H W"],
    means: Sequence[float] | None = None,
    simplify: float | int = 0,
) -> list[str]:
    """The annotations of a picture as JSON, without ids of their own and of the image.

    Args:
      regions: of the picture.
      labels: the map of their numbers.
      means: mean confidence of each, if it is known; becomes `score`.
      simplify: see `polygons.simplified`; run lengths are exact in any case.
    """
    found = []
    for i, region in enumerate(regions):
        left, top, right, bottom = region.box
        if len(region.rings) == 1:
            shape = [simplified(region.rings[0], simplify).ravel().tolist()]
        else:
            shape = _runs(labels, region)
        entry = {
            "category_id": region.class_id,
            "segmentation": shape,
            "area": region.area,
            "bbox": [left, top, right - left, bottom - top],
            "iscrowd": 0,
        }
        if means is not None:
            entry["score"] = round(means[i], 4)
        found.append(json.dumps(entry, separators=(",", ":")))
    return found


class CocoFile(contextlib.AbstractContextManager):
    """The file; annotations are put into it as they come, and none is kept in memory.

    It takes its place when the block ends without an error.
    """

    def __init__(self, folder: Path, info: DatasetInfo, description: str):
        """
        Args:
          folder: where it is written.
          info: the class table.
          description: what the call was, for the head.
        """
        self.path = folder / NAME
        self._temporary = maps.hidden(self.path)
        self._images: list[dict[str, Any]] = []
        self._number = 0
        head = {
            "info": {"description": description},
            "licenses": [],
            "categories": [
                {"id": k, "name": name, "supercategory": "", "color": list(colour)}
                for k, (name, colour) in enumerate(
                    zip(info.class_names, info.class_colours, strict=True)
                )
            ],
        }
        with self._refusals():
            folder.mkdir(parents=True, exist_ok=True)
            self._file = open(self._temporary, "w", encoding="ascii")  # noqa: SIM115
            self._file.write(json.dumps(head)[:-1] + ', "annotations": [')

    def add(self, image: dict[str, Any], found: Iterable[str]) -> None:
        """An image and its annotations.

        Args:
          image: `file_name`, `width`, `height`, and what else there is to say.
          found: see `annotations`.
        """
        self._images.append({"id": len(self._images) + 1, **image})
        with self._refusals():
            for entry in found:
                self._number += 1
                comma = "," if self._number > 1 else ""
                ids = f'"id":{self._number},"image_id":{len(self._images)}'
                self._file.write(f"{comma}\n{{{ids},{entry[1:]}")

    def __exit__(self, kind, error, trace) -> None:
        try:
            with self._refusals():
                if kind is None:
                    self._file.write('\n], "images": [\n')
                    self._file.write(",\n".join(map(json.dumps, self._images)))
                    self._file.write("\n]}\n")
                self._file.close()
                if kind is None:
                    os.replace(self._temporary, self.path)
        finally:
            maps.discard(self._temporary)

    @contextlib.contextmanager
    def _refusals(self):
        try:
            yield
        except OSError as error:
            raise maps.refused(self.path, error) from error


def _runs(labels: np.ndarray, region: Region) -> dict[str, list[int]]:
    """Lengths of runs outside and inside of it in turns, column by column."""
    left, top, right, bottom = region.box
    height, width = labels.shape
    inside = np.zeros((right - left, height), bool)  # its columns are rows here
    own = labels[top:bottom, left:right]
    inside[:, top:bottom] = np.equal(own, region.label).T
    changes = np.flatnonzero(np.diff(inside.ravel(), prepend=[False])) + left * height
    stops = [0, *changes.tolist(), height * width]
    counts = np.diff(stops).tolist()
    return {"counts": counts, "size": [height, width]}
