"""What an update does to the state, once the gradients are known."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float

from segjax.core.state import TrainState
from segjax.optim import ema, fused


class Optimizer(optax.GradientTransformation):
    """An optax transformation that may know a faster way to the same update.

    Attributes:
      adam: what it is made of, where `fused` can do it.
    """

    adam: fused.Adam | None = None

    @classmethod
    def of(
        cls, tx: optax.GradientTransformation, adam: fused.Adam | None = None
    ) -> "Optimizer":
        """`tx`, which is what `adam` says."""
        made = cls(*tx)
        made.adam = adam
        return made


def advance(
    tx: optax.GradientTransformation,
    state: TrainState,
    gradients: Any,
    batch_stats: Any,
    *,
    norm: Float[Array, ""],
    finite: Bool[Array, ""],
    ema_decay: float,
) -> TrainState:
    """The state after an update; nothing but the counters moves if it is not finite.

    Args:
      tx: the optimiser; of an `Optimizer` the faster way is taken where it goes.
      state: before it.
      gradients: of the parameters.
      batch_stats: new running statistics.
      norm: of the gradients.
      finite: whether loss and gradients are finite numbers.
      ema_decay: of the average of the weights, where the state has one.
    """

    def chosen(new: Any, old: Any) -> Any:
        return jax.tree.map(lambda a, b: jnp.where(finite, a, b), new, old)

    average = state.ema.get("params")
    rule = getattr(tx, "adam", None)
    if rule is not None and fused.takes(state.params, gradients):
        params, opt_state, average = fused.advance(
            rule,
            state.params,
            gradients,
            state.opt_state,
            average,
            norm=norm,
            finite=finite,
            kept=ema.at(ema_decay, state.step),
        )
    else:
        updates, opt_state = tx.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        if average is not None:
            moved = ema.update(average, params, ema_decay, state.step)
            average = chosen(moved, average)
        params = chosen(params, state.params)
        opt_state = chosen(opt_state, state.opt_state)
    averaged = {}
    if state.ema:
        old = state.ema["batch_stats"]
        moved = ema.update(old, batch_stats, ema_decay, state.step)
        averaged = {"params": average, "batch_stats": chosen(moved, old)}
    return TrainState(
        step=state.step + 1,
        params=params,
        batch_stats=chosen(batch_stats, state.batch_stats),
        opt_state=opt_state,
        ema=averaged,
        skipped=state.skipped + ~finite,
        skipped_in_row=jnp.where(finite, 0, state.skipped_in_row + 1),
    )
