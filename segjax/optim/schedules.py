"""Learning rate over train steps: one function a shape, and the warm-up before it.

A shape is a factor: 1 at its start, then down over `num_steps` steps.
"""

from collections.abc import Callable

import jax.numpy as jnp
import optax

from segjax.core.tables import Table

Schedule = Callable
"""step (an int or a traced int32 scalar) -> learning rate (a float32 scalar)."""


def constant(num_steps: int) -> Schedule:
    """1 throughout."""
    return optax.constant_schedule(1.0)


def poly(num_steps: int, power: float = 0.9, end_factor: float = 0.0) -> Schedule:
    """`(1 - e) (1 - step / num_steps)^power + e`, with `e = end_factor`.

    Source: Chen et al., DeepLab, 2017, arXiv:1606.00915, section 4.1.2.
    """
    return optax.polynomial_schedule(1.0, end_factor, power, num_steps)


def cosine(num_steps: int, end_factor: float = 0.0) -> Schedule:
    """`(1 - e) (1 + cos(pi step / num_steps)) / 2 + e`, with `e = end_factor`.

    Source: Loshchilov & Hutter, SGDR, 2017, arXiv:1608.03983, equation 5.
    """
    return optax.cosine_decay_schedule(1.0, num_steps, alpha=end_factor)


def step(num_steps: int, boundaries: tuple[int, ...], factor: float = 0.1) -> Schedule:
    """Multiplied by `factor` at each of `boundaries`, in train steps."""
    return optax.piecewise_constant_schedule(1.0, dict.fromkeys(boundaries, factor))


def exponential(num_steps: int, every: float | int, factor: float = 0.1) -> Schedule:
    """`factor^(step / every)`: smoothly multiplied by `factor` over `every` steps."""
    return lambda step: factor ** (jnp.minimum(step, num_steps) / every)


SCHEDULES = Table(
    "schedule",
    {
        "constant": constant,
        "cosine": cosine,
        "exponential": exponential,
        "poly": poly,
        "step": step,
    },
    given=("num_steps",),
)


def make(
    name: str, learning_rate: float, num_steps: int, warmup_steps: int = 0, **options
) -> Schedule:
    """`step -> learning rate`: linear from 0 over `warmup_steps`, then the shape.

    Args:
      name: a name of `SCHEDULES`.
      learning_rate: the largest value, reached at step `warmup_steps`.
      num_steps: steps of the run; the shape spans the `num_steps - warmup_steps` left.
      warmup_steps: 0 for none.
      **options: of the shape; `boundaries` count from the start of the run.
    """
    if "boundaries" in options:
        options["boundaries"] = tuple(b - warmup_steps for b in options["boundaries"])
    shape = SCHEDULES[name](max(1, num_steps - warmup_steps), **options)
    if warmup_steps:
        warmup = optax.linear_schedule(0.0, 1.0, warmup_steps)
        shape = optax.join_schedules([warmup, shape], [warmup_steps])
    return lambda step: jnp.float32(learning_rate * shape(step))
