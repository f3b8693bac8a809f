"""Draw and time each step of post-processing on one drawn street.

    python benchmarks/postprocess.py --out=docs/postprocess.webp

Prints a Markdown table: how many pixels each step changes, how many of the wrong ones
it leaves, and the median processor time in milliseconds at 360x480, with 11 classes or
two; `crf` compiles before it is timed. The prediction is made up from the truth, as of
a network of an eighth of the size that is wrong in blotches and at single pixels. The
picture shows a part of it before and after each step.
"""

import functools
import statistics
import time

import numpy as np
from absl import app, flags
from PIL import Image
from scipy import ndimage

from segjax import postprocess
from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE, IMAGE, LABEL
from segjax.data import datasets
from segjax.report.colour import colourise
from segjax.report.drawing import FAINT, PAPER, text

STEPS = (
    "gaussian(2)",
    "median(5)",
    "mode(5)",
    "components(60)",
    "holes(200, classes=(3, 5, 7))",
    "dilation(2)",
    "erosion(2)",
    "opening(2)",
    "closing(3)",
    "guided(8)",
    "crf()",
    "split_merge(8)",
    "guided(8) | components(60)",
)
"""One of each; those that take two classes see the plants and the rest."""

SIZE, CROP, ZOOM = (360, 480), np.s_[120:270, 130:330], 2
PLANTS = "vegetation"

OUT = flags.DEFINE_string("out", None, "Picture to write; none by default.")
ROUNDS = flags.DEFINE_integer("rounds", 5, "Timed calls of each step.")
SCENE = flags.DEFINE_integer("scene", 3, "Number of the scene.")


def main(argv):
    del argv
    source = datasets.make("streets", "val", size=SIZE, num_val=SCENE.value + 1)
    example = source[SCENE.value]
    image, truth, info = example[IMAGE], example[LABEL], source.info
    shares = predicted(truth, info.num_classes)
    plants = info.class_names.index(PLANTS)
    of_plants = np.stack([1 - shares[..., plants], shares[..., plants]], -1)
    colours = (64, 64, 64), info.class_colours[plants]
    both = DatasetInfo("plants", ("other", PLANTS), colours)
    two = np.where(truth == IGNORE, IGNORE, truth == plants).astype(np.uint8)
    cases = {2: (of_plants, two, both), info.num_classes: (shares, truth, info)}
    print("| step | classes | changes, % | wrong before, after, % | median ms |")
    print("|---|---:|---:|---:|---:|")
    rows = []
    for name in STEPS:
        chain = postprocess.parse(name)
        K = 2 if chain.problems(info.num_classes, "") else info.num_classes
        given, label, table = cases[K]
        before = given.argmax(-1).astype(np.uint8)
        seen = {"image": image if chain.of_image else None, "shares": given}
        after, seconds = timed(functools.partial(chain.apply, before, K, **seen))
        known = label != IGNORE
        wrong = [100 * (ids != label)[known].mean() for ids in (before, after)]
        change = 100 * (after != before).mean()
        words = f"{wrong[0]:.1f}, {wrong[1]:.1f}"
        escaped = name.replace("|", r"\|")
        print(f"| `{escaped}` | {K} | {change:.1f} | {words} | {1e3 * seconds:.1f} |")
        rows.append((name, colourise(before, table), colourise(after, table)))
    if OUT.value:
        picture(image, colourise(truth, info), rows).save(OUT.value, lossless=True)


def predicted(truth: np.ndarray, K: int) -> np.ndarray:
    """Probabilities of a network that sees an eighth and errs."""
    rng = np.random.default_rng(0)
    nearest = ndimage.distance_transform_edt(
        truth == IGNORE, return_distances=False, return_indices=True
    )
    one_hot = np.eye(K)[truth[tuple(nearest)]]
    coarse = ndimage.uniform_filter(one_hot, (8, 8, 1))[4::8, 4::8]
    blotches = ndimage.gaussian_filter(rng.standard_normal(coarse.shape), (2, 2, 0))
    logits = 5 * coarse + 6 * blotches
    fine = ndimage.zoom(logits, (8, 8, 1), order=1, mode="nearest", grid_mode=True)
    fine = fine + 0.8 * rng.standard_normal(fine.shape)
    found = np.exp(fine - fine.max(-1, keepdims=True))
    return (found / found.sum(-1, keepdims=True)).astype(np.float32)


def timed(call):
    """What it gives, and the median of its processor times after a first one."""
    found, times = call(), []
    for _ in range(ROUNDS.value):
        begin = time.process_time()
        call()
        times.append(time.process_time() - begin)
    return found, statistics.median(times)


def picture(image, truth, rows) -> Image.Image:
    """Image and truth, then two steps a line, before and after each."""
    cells = [("the image", image), ("the truth", truth)]
    for name, before, after in rows:
        cells += [("before", before), (name, after)]
    height, width = (ZOOM * n for n in image[CROP].shape[:2])
    line, gap = 34, 8
    lines = -(-len(cells) // 4)
    size = 4 * (width + gap) + gap, lines * (height + line) + gap
    sheet = Image.new("RGB", size, PAPER)
    for i, (words, pixels) in enumerate(cells):
        left = gap + i % 4 * (width + gap)
        top = i // 4 * (height + line)
        colour = FAINT if words == "before" else (33, 37, 41)
        text(sheet, (left, top + line // 2), words, 20, colour=colour, width=width)
        small = Image.fromarray(np.ascontiguousarray(pixels[CROP]))
        small = small.resize((width, height), Image.Resampling.NEAREST)
        sheet.paste(small, (left, top + line))
    return sheet


if __name__ == "__main__":
    app.run(main)
