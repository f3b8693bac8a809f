"""How fast the loader and the step of a config are, each alone, on this machine."""

import dataclasses
import statistics
import time
from typing import Any

import jax

from segjax import config, losses, optim, parallel, parts
from segjax.data import pipeline
from segjax.data.source import Source
from segjax.train import init
from segjax.train.step import compile_step, make_step

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

    Class weights and mean and deviation of the data, which cost no time in a step, are
    left out.

    Args:
      checked: the config.
      source: what it trains on.
      batches: timed batches of the loader.
      steps: timed steps; half a minute of them at most.
    """
    batch, loader = _loader(checked, source, batches)
    return Speed(loader, _step(checked, source, batch, steps))


def _loader(checked: config.Config, source: Source, batches: int) -> tuple[Any, float]:
    """One batch and the images per second of all, read-ahead not counted."""
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


def _step(checked: config.Config, source: Source, batch: Any, steps: int) -> float:
    """Images per second of the median step."""
    made = parts.make(checked, source.info)
    terms = {
        name: {k: v for k, v in options.items() if k != "class_weights"}
        for name, options in checked.loss.items()
    }
    normalize, channels = made.normalize, source.info.pixels.channels
    if normalize.from_data:
        normalize = dataclasses.replace(
            normalize, mean=(0.5,) * channels, std=(0.25,) * channels
        )
    mesh = parallel.make_mesh()
    tx, _ = optim.make(num_steps=checked.train.num_steps, **checked.optim)
    state = init.make_state(
        made.model,
        tx,
        seed=checked.seed,
        mesh=mesh,
        use_ema=checked.train.ema_decay > 0,
        channels=channels,
    )
    step = make_step(
        made.model,
        losses.make(terms, checked.task),
        tx,
        normalize=normalize,
        num_classes=source.info.num_classes,
        task=checked.task,
        seed=checked.seed,
        ema_decay=checked.train.ema_decay,
        aux_weight=checked.train.aux_weight,
        freeze=checked.optim.get("freeze", ()),
    )
    placed = parallel.put_batch(mesh, batch)
    program = compile_step(step, mesh).lower(state, placed).compile()
    seconds: list[float] = []
    while len(seconds) < steps + 2 and sum(seconds) < 30:
        begin = time.perf_counter()
        state, scalars = program(state, placed)
        jax.block_until_ready(scalars)
        seconds.append(time.perf_counter() - begin)
    return checked.input.batch_size / statistics.median(seconds[2:] or seconds)
