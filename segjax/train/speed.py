"""How fast the loader and the step of a config are, each alone, on this machine."""

import dataclasses
import statistics
import time
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import optax
from jax.sharding import Mesh

from segjax import config, losses, optim, parallel, parts
from segjax.core.info import DatasetInfo
from segjax.core.keys import IMAGE
from segjax.core.state import TrainState
from segjax.data import pipeline
from segjax.data.ops import Normalize
from segjax.data.source import Source
from segjax.models.segmenter import Segmenter
from segjax.train import init
from segjax.train.step import compile_step, step_of

ENOUGH = 1.5
"""Times as fast as the step a loader must be for the step never to wait."""


@dataclasses.dataclass(frozen=True)
class Speed:
    """Images per second.

    Attributes:
      loader: that the input pipeline of this process gives, with nothing beside it.
      step: that the train step takes, of one batch that lies on the devices.
    """

    loader: float
    step: float

    @property
    def ratio(self) -> float:
        """How many times as fast as the step the loader is."""
        return self.loader / self.step


def measure(
    checked: config.Config, source: Source, *, batches: int = 20, steps: int = 10
) -> Speed:
    """Measure both, one after the other.

    Args:
      checked: the config.
      source: what it trains on.
      batches: timed batches of the loader.
      steps: timed steps; half a minute of them at most.
    """
    batch, loader = load(checked, source, batches)
    function, state, placed = step_and_arguments(checked, source.info, batch)
    program = function.lower(state, placed).compile()
    seconds: list[float] = []
    while len(seconds) < steps + 2 and sum(seconds) < 30:
        begin = time.perf_counter()
        state, scalars = program(state, placed)
        jax.block_until_ready(scalars)
        seconds.append(time.perf_counter() - begin)
    return Speed(loader, len(batch[IMAGE]) / statistics.median(seconds[2:] or seconds))


def load(
    checked: config.Config, source: Source, batches: int
) -> tuple[dict[str, np.ndarray], float]:
    """A batch, and the images per second of `batches` more, read-ahead not counted."""
    options = checked.input
    ahead = max(options.threads, 1) + 2 * options.workers
    stream = pipeline.train_batches(
        source,
        checked.train_ops[0],
        seed=checked.seed,
        batch_size=options.batch_size,
        workers=options.workers,
        threads=options.threads,
        prefetch=1,
    )
    for _ in range(ahead + 1):  # what was made before the clock started
        batch = next(stream)
    begin = time.perf_counter()
    for _ in range(batches):
        next(stream)
    seconds = time.perf_counter() - begin
    stream.close()
    return batch, batches * options.batch_size / seconds


def step_and_arguments(
    checked: config.Config, info: DatasetInfo, batch: Mapping[str, np.ndarray]
) -> tuple[Any, TrainState, dict[str, jax.Array]]:
    """The jitted step of a config, a fresh state for it, and the batch on the devices.

    Class weights are left out, and the mean and deviation of the data are 0.5 and 0.25.
    """
    mesh = parallel.make_mesh()
    function, model, tx, options = step_without_data(checked, info, mesh)
    state = init.make_state(model, tx, seed=checked.seed, **options)
    return function, state, parallel.put_batch(mesh, batch)


def step_without_data(
    checked: config.Config, info: DatasetInfo, mesh: Mesh
) -> tuple[Any, Segmenter, optax.GradientTransformation, dict[str, Any]]:
    """The jitted step of a config as far as it is known without the data.

    Class weights are left out, and the mean and deviation of the data are 0.5 and 0.25.

    Returns:
      The step; model, optimiser and the other arguments of `init.make_state` and
      `init.abstract_state`, for the state that the step takes.
    """
    made = parts.make(checked, info)
    if made.normalize.from_data:
        channels = info.pixels.channels
        normalize = Normalize((0.5,) * channels, (0.25,) * channels)
        made = dataclasses.replace(made, normalize=normalize)
    terms = {
        name: {k: v for k, v in options.items() if k != "class_weights"}
        for name, options in checked.loss.items()
    }
    tx, _ = optim.make(num_steps=checked.train.num_steps, **checked.optim)
    function = compile_step(step_of(made, losses.make(terms, checked.task), tx), mesh)
    options = {
        "mesh": mesh,
        "use_ema": checked.train.ema_decay > 0,
        "channels": info.pixels.channels,
    }
    return function, made.model, tx, options
