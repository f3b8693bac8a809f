"""The train step of a run, compiled beside what else a start does."""

import concurrent.futures
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from segjax import losses, parallel
from segjax.core.state import TrainState
from segjax.losses.pixel import ClassWeights
from segjax.optim.update import Optimizer
from segjax.parts import Parts
from segjax.train.step import StepFn, compile_step, step_of
from segjax.train.trace import Batch


class Program:
    """What a thread makes: a batch, the step for its shapes, that step compiled.

    The step depends on the content of no image. Class weights that the data give are an
    argument of it, so it need not wait for them.

    Args:
      parts: of the run, with the normalisation as numbers.
      tx: the optimiser.
      mesh: whose devices take the step together.
      read: gives a batch, as this process has it.
      target: gives the shapes of the state.

    Attributes:
      mesh: as given.
      lowered: future of the step, yet to be compiled.
      compiled: future of the step `(state, batch, class weights) -> (state, scalars)`.
        What goes wrong in the thread is raised by these.
    """

    def __init__(
        self,
        parts: Parts,
        tx: Optimizer,
        *,
        mesh: Mesh,
        read: Callable[[], Batch],
        target: Callable[[], TrainState],
    ):
        self.mesh = mesh
        self._parts, self._tx, self._read, self._target = parts, tx, read, target
        pool = concurrent.futures.ThreadPoolExecutor(1)
        self.lowered = pool.submit(self._lower)
        self.compiled = pool.submit(lambda: self.lowered.result().compile())
        pool.shutdown(wait=False)

    def given(self, class_weights: Mapping[str, ClassWeights]) -> StepFn:
        """The compiled step `(state, batch) -> (state, scalars)`.

        Args:
          class_weights: of each loss whose weights follow a rule.

        Raises:
          SegjaxError: what went wrong in the thread.
        """
        step = self.compiled.result()
        arrays = {name: np.float32(w) for name, w in class_weights.items()}
        arrays = jax.device_put(arrays, parallel.replicated(self.mesh))
        return lambda state, batch: step(state, batch, arrays)

    def _lower(self) -> jax.stages.Lowered:
        terms, task = self._parts.config.loss, self._parts.config.task

        def step(
            state: TrainState, batch: dict[str, Any], class_weights: Mapping[str, Any]
        ):
            loss = losses.make(terms, task, class_weights)
            return step_of(self._parts, loss, self._tx)(state, batch)

        whole = parallel.replicated(self.mesh)
        shape = (self._parts.info.num_classes,)
        numbers = jax.ShapeDtypeStruct(shape, jnp.float32, sharding=whole)
        return compile_step(step, self.mesh, more=1).lower(
            self._target(),
            parallel.abstract_batch(self.mesh, self._read()),
            dict.fromkeys(losses.ruled(terms), numbers),
        )
