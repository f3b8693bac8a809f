"""The files of a prediction, by kinds: which there are, and how they are written."""

import dataclasses
import json
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Real, UInt8
from PIL import Image

from segjax.core.errors import raise_problems
from segjax.core.info import DatasetInfo
from segjax.core.tables import unknown
from segjax.data import decode
from segjax.data.geotiff import Place
from segjax.report import coco, geojson, maps, polygons

KINDS = {
    "ids": "_ids.png",
    "colour": "_colour.png",
    "overlay": "_overlay.png",
    "confidence": "_confidence.png",
    "probabilities": "_probabilities.npz",
    "polygons": "_polygons.geojson",
    "instances": "_instances.png",
}
"""Kind -> how its files are called behind the name of a picture."""

TABLES = {"areas": "areas.csv", "coco": coco.NAME}
"""Kind -> its one file of a call."""

FILMED = ("colour", "overlay")
"""Kinds that of a video may be one video."""

USUAL = ("ids", "colour", "overlay", "areas")


def parse(text: str, where: str) -> tuple[str, ...]:
    """The kinds that a list with commas names, in the order of the tables.

    Raises:
      UserError: with every name that is none.
    """
    known = {**KINDS, **TABLES}
    named = [word.strip() for word in text.split(",") if word.strip()]
    raise_problems(
        [unknown("kind", w, known, f"{where}={w}") for w in named if w not in known]
    )
    return tuple(kind for kind in known if kind in named)


@dataclasses.dataclass(frozen=True)
class Answer:
    """What is known of a picture.

    Attributes:
      ids: `(H, W)` uint8, the class of every pixel.
      confidence: the network's probability of it in 255ths; None if not asked for.
      probabilities: `(H, W, K)` of all classes; None if not asked for.
    """

    ids: UInt8[np.ndarray, "H W"]
    confidence: UInt8[np.ndarray, "H W"] | None = None
    probabilities: Float[np.ndarray, "H W K"] | None = None


@dataclasses.dataclass(frozen=True)
class Written:
    """What was written of a picture.

    Attributes:
      files: kind -> file.
      size: `(height, width)`.
      pixels: `(K,)` of each class.
      annotations: for COCO, if asked for.
      skipped: whether the files were there already.
    """

    files: dict[str, Path]
    size: tuple[int, int]
    pixels: np.ndarray
    annotations: list[str]
    skipped: bool = False


@dataclasses.dataclass(frozen=True)
class Results:
    """How results are written.

    Attributes:
      kinds: what is written.
      info: the class table.
      stamp: what the results depend on, kept in the files of ids.
      simplify: of polygons, see `polygons.simplified`.
      pixel_size: side of a pixel in metres, if that is known.
      things: the classes whose objects are told apart.
    """

    kinds: tuple[str, ...]
    info: DatasetInfo
    stamp: Mapping[str, Any]
    simplify: float | int = 0
    pixel_size: float | None = None
    things: tuple[int, ...] = ()

    @property
    def probabilities(self) -> bool:
        """Whether any kind is made of them."""
        return bool({"confidence", "probabilities"} & {*self.kinds})

    def paths(self, stem: Path, leave_out: Container[str] = ()) -> dict[str, Path]:
        """The files of a picture, by kind; `stem` is their path without their ends."""
        return {
            kind: stem.with_name(stem.name + end)
            for kind, end in KINDS.items()
            if kind in self.kinds and kind not in leave_out
        }

    def answer(
        self,
        ids: UInt8[np.ndarray, "H W"],
        probabilities: Float[np.ndarray, "H W K"] | None,
    ) -> Answer:
        """What the files are made of, from a prediction."""
        sure = None
        if "confidence" in self.kinds:
            sure = maps.confidence(ids, probabilities)
        return Answer(ids, sure, probabilities)

    def write(
        self,
        answer: Answer,
        paths: Mapping[str, Path],
        image: Callable[[], Real[np.ndarray, "H W C"]],
        place: Place | None = None,
    ) -> Written:
        """Write the files of a picture, the ids last.

        Args:
          answer: what is known of it.
          paths: kind -> file.
          image: gives the picture, if it is needed.
          place: of the picture on the map, if that is known.

        Raises:
          UserError: the picture has changed since, or a name is none for the disk.
          EnvironmentFault: the disk refuses.
        """
        ids, info = answer.ids, self.info
        if path := paths.get("colour"):
            maps.write_colours(ids, info, path)
        if path := paths.get("overlay"):
            maps.write_overlay(image(), ids, info, path)
        if path := paths.get("confidence"):
            maps.write_confidence(answer.confidence, path)
        if path := paths.get("probabilities"):
            maps.write_probabilities(answer.probabilities, info, path)
        if path := paths.get("instances"):
            maps.write_instances(ids, self.things, path)
        written = self._outlined(answer, paths, place)
        if path := paths.get("ids"):
            maps.write_ids(ids, info, path, json.dumps(self.stamp))
        return written

    def has(self, paths: Mapping[str, Path], source: Path) -> bool:
        """Whether an earlier call has written all files of a picture, and as this one.

        It has, if they are there and the ids carry this stamp and are not older than
        the picture.
        """
        try:
            newest = source.stat().st_mtime_ns
            if paths["ids"].stat().st_mtime_ns < newest:
                return False
            with Image.open(paths["ids"]) as picture:
                old = json.loads(picture.info["segjax"])
        except (OSError, SyntaxError, ValueError, KeyError):
            return False
        same = self.stamp.items() <= old.items()
        return same and all(path.is_file() for path in paths.values())

    def read(self, paths: Mapping[str, Path]) -> Written:
        """What an earlier call has written.

        Raises:
          UserError: a file is damaged.
        """
        answer = Answer(decode.read_label(paths["ids"]))
        if path := paths.get("confidence"):
            answer = dataclasses.replace(answer, confidence=decode.read_label(path))
        found = self._outlined(answer, {}, None)
        return dataclasses.replace(found, files=dict(paths), skipped=True)

    def _outlined(
        self, answer: Answer, paths: Mapping[str, Path], place: Place | None
    ) -> Written:
        """Counts and regions, with the file of polygons if it has a path."""
        ids, annotations = answer.ids, []
        if paths.get("polygons") or "coco" in self.kinds:
            regions, labels = polygons.regions(ids)
            means = None
            if answer.confidence is not None:
                means = geojson.means(regions, labels, answer.confidence)
            if path := paths.get("polygons"):
                content = geojson.collection(
                    regions,
                    self.info,
                    means=means,
                    place=place,
                    simplify=self.simplify,
                    pixel_size=self.pixel_size,
                )
                maps.write(content, path)
            if "coco" in self.kinds:
                annotations = coco.annotations(regions, labels, means, self.simplify)
        pixels = np.bincount(ids.ravel(), minlength=self.info.num_classes)
        return Written(dict(paths), ids.shape, pixels, annotations)
