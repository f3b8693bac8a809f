"""The one pytree that training carries from step to step."""

from typing import Any

import flax.struct


@flax.struct.dataclass
class TrainState:
    """Everything that a checkpoint holds, arrays only.

    Functions (the model, the optimiser) are not in it: they are rebuilt from the
    config, so that two states of one config always have the same tree. The fields are
    not typed: JAX also builds this tree with shapes, shardings and numpy arrays in it.

    Attributes:
      step: int32 scalar; steps taken, the skipped ones included; position in the data
        order.
      params: trainable parameters, float32.
      batch_stats: running statistics of the norms, float32; `{}` without batch norm.
      opt_state: state of the optax chain.
      ema: `{"params", "batch_stats"}` averaged over steps; `{}` without EMA.
      skipped: int32 scalar; updates skipped because of a non-finite loss or gradient,
        ever.
      skipped_in_row: int32 scalar; the same, since the last good update.
    """

    step: Any
    params: Any
    batch_stats: Any
    opt_state: Any
    ema: Any
    skipped: Any
    skipped_in_row: Any

    def variables(self, use_ema: bool = True) -> dict[str, Any]:
        """The flax variables to predict with: the averaged ones where there are any."""
        if use_ema and self.ema:
            return {
                "params": self.ema["params"],
                "batch_stats": self.ema["batch_stats"],
            }
        return {"params": self.params, "batch_stats": self.batch_stats}
