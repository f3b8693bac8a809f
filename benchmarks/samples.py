"""Draw the sample pictures of `segjax serve`, with their true masks.

They are scenes of the test split of `segjax.data.datasets.streets`, made of random
numbers alone, so that there is no picture of anyone else's in the server. The files are
in the repository, as the environment of a server cannot draw them.

    python -m benchmarks.samples
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from segjax.data.datasets import streets
from segjax.web.pages.samples import FOLDER, SAMPLES

SIZE = (128, 192)
"""That of `configs/streets_unet.py`, by which a first model is made."""

SCENES = {"noon": 13, "evening": 16, "fog": 14, "night": 20}
"""Name -> place in the test split of seed 0."""

FIRST = 2_000_000
"""Scene number of the split's first picture."""


def draw(folder: Path) -> None:
    """Write `NAME.webp` and `NAME_truth.png` for each sample."""
    palette = np.zeros((256, 3), np.uint8)
    palette[: streets.INFO.num_classes] = streets.INFO.class_colours
    for sample in SAMPLES:
        image, label = streets.still(0, FIRST + SCENES[sample.name], SIZE)
        Image.fromarray(image).save(folder / sample.picture, quality=82, method=6)
        truth = Image.fromarray(label)
        truth.putpalette(palette.tobytes())
        truth.save(folder / sample.truth, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    draw(parser.parse_args().folder)
