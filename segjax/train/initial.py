"""The state that a run begins with: restored, or fresh."""

import concurrent.futures
from pathlib import Path
from typing import Any

import optax

from segjax import checkpoint, config, parallel, process
from segjax.core.errors import raise_problems
from segjax.core.state import TrainState
from segjax.models.segmenter import Segmenter
from segjax.optim import frozen
from segjax.train import init


class Initial:
    """The state before the first step, on the mesh that it trains on.

    A fresh one depends on no data: where there is nothing to resume it is begun at
    once, in a thread, beside what the data are asked. Processes that train together
    wait until all of them have seen their data.

    Args:
      checked: the config.
      model: that it trains.
      tx: the optimiser.
      channels: of the images.
      folder: of the run's checkpoints.
    """

    def __init__(
        self,
        checked: config.Config,
        model: Segmenter,
        tx: optax.GradientTransformation,
        *,
        channels: int,
        folder: Path,
    ):
        self._config, self._model, self._tx = checked, model, tx
        self._options = {
            "use_ema": checked.train.ema_decay > 0,
            "channels": channels,
        }
        self._begun: concurrent.futures.Future | None = None
        if not parallel.is_cluster() and not any(folder.glob("*")):
            pool = concurrent.futures.ThreadPoolExecutor(1)
            self._begun = pool.submit(self._fresh)
            pool.shutdown(wait=False)

    def target(self) -> TrainState:
        """Its shapes.

        Raises:
          UserError: a pattern of `config.optim.freeze` finds nothing.
        """
        mesh = parallel.make_mesh()
        shapes = init.abstract_state(self._model, self._tx, mesh=mesh, **self._options)
        patterns = self._config.optim.get("freeze", ())
        raise_problems(frozen.problems(patterns, shapes.params, shapes.batch_stats))
        return shapes

    def fresh(
        self, meta: dict[str, Any]
    ) -> tuple[TrainState, checkpoint.Ledger | None]:
        """A new state, and of weights from elsewhere, where they came to lie.

        Args:
          meta: what a checkpoint must share with the run.

        Raises:
          UserError: the weights from elsewhere do not fit.
        """
        begun, self._begun = self._begun, None  # and with it the state, once it is used
        state = begun.result() if begun else self._fresh()
        if not self._config.init_from:
            return state, None
        return checkpoint.init_from(
            self._config.init_from,
            state,
            meta=meta,
            foreign=self._model.foreign,
            allow=self._config.init_allow,
            under=self._config.init_under,
        )

    def _fresh(self) -> TrainState:
        mesh = parallel.make_mesh()
        process.keep_compiled()
        return init.make_state(
            self._model, self._tx, seed=self._config.seed, mesh=mesh, **self._options
        )
