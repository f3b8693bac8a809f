"""Files of predictions: milliseconds and bytes of PNG encoders, and of polygons.

  python benchmarks/results.py
  python benchmarks/results.py --root=DIR      # CamVid beside the drawn scene

Each line has KiB and the least processor time of some calls, in ms, on one thread.
`segjax predict` itself prints how much of its time went to the network, and what waited
for files.
"""

import argparse
import io
import time
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image

from segjax.data import datasets
from segjax.report import coco, colour, geojson, png, polygons

SIZES = ((360, 480), (1080, 1440), (2160, 2880))


def main() -> None:
    cv2.setNumThreads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", help="folder of CamVid")
    root = parser.parse_args().root
    sources = [datasets.make("streets", "val", size=SIZES[0], num_val=1, num_train=1)]
    if root:
        sources.append(datasets.make("camvid", "val", root=root))
    for source in sources:
        for size in SIZES:
            measure(source, size)


def measure(source, size: tuple[int, int]) -> None:
    """Print the rows of one picture, resized."""
    example, info = source[0], source.info
    image = cv2.resize(example["image"], size[::-1])
    ids = cv2.resize(example["label"], size[::-1], interpolation=cv2.INTER_NEAREST)
    ids[ids >= info.num_classes] = 0
    palette = info.palette()
    print(f"\n{info.name}, {size[0]}x{size[1]}")
    for name, pixels, table in (
        ("ids", ids, palette),
        ("colour", colour.colourise(ids, info), None),
        ("overlay", colour.overlay(image, ids, info), None),
    ):
        row(f"{name}, segjax", lambda p=pixels, t=table: png.encode(p, t))
        for level in (1, 6):
            row(
                f"{name}, Pillow, level {level}", lambda p=pixels, n=level: pillow(p, n)
            )
        if pixels.ndim == 3:  # OpenCV writes no palette
            row(f"{name}, OpenCV", lambda p=pixels: cv2.imencode(".png", p)[1])
    regions, labels = polygons.regions(ids)
    print(f"{len(regions)} regions")
    row("regions", lambda: polygons.regions(ids) and b"")
    row("GeoJSON of them", lambda: geojson.collection(regions, info))
    row("COCO of them", lambda: "".join(coco.annotations(regions, labels)))


def row(name: str, call: Callable, calls: int = 5) -> None:
    """One line: KiB and ms."""
    times = []
    for _ in range(calls):
        begin = time.thread_time()
        result = call()
        times.append(time.thread_time() - begin)
    print(f"{name:28} {len(result) / 1024:9.1f} KiB {1000 * min(times):9.1f} ms")


def pillow(pixels: np.ndarray, level: int) -> bytes:
    """The same by Pillow, whose own default is level 6."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=level)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
