"""The one pytree that training carries from step to step."""

from typing import Any

import flax.struct
from jaxtyping import Array, Int


@flax.struct.dataclass
class TrainState:
    """Everything that a checkpoint holds, arrays only.

    Functions (the model, the optimiser) are not in it: they are rebuilt from the
    config, so that two states of one config always have the same tree.

    Attributes:
      step: steps taken, the skipped ones included; position in the data order.
      params: trainable parameters, float32.
      batch_stats: running statistics of the norms, float32; `{}` without batch norm.
      opt_state: state of the optax chain.
      ema: `{"params", "batch_stats"}` averaged over steps; `{}` without EMA.
      skipped: updates skipped because of a non-finite loss or gradient, ever.
      skipped_in_row: the same, since the last good update.
    """

    step: Int[Array, ""]
    params: Any
    batch_stats: Any
    opt_state: Any
    ema: Any
    skipped: Int[Array, ""]
    skipped_in_row: Int[Array, ""]

    def variables(self, use_ema: bool = True) -> dict[str, Any]:
        """The flax variables to predict with: the averaged ones where there are any."""
        if use_ema and self.ema:
            return {
                "params": self.ema["params"],
                "batch_stats": self.ema["batch_stats"],
            }
        return {"params": self.params, "batch_stats": self.batch_stats}
