"""The dense CRF beside pydensecrf, its authors' C++ code, taking turns.

    pip install pydensecrf2==1.1
    python -m benchmarks.crf --rounds=5

For each size a drawn street and probabilities made up from its truth, both with the
defaults of `crf()`. Prints wall and processor seconds of either, how many times longer
theirs takes (medians of rounds and their quartiles), the largest difference of the
probabilities, and what our side adds to the memory of the process.
"""

import pathlib
import statistics
import time

import numpy as np
from absl import app, flags

from benchmarks import clock
from benchmarks.postprocess import ROUNDS, predicted
from segjax.core.keys import IMAGE, LABEL
from segjax.data import datasets
from segjax.postprocess.crf import Crf
from tests.postprocess.crf_oracle import theirs

SIZES = {"360x480": (360, 480, 11), "1024x2048": (1024, 2048, 19)}

ONLY = flags.DEFINE_enum("only", None, list(SIZES), "One of the sizes.")


def main(argv):
    del argv
    print("| size | side | wall s | processor s | times segjax (quartiles), wall |")
    print("|---|---|---:|---:|---|")
    for name in [ONLY.value] if ONLY.value else SIZES:
        *size, K = SIZES[name]
        example = datasets.make("streets", "val", size=tuple(size), num_val=1)[0]
        shares = predicted(example[LABEL], K)
        image, step = example[IMAGE], Crf()
        begin = time.perf_counter()
        step.shares(shares, image)
        first, before = time.perf_counter() - begin, memory("VmRSS")
        pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        ours = step.shares(shares, image)
        more = memory("VmHWM") - before
        difference = np.abs(ours - theirs(step, shares, image)).max()
        sides = {
            "segjax": turn(step.shares, shares, image),
            "pydensecrf2": turn(theirs, step, shares, image),
        }
        taken = clock.alternate(sides, ROUNDS.value)
        wall = {k: [[t[0]] for t in rounds] for k, rounds in taken.items()}
        for side, rounds in taken.items():
            seconds = clock.pooled(wall[side]).median
            cpu = statistics.median(t[1] for t in rounds)
            ratio = clock.ratios(wall[side], wall["segjax"])
            words = f"{ratio.median:.2f} ({ratio.low:.2f}-{ratio.high:.2f})"
            print(f"| {name}x{K} | {side} | {seconds:.3f} | {cpu:.3f} | {words} |")
        print(
            f"\n{name}: largest difference {difference:.1e}; first call {first:.1f} s; "
            f"{more:.0f} MiB more memory while ours runs\n",
            flush=True,
        )


def turn(call, *args):
    """A turn: wall and processor seconds of one call."""

    def taken():
        wall, cpu = time.perf_counter(), time.process_time()
        call(*args)
        return [time.perf_counter() - wall, time.process_time() - cpu]

    return taken


def memory(name: str) -> float:
    """What Linux says of this process, in MiB."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return int(next(x for x in lines if x.startswith(name)).split()[1]) / 1024


if __name__ == "__main__":
    app.run(main)
