"""What is looked at before a long training: does the step learn, and how fast may it?

The config's own step is compiled once and run for a hundred steps or two on the
config's own data, from fresh parameters for each check; what is found are numbers, and
what they mean is said by who asks.
"""

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Integer

from segjax import config, losses, optim, parallel, parts
from segjax.checkpoint import leaves
from segjax.core.keys import IGNORE, LABEL
from segjax.data.ops import is_random
from segjax.optim import masks
from segjax.train import init
from segjax.train.step import compile_step, step_of

Batch = Mapping[str, np.ndarray]

SMOOTH = 0.9
"""Share of the past in the smoothed loss of the range test."""

WORSE = 4.0
"""Times the least smoothed loss at which the range test ends."""

LEARNT = 0.99
"""Share of right pixels at which one batch counts as known by heart."""

Progress = Callable[[int, int], None] | None


@dataclasses.dataclass(frozen=True)
class Range:
    """A learning-rate range test.

    Attributes:
      rates: learning rate of each step, growing exponentially.
      losses: of the step's batch, before its update.
      smoothed: the same, an average that forgets, corrected at its start.
      steepest: the rate at which the smoothed loss falls fastest in the logarithm of
        the rate; None if it never falls.
      suggested: the steepest, or a tenth of the rate of the least smoothed loss where
        that is lower; None if it never falls.
      diverged: the rate at which the loss was not finite or rose to `WORSE` times its
        least; None if it did neither.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    steepest: float | None
    suggested: float | None
    diverged: float | None


@dataclasses.dataclass(frozen=True)
class OneBatch:
    """Training on a single batch.

    Attributes:
      steps: updates made.
      losses: of each.
      pixel_accuracy: on the batch, of the last step.
    """

    steps: int
    losses: tuple[float, ...]
    pixel_accuracy: float

    @property
    def fell(self) -> float:
        """Share of its first value that the loss has lost."""
        if not self.losses or self.losses[0] <= 0:
            return math.nan
        return 1 - min(self.losses) / self.losses[0]


@dataclasses.dataclass(frozen=True)
class Gradients:
    """The gradient of the first batch.

    Attributes:
      loss: of the batch, with the parameters as they are made.
      terms: of the loss, by name, without their weights.
      zero: arrays whose gradient is zero everywhere.
      bad: arrays whose gradient has a number that is not finite.
      frozen: arrays that the config freezes; left out of the two above.
      arrays: all of them.
    """

    loss: float
    terms: dict[str, float]
    zero: tuple[str, ...]
    bad: tuple[str, ...]
    frozen: int
    arrays: int


class Trial:
    """A config's network, loss and optimiser, to be trained for a few steps.

    Weights of the classes are worked out from the pixels of the batches given, not of
    the whole split.

    Args:
      made: the parts of the config, with the normalisation as numbers.
      batches: of its training; the first is what the checks of one batch take.
    """

    def __init__(self, made: parts.Parts, batches: Sequence[Batch]):
        checked = made.config
        self.batch = batches[0]
        self.counts = pixels(batches, made.info.num_classes)
        self.learning_rate = float(checked.optim["learning_rate"])
        self._flags: list[Any] = []
        mesh = parallel.make_mesh()
        chosen = {**checked.optim, "learning_rate": 1.0, "schedule": "constant"}
        shape = ("power", "end_factor", "boundaries", "every", "factor", "warmup_steps")
        chosen = {k: v for k, v in chosen.items() if k not in shape}
        inner, _ = optim.make(num_steps=checked.train.num_steps, **chosen)
        found = losses.class_weights(checked.loss, self.counts)
        loss = losses.make(checked.loss, checked.task, found)
        tx = _steered(inner, self._flags.append)
        options = {"mesh": mesh, "channels": made.info.pixels.channels}
        state = init.make_state(made.model, tx, seed=checked.seed, **options)
        self._fresh = jax.device_get(state)
        self._put = lambda batch: parallel.put_batch(mesh, batch)
        self._place = lambda tree: jax.device_put(tree, parallel.replicated(mesh))
        step = compile_step(step_of(made, loss, tx), mesh)
        self._step = step.lower(state, self._put(self.batch)).compile()
        self._freeze = masks.make(checked.optim.get("freeze", ()))

    def gradients(self) -> Gradients:
        """Loss and gradients of the first batch, with the parameters as made."""
        self._flags.clear()
        state, scalars = self._step(self._place(self._fresh), self._put(self.batch))
        jax.block_until_ready(state)
        jax.effects_barrier()
        (flags,) = self._flags
        found = dict(zip(leaves.flatten(self._fresh.params), flags.T, strict=True))
        fixed = leaves.flatten(self._freeze(self._fresh.params))
        free = {path: flag for path, flag in found.items() if not fixed[path]}
        return Gradients(
            loss=float(scalars["loss"]),
            terms={
                name.removeprefix("loss/"): float(value)
                for name, value in scalars.items()
                if name.startswith("loss/")
            },
            zero=tuple(path for path, (some, _) in free.items() if not some),
            bad=tuple(path for path, (_, finite) in free.items() if not finite),
            frozen=len(found) - len(free),
            arrays=len(found),
        )

    def one_batch(
        self, batch: Batch, *, steps: int = 150, progress: Progress = None
    ) -> OneBatch:
        """Train on one batch again and again at the config's learning rate.

        Ends early once `LEARNT` of its pixels are right.
        """
        found: list[float] = []
        accuracy = 0.0
        state = self._place(self._fresh)
        while len(found) < steps and accuracy < LEARNT:
            state, scalars = self._step(
                self._at(state, self.learning_rate), self._put(batch)
            )
            counts = np.asarray(scalars["counts"])
            accuracy = float(np.trace(counts) / max(1, counts.sum()))
            found.append(float(scalars["loss"]))
            _tell(progress, len(found), steps)
            if not math.isfinite(found[-1]):
                break
        return OneBatch(len(found), tuple(found), accuracy)

    def learning_rates(
        self,
        batches: Iterable[Batch],
        *,
        steps: int = 100,
        low: float = 1e-6,
        high: float = 1.0,
        progress: Progress = None,
    ) -> Range:
        """Train with a rate that grows from `low` to `high`, a batch a step.

        Source: Smith, Cyclical Learning Rates for Training Neural Networks, 2017,
          arXiv:1506.01186, section 3.3.
        Differs: the rate grows exponentially, so that its order need not be guessed,
          and the loss is looked at in place of the accuracy, as fastai does.
        """
        grown = [low * (high / low) ** (i / max(1, steps - 1)) for i in range(steps)]
        found: list[float] = []
        state = self._place(self._fresh)
        for rate, batch in zip(grown, batches, strict=False):
            state, scalars = self._step(self._at(state, rate), self._put(batch))
            found.append(float(scalars["loss"]))
            _tell(progress, len(found), steps)
            if not math.isfinite(found[-1]) or _is_lost(smoothed(found)):
                break
        return read_range(grown[: len(found)], found)

    def images_per_s(self, *, steps: int = 5) -> float:
        """How fast the step is, of one batch that lies on the devices."""
        state, placed = self._place(self._fresh), self._put(self.batch)
        seconds = []
        for _ in range(steps):
            begin = time.perf_counter()
            state, scalars = self._step(state, placed)
            jax.block_until_ready((state, scalars))
            seconds.append(time.perf_counter() - begin)
        return len(self.batch[LABEL]) / statistics.median(seconds)

    def _at(self, state: Any, rate: float) -> Any:
        """The state with another learning rate for its next step."""
        given = self._place(np.float32(rate))
        return state.replace(opt_state={**state.opt_state, "rate": given})


def read_range(rates: Sequence[float], found: Sequence[float]) -> Range:
    """What the losses of a range test say."""
    curve = smoothed(found)
    finite = np.isfinite(curve)
    lost = not finite.all() or _is_lost(curve)
    known, at = curve[finite], np.log(np.asarray(rates)[finite])
    steepest = suggested = None
    least = int(np.argmin(known)) if len(known) else 0
    if least > 1 and known[least] < 0.98 * known[0]:
        slope = np.gradient(known[: least + 1], at[: least + 1])
        steepest = float(rates[int(np.argmin(slope))])
        suggested = min(steepest, float(rates[least]) / 10)
    return Range(
        rates=tuple(float(r) for r in rates),
        losses=tuple(float(x) for x in found),
        smoothed=tuple(float(x) for x in curve),
        steepest=steepest,
        suggested=suggested,
        diverged=float(rates[-1]) if lost else None,
    )


def smoothed(found: Sequence[float]) -> np.ndarray:
    """An average that forgets, corrected for having started from nothing."""
    curve, mean = [], 0.0
    for i, value in enumerate(found, start=1):
        mean = SMOOTH * mean + (1 - SMOOTH) * value
        curve.append(mean / (1 - SMOOTH**i))
    return np.asarray(curve)


def pixels(batches: Iterable[Batch], num_classes: int) -> Integer[np.ndarray, "K"]:
    """Pixels of each class in the labels of batches."""
    counts = np.zeros(num_classes, np.int64)
    for batch in batches:
        label = batch[LABEL][batch[LABEL] != IGNORE]
        counts += np.bincount(label.ravel(), minlength=num_classes)[:num_classes]
    return counts


def plain_ops(checked: config.Config) -> tuple:
    """The config's train ops on the host without augmentation, but for the framing."""
    ops = checked.train_ops[0]
    return tuple(op for op in ops if not is_random(op) or hasattr(op, "height"))


