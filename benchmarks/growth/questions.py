"""What is asked: a row a question, its values and the laws that are expected."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

from benchmarks import alive
from benchmarks.forms import Form
from benchmarks.growth import answers, slope
from benchmarks.growth.slope import Law

WIDTH = {"unet": dict(width=16)}
"""Model -> its arguments, where they are not the slim form of `benchmarks.alive`."""

CLIP = dict(width=8, depth=2)

TIMED, COUNTED = 0.2, 0.05
"""Tolerances of slopes: of times on a machine that does nothing else, of counts."""


@dataclasses.dataclass(frozen=True)
class Series:
    """One thing that is measured at every value.

    Attributes:
      name: as the answer calls it.
      unit: `s`, `bytes` or `operations`.
      law: how it should grow.
    """

    name: str
    unit: str
    law: Law

    @property
    def tolerance(self) -> float:
        """How far the slope may be from the law's."""
        return TIMED if self.unit == "s" else COUNTED


@dataclasses.dataclass(frozen=True)
class Question:
    """A kind of growth.

    Attributes:
      title: what is asked.
      axis: name of the values.
      values: what grows, rising.
      series: what is measured.
      answer: `(values, model, pace) -> Answer`.
      x: what the slope is taken over, of a value.
      tick: a value as written on the axis.
      few: the values of a dry run.
    """

    title: str
    axis: str
    values: tuple[int, ...]
    series: tuple[Series, ...]
    answer: Callable[[Sequence[int], str, answers.Pace], answers.Answer]
    x: Callable[[int], float] = float
    tick: str = "{:,}"
    few: tuple[int, ...] = (1, 2)


def network(model: str, **form) -> Form:
    """`model` in its slim form."""
    options = dict(WIDTH.get(model, alive.FORMS[model]))
    frames = options.pop("frames", 1)
    options.pop("size", None)
    return Form(model, options, **{"frames": frames, **form})


def sizes(values: Sequence[int], model: str, pace: answers.Pace) -> answers.Answer:
    """A step of two square images, by their side."""
    made = {n: network(model, batch=2, size=(n, n)) for n in values}
    return answers.steps({"": made}, pace)


def batches(values: Sequence[int], model: str, pace: answers.Pace) -> answers.Answer:
    """A step of 96x96 pixels, by the number of images."""
    made = {n: network(model, batch=n, size=(96, 96)) for n in values}
    return answers.steps({"": made}, pace)


def devices(values: Sequence[int], model: str, pace: answers.Pace) -> answers.Answer:
    """A step of eight images of 64x64 on so many devices; and of 32x32."""
    return answers.devices(network(model, batch=8, size=(64, 64)), values)


def clips(values: Sequence[int], model: str, pace: answers.Pace) -> answers.Answer:
    """A step of one clip of 64x64 of the network with a memory, with and without remat.

    The model of the other questions has no say here.
    """

    def made(remat: bool) -> dict[int, Form]:
        options = {**CLIP, "remat": remat}
        return {
            T: Form("convlstm_unet", options, batch=1, size=(64, 64), frames=T)
            for T in values
        }

    return answers.steps({"": made(False), "remat ": made(True)}, pace, count=False)


def classes(values: Sequence[int], model: str, pace: answers.Pace) -> answers.Answer:
    """A step of two images of 96x96, by the number of classes."""
    made = {
        K: dataclasses.replace(network(model, batch=2, size=(96, 96)), classes=K)
        for K in values
    }
    return beside_counts(answers.steps({"": made}, pace), made)


def beside_counts(answer: answers.Answer, made: Mapping[int, Form]) -> answers.Answer:
    """Checks that of the operations the confusion matrix alone grows with K squared.

    Its counts are a product of matrices of 0 and 1, two operations a pixel and pair of
    classes; what is left must be a line.
    """
    counts = {K: 2 * f.batch * math.prod(f.size) * K**2 for K, f in made.items()}
    taken = zip(answer.found["operations"], counts.values(), strict=True)
    rest = [count - own for (count,), own in taken]
    line = slope.fit(list(made), rest, Law(1, "a + b K", "", constant=True))
    K = max(made)
    says = (
        f"without the confusion matrix, {counts[K] / 1e9:.2f} GFLOP at {K} classes, "
        f"operations are a line: {line.b / 1e6:.2f} MFLOP a class, "
        f"within {100 * line.within:.1f} %"
    )
    checks = (*answer.checks, (says, line.within < 0.01))
    return dataclasses.replace(answer, checks=checks)


