"""Adam's update of a whole state in one pass over memory, on a CPU.

XLA makes a loop of its own for each array of the parameters, both averages of the
gradient and the average of the weights, reads most of them two or three times, and
copies the old before it writes the new: a sixth of SegNet's train step, and a third to
a half of the time that a step takes to compile. `fused.cc` reads and writes each once.

Only where one CPU is the only device. Elsewhere, and for other optimisers, `update.py`
does the same by optax; both agree to rounding. SEGJAX_FUSED=0 switches it off.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float

from segjax.core import native
from segjax.nn.backend import on_cpu

SOURCES = (pathlib.Path(__file__).with_name("fused.cc"),)
FLAGS = (
    "-ftree-vectorize",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=off",
)
"""Behind them no result depends on which CPU it is."""

SWITCH = "SEGJAX_FUSED"


@dataclasses.dataclass(frozen=True)
class Adam:
    """What an optax chain of Adam is made of.

    Attributes:
      rate: number of updates -> learning rate.
      decays: parameters -> tree of bools: which lose `rate * weight_decay * p`.
      frozen: parameters -> tree of bools: which stay.
      clip_norm: largest norm of all gradients but those of the frozen.
      b1, b2, eps, weight_decay: as in `optim.make`.
    """

    rate: Callable[[Array], Array]
    decays: Callable[[Any], Any]
    frozen: Callable[[Any], Any]
    clip_norm: float | None
    b1: float
    b2: float
    eps: float
    weight_decay: float


@functools.cache
def absent() -> str:
    """Why this process does not use it, or nothing."""
    return (
        native.switched_off(SWITCH)
        or native.many_devices()
        or native.register(_compiled(), ["adam"])
    )


def build_ahead() -> None:
    """As `native.ahead`."""
    if not native.switched_off(SWITCH):
        native.ahead(_compiled)


def takes(params: Any, gradients: Any) -> bool:
    """Whether what is traced now can be `advance` of this file."""
    leaves = jax.tree.leaves((params, gradients))
    return on_cpu() and all(x.dtype == jnp.float32 for x in leaves) and not absent()


def advance(
    rule: Adam,
    params: Any,
    gradients: Any,
    opt_state: tuple,
    average: Any,
    *,
    norm: Float[Array, ""],
    finite: Bool[Array, ""],
    kept: Float[Array, ""] | float,
) -> tuple[Any, tuple, Any]:
    """Parameters, state of the chain and average after an update.

    Args:
      rule: that the chain is made by.
      params, gradients: trees of one structure, float32.
      opt_state: of the chain.
      average: of the parameters, a tree like them; None for none.
      norm: of all gradients but those of the frozen parameters.
      finite: whether anything is to move at all.
      kept: share of the average that stays.
    """
    places = [i for i, s in enumerate(opt_state) if isinstance(s, _COUNTING)]
    adam, schedule = (opt_state[i] for i in places)
    count = optax.safe_increment(adam.count)
    clip = 1.0
    if rule.clip_norm is not None:
        clip = jnp.where(norm < rule.clip_norm, 1.0, rule.clip_norm / norm)
    numbers = [finite, clip, rule.b1, 1 - rule.b1, rule.b2, 1 - rule.b2, rule.eps]
    numbers += [1 - rule.b1**count, 1 - rule.b2**count, rule.rate(schedule.count), kept]
    moving = jax.tree.map(lambda stays: not stays, rule.frozen(params))
    trees = [params, adam.mu, adam.nu] + [average] * (average is not None)
    new = _call(
        [rule.weight_decay * decays for decays in _only(moving, rule.decays(params))],
        jnp.stack([jnp.asarray(n, jnp.float32) for n in numbers]),
        _only(moving, gradients),
        [x for tree in trees for x in _only(moving, tree)],
    )
    after = iter(new)
    params, mu, nu, *rest = (
        jax.tree.map(lambda moves, x: next(after) if moves else x, moving, tree)
        for tree in trees
    )
    counts = (jnp.where(finite, count, adam.count), mu, nu)
    updates = jnp.where(finite, optax.safe_increment(schedule.count), schedule.count)
    chain = list(opt_state)
    chain[places[0]] = optax.ScaleByAdamState(*counts)
    chain[places[1]] = optax.ScaleByScheduleState(updates)
    return params, tuple(chain), rest[0] if rest else None


_COUNTING = (optax.ScaleByAdamState, optax.ScaleByScheduleState)
"""States in a chain of Adam that change, in their order; the others are empty."""


def _only(wanted: Any, tree: Any) -> list:
    """The leaves of a tree that another tree of bools wants."""
    pairs = zip(jax.tree.leaves(wanted), jax.tree.leaves(tree), strict=True)
    return [x for w, x in pairs if w]


def _call(decays, numbers, gradients, arrays) -> list[Array]:
    """`arrays` after the update, each in its own place where XLA owns it."""
    first = 1 + len(gradients)
    call = jax.ffi.ffi_call(
        "segjax_adam",
        [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in arrays],
        input_output_aliases={first + i: i for i in range(len(arrays))},
    )
    return call(numbers, *gradients, *arrays, decays=np.asarray(decays, np.float32))


def _compiled() -> pathlib.Path | str:
    return native.compiled("fused", SOURCES, FLAGS)
