"""Time each op of the augmentation on one image, on one core.

    python benchmarks/ops.py --height=512 --width=1024 --rounds=15

Prints a Markdown table: the images that an op takes, and the median and the least
processor time of it in milliseconds, of the strings that `segjax inspect --ops` draws,
each with its probability raised to 1. The image is a drawn street; reading the file and
the partners of ops that mix, which are read and augmented like any example, are not
counted.
"""

import statistics
import time

import cv2
import numpy as np
from absl import app, flags

from segjax.core.keys import IMAGE, LABEL
from segjax.data import datasets, ops
from segjax.report import effects

WORDS = {"all": "all", "integers": "8 and 16 bits", "rgb": "8-bit RGB"}
"""Images that an op takes, in the words of the column."""

HEIGHT = flags.DEFINE_integer("height", 512, "Of the image, in pixels.")
WIDTH = flags.DEFINE_integer("width", 1024, "Likewise.")
ROUNDS = flags.DEFINE_integer("rounds", 15, "Timed calls of each op.")


def main(argv):
    del argv
    cv2.setNumThreads(1)
    size = HEIGHT.value, WIDTH.value
    source = datasets.make("streets", "train", size=size, num_train=4)
    examples = [{k: source[i][k] for k in (IMAGE, LABEL)} for i in range(len(source))]
    print(f"| op, on {size[0]}x{size[1]} | images | median ms | least ms |")
    print("|---|---|---|---|")
    for name, string in effects.strings(*size).items():
        if name in ops.PRESETS:
            continue  # their parts stand above
        (op,) = effects.certain(string)
        times = [_seconds(op, examples, seed) for seed in range(ROUNDS.value + 2)][2:]
        middle, least = 1e3 * statistics.median(times), 1e3 * min(times)
        kind = WORDS[ops.images(op)]
        print(f"| `{string}` | {kind} | {middle:.1f} | {least:.1f} |", flush=True)


def _seconds(op, examples, seed: int) -> float:
    rng = np.random.default_rng(seed)
    begin = time.thread_time()
    if ops.is_mixing(op):
        op.mix(examples[: 1 + op.partners], rng)
    elif ops.is_random(op):
        op.random_map(examples[0], rng)
    else:
        op.map(examples[0])
    return time.thread_time() - begin


if __name__ == "__main__":
    app.run(main)
