"""What a run will need, worked out before any of it runs: memory, operations, time.

The train step of a config is compiled for shapes alone. Of XLA's analysis of the
program come the bytes, and from the same step in XLA's own operations the FLOPs; no
image is read and no parameter is made, unless a step is timed.
"""

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from segjax import config, parallel
from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.core.keys import IMAGE, LABEL
from segjax.core.pixels import RGB, Pixels
from segjax.nn.backend import portable
from segjax.train import cost, init, resident, speed

COMPILES = 6
"""Programs that one search may compile."""

WARM = 2
"""Steps before the clock of a timed step starts."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the train step of a config needs.

    Attributes:
      parameters: trained numbers.
      running_statistics: numbers of batch norm that are not trained.
      batch: shape of the batch's images, `(B, H, W, C)` or `(B, T, H, W, C)`.
      devices: that share the batch.
      gflop: 1e9 floating-point operations of one train step, over all devices, as XLA
        counts them in the program before it is optimised.
      train_bytes: peak memory of a train step on one device by XLA's own analysis of
        the compiled program: arguments, results and temporary arrays.
      state_bytes: of these, parameters, optimiser, averages and statistics.
      resident: memory of the whole process on a CPU; None elsewhere.
      compile_seconds: that compiling the step took here.
      step_seconds: median of the timed steps on made-up data; None if not timed.
      total_seconds: the compilation and all steps, without data that come too late and
        without evaluations; None if not timed.
    """

    parameters: int
    running_statistics: int
    batch: tuple[int, ...]
    devices: int
    gflop: float
    train_bytes: int
    state_bytes: int
    resident: resident.Resident | None
    compile_seconds: float
    step_seconds: float | None = None
    total_seconds: float | None = None


@dataclasses.dataclass(frozen=True)
class Largest:
    """What fits a memory.

    Attributes:
      value: the largest size that was compiled and fits; None if none does.
      train_bytes: what it needs, on a CPU with the whole process and all that freed
        memory may add; of the smallest size if none fits.
      exact: whether the next size was compiled, too, and does not fit.
      compiled: programs that the search compiled.
    """

    value: Any
    train_bytes: int
    exact: bool
    compiled: int


def of(
    checked: config.Config,
    info: DatasetInfo,
    *,
    time_steps: int = 0,
    size: tuple[int, int] | None = None,
) -> Plan:
    """What a config needs, from shapes alone.

    Call `process.prepare` before JAX has a device, as a run does.

    Args:
      checked: the config.
      info: the class table and pixels of its data.
      time_steps: steps to time on made-up data; 0 computes nothing.
      size: `(H, W)` of the training images; by default what the config's train ops
        make.

    Raises:
      UserError: the train ops do not say a size and `size` does not either, or the
        model does not take it.
    """
    mesh = parallel.make_mesh()
    batch = batch_of(checked, info, size)
    function, model, tx, options = speed.step_without_data(checked, info, mesh)
    target = init.abstract_state(model, tx, **options)
    shapes = parallel.abstract_batch(mesh, batch)
    with portable():  # XLA cannot count within another library's calls
        counted = function.lower(target, shapes).cost_analysis() or {}
    begin = time.perf_counter()
    compiled = function.lower(target, shapes).compile()
    seconds = time.perf_counter() - begin
    whole = resident.of(compiled, batch)
    step_seconds = total = None
    if time_steps:
        state = init.make_state(model, tx, seed=checked.seed, **options)
        placed = parallel.put_batch(mesh, filled(batch, info.num_classes))
        step_seconds = _timed(compiled, state, placed, time_steps)
        total = seconds + step_seconds * checked.train.num_steps
    return Plan(
        parameters=init.count_parameters(target.params),
        running_statistics=init.count_parameters(target.batch_stats),
        batch=batch[IMAGE].shape,
        devices=mesh.size,
        gflop=counted.get("flops", math.nan) / 1e9,
        train_bytes=cost.peak_bytes(compiled),
        state_bytes=sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(target)),
        resident=whole,
        compile_seconds=seconds,
        step_seconds=step_seconds,
        total_seconds=total,
    )


