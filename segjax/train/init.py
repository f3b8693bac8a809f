"""The first state of a run, made on the mesh that it will train on."""

import concurrent.futures
import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jaxlib
import optax
from jax.sharding import Mesh

from segjax import checkpoint, config, parallel, process
from segjax.core.errors import raise_problems
from segjax.core.rng import stream
from segjax.core.state import TrainState
from segjax.models.segmenter import Segmenter
from segjax.nn.backend import portable
from segjax.optim import frozen

QUICK = {
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}
"""With these, XLA for CPUs compiles the initialisers of a U-Net in half the time."""


def make_state(
    model: Segmenter,
    tx: optax.GradientTransformation,
    *,
    seed: int,
    mesh: Mesh,
    use_ema: bool = False,
    channels: int = 3,
) -> TrainState:
    """A fresh state, replicated over the mesh; a pure function of model and seed.

    The images that the model is for have so many `channels`.

    Compiled without optimisation: initialisers run once, and compiling them well
    takes longer than the first train step. What the layers compute is traced and left
    out, so it need not wait for another library's calls.
    """
    options = {"seed": seed, "mesh": mesh, "use_ema": use_ema, "channels": channels}
    return _computed(_traced(model, tx, **options))


def _traced(model, tx, *, mesh: Mesh, **options) -> jax.stages.Traced:
    """`fresh`, replicated over the mesh, yet to be compiled."""
    init = jax.jit(
        lambda: fresh(model, tx, **options), out_shardings=parallel.replicated(mesh)
    )
    with portable():
        return init.trace()


def _computed(traced: jax.stages.Traced) -> TrainState:
    options = {"xla_backend_optimization_level": 0}
    if jax.default_backend() == "cpu" and jaxlib.__version__ in process.TESTED:
        options |= QUICK
    return traced.lower().compile(options)()


def abstract_state(
    model: Segmenter,
    tx: optax.GradientTransformation,
    *,
    mesh: Mesh,
    use_ema: bool = False,
    channels: int = 3,
) -> TrainState:
    """Shapes, dtypes and shardings of `make_state`, computing nothing."""
    shapes = jax.eval_shape(
        lambda: fresh(model, tx, seed=0, use_ema=use_ema, channels=channels)
    )
    return _replicated(shapes, mesh)


def _replicated(shapes: Any, mesh: Mesh) -> Any:
    sharding = parallel.replicated(mesh)
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), shapes
    )


def count_parameters(tree: Any) -> int:
    """Number of scalars in a tree of arrays or shapes."""
    return sum(x.size for x in jax.tree.leaves(tree))


def fresh(
    model: Segmenter,
    tx: optax.GradientTransformation,
    *,
    seed: int,
    use_ema: bool = False,
    channels: int = 3,
) -> TrainState:
    """`make_state` without a mesh, to be traced: in `jit` or `eval_shape`."""
    side = model.input_side(1)
    variables = model.init(stream(seed, "init"), jnp.zeros((1, side, side, channels)))
    params = variables["params"]
    batch_stats = variables.get("batch_stats", {})
    averaged = {"params": params, "batch_stats": batch_stats}
    zero = jnp.zeros((), jnp.int32)
    return TrainState(
        step=zero,
        params=params,
        batch_stats=batch_stats,
        opt_state=tx.init(params),
        ema=jax.tree.map(jnp.copy, averaged) if use_ema else {},
        skipped=zero,
        skipped_in_row=zero,
    )


class FirstState:
    """The state that a run begins with if it resumes none.

    It depends on no data: where there is nothing to resume it is begun at once, in a
    thread, beside what the data are asked. Processes that train together wait until all
    of them have seen their data.

    Attributes:
      ahead: whether it was begun at once.

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
        self.ahead = not parallel.is_cluster() and not any(folder.glob("*"))
        if self.ahead:
            pool = concurrent.futures.ThreadPoolExecutor(1)
            self._begun = pool.submit(self._trace)
            self._made = pool.submit(lambda: _computed(self._begun.result()))
            pool.shutdown(wait=False)

    @functools.cached_property
    def target(self) -> TrainState:
        """Its shapes.

        Raises:
          UserError: a pattern of `config.optim.freeze` finds nothing.
        """
        mesh = parallel.make_mesh()
        if self.ahead:
            shapes = _replicated(self._begun.result().out_info, mesh)
        else:
            shapes = abstract_state(self._model, self._tx, mesh=mesh, **self._options)
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
        if self.ahead:
            made, self._made = self._made, None  # and with it the state, once used
            state = made.result()
        else:
            state = _computed(self._trace())
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

    def _trace(self) -> jax.stages.Traced:
        process.keep_compiled()
        options = {"seed": self._config.seed, "mesh": parallel.make_mesh()}
        return _traced(self._model, self._tx, **options, **self._options)
