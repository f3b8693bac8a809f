"""Optimisation: one optax chain, clip -> optimizer -> decay -> schedule."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import optax

from segjax.core.errors import raise_problems
from segjax.core.tables import parameters, signature_problems, unknown
from segjax.optim import fused, masks, schedules
from segjax.optim.optimizers import DECOUPLED, FUSED, OPTIMIZERS
from segjax.optim.schedules import SCHEDULES
from segjax.optim.update import Optimizer

Number = float | int

OF_OPTIMIZER = ("b1", "b2", "eps", "momentum", "nesterov", "rho")
OF_SCHEDULE = ("boundaries", "end_factor", "every", "factor", "power")
"""Options that only some entries of the table take; None is the entry's own default."""

RANGES = {
    "learning_rate": ("0 or more", lambda x: x >= 0),
    "warmup_steps": ("0 or more", lambda x: x >= 0),
    "weight_decay": ("0 or more", lambda x: x >= 0),
    "clip_norm": ("above 0, or None", lambda x: x > 0),
    "accumulate_steps": ("1 or more", lambda x: x >= 1),
    "b1": ("0 up to, not including, 1", lambda x: 0 <= x < 1),
    "b2": ("0 up to, not including, 1", lambda x: 0 <= x < 1),
    "eps": ("above 0", lambda x: x > 0),
    "momentum": ("0 up to, not including, 1", lambda x: 0 <= x < 1),
    "rho": ("0 up to, not including, 1", lambda x: 0 <= x < 1),
    "every": ("1 or more", lambda x: x >= 1),
    "end_factor": ("0 to 1", lambda x: 0 <= x <= 1),
    "factor": ("above 0", lambda x: x > 0),
    "power": ("above 0", lambda x: x > 0),
}
"""Option -> what is allowed in words, and as a test; finite is asked of all."""


def make(
    name: str = "adamw",
    *,
    learning_rate: Number,
    num_steps: int,
    schedule: str = "poly",
    warmup_steps: int = 0,
    power: Number | None = None,
    end_factor: Number | None = None,
    boundaries: tuple[int, ...] | None = None,
    every: int | None = None,
    factor: Number | None = None,
    momentum: Number | None = None,
    nesterov: bool | None = None,
    b1: Number | None = None,
    b2: Number | None = None,
    rho: Number | None = None,
    eps: Number | None = None,
    weight_decay: Number = 0.0,
    decay_mask: str | tuple[str, ...] = "kernels",
    freeze: tuple[str, ...] = (),
    clip_norm: Number | None = None,
    accumulate_steps: int = 1,
) -> tuple[Optimizer, Callable]:
    """The optimiser and its learning rate, from the config's `optim` section.

    Args:
      name: a name of `OPTIMIZERS`.
      learning_rate: the largest of the run, reached after the warm-up.
      num_steps: train steps of the run.
      schedule: a name of `SCHEDULES`.
      warmup_steps: train steps over which the rate rises linearly from 0.
      power: of `poly`, 0.9 by default.
      end_factor: of `poly` and `cosine`: last rate over the largest, 0 by default.
      boundaries: of `step`: train steps at which the rate is multiplied by `factor`.
      every: of `exponential`: train steps in which it is multiplied by `factor`.
      factor: of `step` and `exponential`, 0.1 by default.
      momentum: of `sgd`, 0.9 by default, and `rmsprop`, 0.
      nesterov: of `sgd`, False by default.
      b1: of `adam` and `adamw`: decay of the mean gradient, 0.9 by default.
      b2: of `adam` and `adamw`: decay of the mean square, 0.999 by default.
      rho: of `rmsprop`: decay of the mean square, 0.9 by default.
      eps: of all but `sgd`: added to the root of the mean square, 1e-8 by default.
      weight_decay: for `adamw` decoupled: `rate * weight_decay * p` is taken from `p`.
        For the others L2: `weight_decay * p` is added to the gradient, after clipping.
      decay_mask: which parameters decay; see `masks.make`.
      freeze: regular expressions; parameters with a match in their path never change,
        and their gradients do not count for `clip_norm`.
      clip_norm: largest global norm of the gradient; None for no clipping.
      accumulate_steps: update once in so many train steps, by the mean gradient of
        them. The mean is over steps: each weighs the same, whatever its valid pixels.

    Returns:
      `(tx, rate)`: an optax chain, whose state is arrays only, and `rate(step)`, the
      learning rate at a train step.

    Raises:
      UserError: with every problem of the arguments (see `problems`).
    """
    section = {k: v for k, v in locals().items() if k != "num_steps"}
    raise_problems(problems(section, num_steps=num_steps))

    def given(keys: tuple[str, ...]) -> dict[str, Any]:
        return {k: _plain(section[k]) for k in keys if section[k] is not None}

    rate = schedules.make(
        schedule, float(learning_rate), num_steps, warmup_steps, **given(OF_SCHEDULE)
    )
    options = given(OF_OPTIMIZER)
    direction = OPTIMIZERS[name](**options)
    decays, stays = masks.make(decay_mask), masks.make(freeze)
    decay = optax.add_decayed_weights(weight_decay, mask=decays)
    frozen = optax.masked(optax.set_to_zero(), stays)
    chain = [
        *([frozen] if freeze else []),
        *([optax.clip_by_global_norm(clip_norm)] if clip_norm else []),
        *([direction, decay] if name in DECOUPLED else [decay, direction]),
        # The chain counts updates, the schedule train steps.
        optax.scale_by_learning_rate(lambda count: rate(count * accumulate_steps)),
        *([frozen] if freeze else []),
    ]
    tx = optax.chain(*chain)
    if accumulate_steps > 1:
        every = optax.MultiSteps(tx, every_k_schedule=accumulate_steps)
        return Optimizer.of(every.gradient_transformation()), rate
    if name not in FUSED or (weight_decay and name not in DECOUPLED):
        return Optimizer.of(tx), rate
    defaults = {k: p.default for k, p in parameters(OPTIMIZERS[name]).items()}
    adam = fused.Adam(
        rate=rate,
        decays=decays,
        frozen=stays,
        clip_norm=clip_norm,
        weight_decay=weight_decay,
        **defaults | options,
    )
    return Optimizer.of(tx, adam), rate