def largest_batch(
    checked: config.Config,
    info: DatasetInfo,
    memory: int,
    *,
    size: tuple[int, int] | None = None,
    most: int = 4096,
) -> Largest:
    """The largest batch size whose train step fits `memory` bytes on each device.

    Multiples of the devices, up to `most`; all else as the config has it. On a CPU the
    whole process has to fit.
    """
    devices = parallel.make_mesh().size
    counts = range(devices, max(most, devices) + 1, devices)

    def needs(batch_size: int) -> int:
        return _bytes(_with_batch(checked, batch_size), info, size)

    start = max(0, checked.input.batch_size // devices - 1)
    return _search(counts, needs, lambda count: count, memory, start)


def largest_size(
    checked: config.Config,
    info: DatasetInfo,
    memory: int,
    *,
    size: tuple[int, int] | None = None,
    most: int = 4096,
) -> Largest:
    """The largest training image `(H, W)` whose train step fits `memory` bytes.

    In the proportions of the config's own, on sides that the model takes, up to a
    height of `most`; all else as the config has it.
    """
    H, W = size or _size(checked)
    sizes = _sizes(checked, info, (H, W), most)

    def needs(sides: tuple[int, int]) -> int:
        return _bytes(checked, info, sides)

    start = min(range(len(sizes)), key=lambda i: abs(sizes[i][0] - H))
    return _search(sizes, needs, math.prod, memory, start)


def batch_of(
    checked: config.Config, info: DatasetInfo, size: tuple[int, int] | None = None
) -> dict[str, np.ndarray]:
    """A batch of zeros as the config's loader makes it, without the data.

    Nothing is held: the arrays are views of one number.

    Raises:
      UserError: neither the train ops nor `size` say how large the images are.
    """
    H, W = size or _size(checked)
    B, T = checked.input.batch_size, checked.data.get("frames", 1)
    clip = (T,) if T > 1 else ()
    labelled = clip if checked.data.get("labelled") == "all" else ()
    pixel = np.zeros((), info.pixels.depth)
    return {
        IMAGE: np.broadcast_to(pixel, (B, *clip, H, W, info.pixels.channels)),
        LABEL: np.broadcast_to(np.uint8(0), (B, *labelled, H, W)),
    }


def made_up(num_classes: int, pixels: Pixels = RGB) -> DatasetInfo:
    """A class table for a plan of a config whose data are not there."""
    names = tuple(f"class {k}" for k in range(num_classes))
    return DatasetInfo("made up", names, ((0, 0, 0),) * num_classes, pixels=pixels)


def _size(checked: config.Config) -> tuple[int, int]:
    """What the last op that names a height and a width makes."""
    ops = [o for o in checked.train_ops[0] if hasattr(o, "height") and o.height]
    if not ops:
        raise UserError(
            f"config.input.train_ops={checked.input.train_ops!r}: no op says how large "
            "the images become. End with crop(height, width) or resize(height, width), "
            "or give the size of the images: --size H W."
        )
    return ops[-1].height, ops[-1].width


def _sizes(
    checked: config.Config, info: DatasetInfo, size: tuple[int, int], most: int
) -> list[tuple[int, int]]:
    """Sides that the model takes, in the proportions of `size`, from small to large."""
    outputs = 1 if checked.task == "binary" else info.num_classes
    model = config.make_model(checked.model, outputs)

    def legal(side: float | int) -> int:
        return model.input_side(max(1, round(side) - 2 * model.margin))

    heights = sorted({legal(n) for n in range(1, most + 1)})
    return [(h, legal(h * size[1] / size[0])) for h in heights]


def _with_batch(checked: config.Config, batch_size: int) -> config.Config:
    section = dataclasses.replace(checked.input, batch_size=batch_size)
    return dataclasses.replace(checked, input=section)


def _bytes(
    checked: config.Config, info: DatasetInfo, size: tuple[int, int] | None
) -> int:
    """Peak memory of a train step, on a CPU of the process; it compiles."""
    mesh = parallel.make_mesh()
    function, model, tx, options = speed.step_without_data(checked, info, mesh)
    target = init.abstract_state(model, tx, **options)
    batch = batch_of(checked, info, size)
    shapes = parallel.abstract_batch(mesh, batch)
    compiled = function.lower(target, shapes).compile()
    whole = resident.of(compiled, batch)
    return whole.total + whole.kept if whole else cost.peak_bytes(compiled)


def _search(
    values: Sequence[Any],
    needs: Callable[[Any], int],
    amount: Callable[[Any], int | float],
    memory: int,
    start: int,
) -> Largest:
    """The last of `values` that needs at most `memory`, by a line through two points.

    `needs` rises with `amount(value)`, about linearly; each call of it is dear. What
    the line says is compiled and checked, and the line drawn again.
    """
    known: dict[int, int] = {}

    def fits(i: int) -> bool:
        if i not in known:
            known[i] = needs(values[i])
        return known[i] <= memory

    low, high = -1, len(values)  # the last that fits, the first that does not
    guess = min(start, len(values) - 1)
    while high - low > 1 and len(known) < COMPILES:
        if fits(guess):
            low = guess
        else:
            high = guess
        guess = _next(known, values, amount, memory, low, high)
    if low < 0:
        least = min(known)
        return Largest(None, known[least], least == 0, len(known))
    exact = high - low == 1 and high < len(values)
    return Largest(values[low], known[low], exact, len(known))


def _next(
    known: dict[int, int],
    values: Sequence[Any],
    amount: Callable[[Any], int | float],
    memory: int,
    low: int,
    high: int,
) -> int:
    """Where a line through the two nearest known points meets `memory`."""
    if len(known) == 1:
        (at,) = known
        other = 2 * at + 1 if low == at else at // 2
        return min(max(other, low + 1), max(low + 1, high - 1))
    a, b = sorted(sorted(known, key=lambda i: abs(known[i] - memory))[:2])
    rise = (known[b] - known[a]) / (amount(values[b]) - amount(values[a]))
    wanted = amount(values[b]) + (memory - known[b]) / rise if rise > 0 else math.inf
    below = [i for i in range(low + 1, high) if amount(values[i]) <= wanted]
    return below[-1] if below else min(low + 1, len(values) - 1)


def filled(batch: dict[str, np.ndarray], num_classes: int) -> dict[str, np.ndarray]:
    """A batch of the same shapes with made-up pixels and labels."""
    rng = np.random.default_rng(0)
    image, label = batch[IMAGE], batch[LABEL]
    top = 1.0 if image.dtype == np.float32 else np.iinfo(image.dtype).max
    pixels = rng.uniform(0, top, image.shape).astype(image.dtype)
    return {
        IMAGE: pixels,
        LABEL: rng.integers(0, num_classes, label.shape, dtype=np.uint8),
    }


def _timed(compiled: Any, state: Any, batch: Any, steps: int) -> float:
    """Median seconds of a step, each waited for."""
    seconds = []
    for _ in range(WARM + steps):
        begin = time.perf_counter()
        state, scalars = compiled(state, batch)
        jax.block_until_ready((state, scalars))
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[WARM:])
