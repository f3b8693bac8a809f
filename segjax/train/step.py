"""One update, as a pure function of (state, batch), written for the global batch."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array

from segjax import parallel
from segjax.core.keys import IMAGE, LABEL
from segjax.core.rng import stream
from segjax.core.state import TrainState
from segjax.metrics import confusion
from segjax.models.segmenter import Segmenter
from segjax.optim import frozen, update
from segjax.parts import Parts
from segjax.predict.decide import answered, decide

StepFn = Callable[[TrainState, dict[str, Array]], tuple[TrainState, dict[str, Array]]]


def make_step(
    model: Segmenter,
    loss: Callable[..., tuple[Array, dict[str, Array]]],
    tx: optax.GradientTransformation,
    *,
    normalize: Callable[[Array], Array],
    num_classes: int,
    task: str,
    seed: int,
    ema_decay: float = 0.0,
    aux_weight: float = 0.0,
    freeze: tuple[str, ...] = (),
) -> StepFn:
    """The function `(state, batch) -> (state, scalars)`.

    The loss of each auxiliary head that the model sows into `aux` is added with
    `aux_weight`. A model that loses a margin is trained on what it still covers, and
    one that answers every frame of a clip on those that have a label; see `answered`.

    Batch norms that `freeze` finds run with their running averages, which stay as they
    are; the frozen parameters get no gradient (see `optim.frozen`).

    A non-finite loss or gradient leaves everything but the counters as it was: the
    update is skipped on the device, in the same compiled step.

    `scalars` holds `loss`, one value a loss term (`aux` is the sum over the auxiliary
    heads, before its weight), `grad_norm` (before clipping), `finite` and `counts`,
    the `(K, K)` confusion matrix of the batch before the update.
    """

    def forward(params: Any, state: TrainState, batch: dict[str, Array]):
        params = frozen.stop(params, freeze)
        with nn.intercept_methods(frozen.interceptor(freeze)):
            logits, changed = model.apply(
                {"params": params, "batch_stats": state.batch_stats},
                normalize(batch[IMAGE]),
                train=True,
                rngs={"dropout": stream(seed, "dropout", state.step)},
                mutable=["batch_stats", "aux"],
            )
        labels = covered(batch[LABEL], model.margin)
        logits, label = answered(logits, labels)
        total, terms = loss(logits, label)
        if heads := jax.tree.leaves(changed.get("aux", {})):
            terms["aux"] = sum(loss(*answered(head, labels))[0] for head in heads)
            total = total + aux_weight * terms["aux"]
        return total, (terms, logits, label, changed.get("batch_stats", {}))

    def step(state: TrainState, batch: dict[str, Array]):
        gradient = jax.value_and_grad(forward, has_aux=True)
        (total, (terms, logits, label, batch_stats)), grads = gradient(
            state.params, state, batch
        )
        grad_norm = optax.tree.norm(grads)
        finite = jnp.isfinite(total) & jnp.isfinite(grad_norm)

        state = update.advance(
            tx,
            state,
            grads,
            batch_stats,
            norm=grad_norm,
            finite=finite,
            ema_decay=ema_decay,
        )
        counts = confusion.count(label, decide(logits, task), num_classes)
        scalars = {
            "loss": total,
            **{f"loss/{name}": value for name, value in terms.items()},
            "grad_norm": grad_norm,
            "finite": finite,
            "counts": counts.sum(0),
        }
        return state, scalars

    return step


def step_of(
    parts: Parts,
    loss: Callable[..., tuple[Array, dict[str, Array]]],
    tx: optax.GradientTransformation,
) -> StepFn:
    """The step that the config of `parts` asks for; the arguments as of `make_step`."""
    config = parts.config
    return make_step(
        parts.model,
        loss,
        tx,
        normalize=parts.normalize,
        num_classes=parts.info.num_classes,
        task=config.task,
        seed=config.seed,
        ema_decay=config.train.ema_decay,
        aux_weight=config.train.aux_weight,
        freeze=config.optim.get("freeze", ()),
    )


def covered(label: Array, margin: int) -> Array:
    """The part of `(..., H, W)` that is left when each border loses `margin`."""
    H, W = label.shape[-2:]
    return label[..., margin : H - margin, margin : W - margin]


def compile_step(step: StepFn, mesh: Mesh, more: int = 0) -> StepFn:
    """`step` under `jit`: state replicated and donated, batch split over the mesh.

    Args:
      step: as of `make_step`.
      mesh: whose devices take it together.
      more: arguments of the step behind the batch, which are replicated.
    """
    whole, split = parallel.replicated(mesh), parallel.along_batch(mesh)
    return jax.jit(
        step,
        in_shardings=(whole, split, *[whole] * more),
        out_shardings=(whole, whole),
        donate_argnums=0,
    )