def problems(
    section: Mapping[str, Any],
    where: str = "config.optim",
    num_steps: int | None = None,
) -> list[str]:
    """All that is wrong with `make(**section)`, without calling anything.

    Args:
      section: keyword arguments of `make` but for `num_steps`.
      where: dotted path of `section` in the config, for messages.
      num_steps: train steps of the run, where known; the warm-up must be shorter.
    """
    found = signature_problems(where, make, section, given=("num_steps",))
    ill_typed = {
        k for k in section if any(p.startswith(f"{where}.{k}=") for p in found)
    }
    section = {k: v for k, v in section.items() if k not in ill_typed}
    name, schedule = section.get("name", "adamw"), section.get("schedule", "poly")
    for kind, key, table, options in (
        ("optimizer", name, OPTIMIZERS, OF_OPTIMIZER),
        ("schedule", schedule, SCHEDULES, OF_SCHEDULE),
    ):
        if key not in table:
            field = "name" if kind == "optimizer" else kind
            found.append(unknown(kind, key, table, f"{where}.{field}={key!r}"))
        else:
            found += _foreign_options(section, where, key, table, options)
    for key, (allowed, holds) in RANGES.items():
        value = section.get(key)
        if value is not None and not (math.isfinite(value) and holds(value)):
            found.append(f"{where}.{key}={value!r}: is out of range; use {allowed}.")
    found += masks.problems(section.get("decay_mask", ()), f"{where}.decay_mask")
    found += masks.problems(section.get("freeze", ()), f"{where}.freeze")
    warmup_steps = section.get("warmup_steps", 0)
    if num_steps is not None and warmup_steps and warmup_steps >= num_steps:
        found.append(
            f"{where}.warmup_steps={warmup_steps}: is not below the run's {num_steps} "
            "steps; shorten it or train longer."
        )
    return found


def _foreign_options(section, where, name, table, options) -> list[str]:
    """Options that the named entry does not take, and those that it misses."""
    taken = parameters(table[name], table.given)
    found = []
    for key in options:
        if section.get(key) is not None and key not in taken:
            others = [n for n in table if key in parameters(table[n])]
            found.append(
                f"{where}.{key}={section[key]!r}: {name!r} has no such option; "
                f"{', '.join(others)} has. Remove it or change the {table.kind}."
            )
    for key, parameter in taken.items():
        if parameter.default is parameter.empty and section.get(key) is None:
            found.append(f"{where}.{key}: is missing; {name!r} needs it. Set it.")
    return found


def _plain(value: Any) -> Any:
    """Whole numbers as floats where floats are declared; lists as tuples."""
    if isinstance(value, (tuple, list)):
        return tuple(value)
    return float(value) if type(value) is int else value
