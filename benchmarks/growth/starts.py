"""The start of a run on a folder of images, as far as its first batch."""

import os
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np

SIZE = (48, 64)
BATCH = 8


def draw(place: pathlib.Path, values: Sequence[int]) -> dict[int, str]:
    """Number of examples -> a folder with so many; their files are shared."""
    roots = {n: place / str(n) for n in values}
    for root in roots.values():
        (root / "images").mkdir(parents=True)
        (root / "masks").mkdir()
        (root / "classes.txt").write_text("0 background\n1 box\n2 disc\n")
    rng, (H, W) = np.random.default_rng(0), SIZE
    for i in range(max(values)):
        mask = np.zeros(SIZE, np.uint8)
        corner, middle = rng.integers(2, 24, 2), rng.integers(12, 36, 2)
        cv2.rectangle(mask, corner.tolist(), (corner + 18).tolist(), 1, -1)
        cv2.circle(mask, middle[::-1].tolist(), int(rng.integers(4, 11)), 2, -1)
        image = rng.integers(0, 256, (3, 3))[mask].astype(np.uint8)
        image = cv2.addWeighted(
            image, 0.6, rng.integers(0, 256, (H, W, 3), np.uint8), 0.4, 0
        )
        pictures = {"images": image, "masks": mask}
        homes = [root for n, root in roots.items() if i < n]
        for kind, array in pictures.items():
            first, *others = (root / f"{kind}/{i:06}.png" for root in homes)
            cv2.imwrite(str(first), array)
            for other in others:
                os.link(first, other)
    return {n: str(root) for n, root in roots.items()}


class Start:
    """What `segjax.run` does with the data before the first step.

    Args:
      root: of the folder.
      cache: where passes over the data are remembered.
    """

    def __init__(self, root: str, cache: str):
        # imported before the clock starts
        from segjax.core import opstring
        from segjax.data import datasets, pipeline, statistics
        from segjax.data.audit import start
        from segjax.data.ops import OPS

        self.root, self.cache = root, cache
        self.ops = opstring.parse("crop(32, 32) | flip_lr()", OPS)
        self.rooms = datasets, start, statistics, pipeline

    def seconds(self, depth: str) -> dict[str, float]:
        """Of each part and of `all`, at an audit of `depth`."""
        datasets, audit, statistics, pipeline = self.rooms
        taken: dict[str, float] = {}

        def timed(what: str, function: Callable, *arguments: Any, **options: Any):
            begin = time.perf_counter()
            result = function(*arguments, **options)
            taken[what] = time.perf_counter() - begin
            return result

        def sources():
            return [
                datasets.make(name="folder", root=self.root, split=split, val_share=0.1)
                for split in ("train", "val")
            ]

        both = timed("listing and splitting", sources)
        timed("audit", audit.run, both, depth=depth, cache=self.cache)
        timed("statistics", statistics.measure, both[0], self.cache)

        def first_batch():
            stream = pipeline.train_batches(both[0], self.ops, seed=0, batch_size=BATCH)
            next(stream)
            stream.close()

        timed("first batch", first_batch)
        return {**taken, "all": sum(taken.values())}