def examples(values: Sequence[int], model: str, pace: answers.Pace) -> answers.Answer:
    """From the start of a run to its first batch, by the number of examples."""
    return answers.starts(values, pace)


PIXELS, BATCH, FRAMES = "∝ H W", "∝ B", "∝ T"
WEIGHTS = "activations grow, gradients of the weights do not"

QUESTIONS = {
    "size": Question(
        "How does a step grow with the image?",
        "side of a square image, pixels",
        (64, 128, 192, 256, 384),
        (
            Series("step", "s", Law(1, PIXELS, "each pixel costs the same")),
            Series("memory", "bytes", Law(1, f"a + b {PIXELS[2:]}", WEIGHTS, True)),
            Series("operations", "operations", Law(1, PIXELS, "convolutions")),
        ),
        sizes,
        x=lambda side: float(side) ** 2,
        tick="{0}²",
        few=(32, 64),
    ),
    "batch": Question(
        "How does a step grow with the batch?",
        "images in a batch",
        (1, 2, 4, 8, 16),
        (
            Series("step", "s", Law(1, BATCH, "each image costs the same")),
            Series("memory", "bytes", Law(1, "a + b B", WEIGHTS, True)),
            Series("operations", "operations", Law(1, BATCH, "convolutions")),
        ),
        batches,
    ),
    "devices": Question(
        "What does each of N devices do?",
        "devices that share a batch of 8",
        (1, 2, 4, 8),
        (
            Series(
                "operations a device",
                "operations",
                Law(-1, "∝ 1 / N", "each device has its share of the images"),
            ),
            Series(
                "memory a device",
                "bytes",
                Law(-1, "a + b / N", "weights are held by all, activations shared",
                    constant=True),
            ),
            Series(
                "bytes in collectives",
                "bytes",
                Law(0, "constant", "gradients and sums of batch norms, no pixels"),
            ),
        ),
        devices,
    ),
    "clip": Question(
        "How does a step grow with the clip?",
        "frames in a clip",
        (2, 4, 8, 16),
        (
            Series("step", "s", Law(1, FRAMES, "each frame costs the same")),
            Series(
                "remat step", "s", Law(1, FRAMES, "the way forward is gone twice")
            ),
            Series("memory", "bytes", Law(1, "a + b T", "all frames are kept", True)),
            Series(
                "remat memory",
                "bytes",
                Law(1, "a + b T", "outputs of each frame are kept, insides of √T",
                    constant=True),
            ),
        ),
        clips,
        few=(2, 3),
    ),
    "data": Question(
        "How long until the first batch?",
        "examples in the folder",
        (100, 300, 1_000, 3_000, 10_000),
        (
            Series(
                answers.FIRST_FULL, "s",
                Law(1, "a + b n", "every file is decoded once", True),
            ),
            Series(
                answers.FIRST_MASKS, "s",
                Law(1, "a + b n", "every mask is decoded once", True),
            ),
            Series(
                answers.SECOND, "s",
                Law(1, "a + b n", "every file is listed and hashed", True),
            ),
            Series(
                answers.BATCH, "s",
                Law(0, "constant", "the order is worked out place by place"),
            ),
        ),
        examples,
        few=(10, 20),
    ),
    "classes": Question(
        "How does a step grow with the classes?",
        "classes",
        (2, 10, 50, 100, 200),
        (
            Series("step", "s", Law(1, "a + b K", "only head and loss grow", True)),
            Series("memory", "bytes",
                   Law(1, "a + b K", "only the logits grow", True)),
            Series(
                "operations",
                "operations",
                Law(2, "a + b K²", "confusions are a product of 0/1 matrices", True),
            ),
        ),
        classes,
        few=(2, 4),
    ),
}  # fmt: skip
"""Word of the command line -> question."""