def _steered(
    inner: optax.GradientTransformation, note: Callable[[Any], None]
) -> optax.GradientTransformation:
    """`inner` with the learning rate in its state, telling `note` of each gradient.

    `note` gets, for each array, whether some number of its gradient is not zero and
    whether all are finite. So one compiled step serves every check.
    """

    def start(params: Any) -> dict[str, Any]:
        return {"rate": jnp.float32(0), "inner": inner.init(params)}

    def update(grads: Any, state: dict[str, Any], params: Any = None):
        arrays = jax.tree.leaves(grads)
        some = jnp.stack([jnp.any(g != 0) for g in arrays])
        finite = jnp.stack([jnp.isfinite(g).all() for g in arrays])
        jax.debug.callback(lambda f: note(np.asarray(f)), jnp.stack([some, finite]))
        updates, new = inner.update(grads, state["inner"], params)
        updates = jax.tree.map(lambda u: state["rate"] * u, updates)
        return updates, {"rate": state["rate"], "inner": new}

    return optax.GradientTransformation(start, update)


def _is_lost(curve: np.ndarray) -> bool:
    """Whether the loss has risen far above its least, after its first few steps."""
    return len(curve) > 5 and bool(curve[-1] > WORSE * curve.min())


def _tell(progress: Progress, done: int, of: int) -> None:
    if progress is not None:
        progress(done, of)
