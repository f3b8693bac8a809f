"""What a model costs, before any data: parameters, operations, memory."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from segjax import losses
from segjax.core.keys import IMAGE, LABEL
from segjax.core.state import TrainState
from segjax.models.segmenter import Segmenter
from segjax.nn.backend import portable
from segjax.train import init
from segjax.train.step import make_step


@dataclasses.dataclass(frozen=True)
class Cost:
    """Of one model at one size.

    Attributes:
      parameters: trained numbers, auxiliary heads included.
      running_statistics: numbers of batch norm that are not trained.
      gmac: 1e9 multiply-adds of one image's forward pass, half the FLOPs that XLA
        counts, elementwise operations included.
      size: `(H, W)` of the image; the smallest legal one that covers what was asked.
      train_bytes: peak memory of a train step of one image with AdamW in float32, by
        XLA's own analysis of the compiled program for this backend; None if not asked.
    """

    parameters: int
    running_statistics: int
    gmac: float
    size: tuple[int, int]
    train_bytes: int | None = None


@dataclasses.dataclass(frozen=True)
class Layer:
    """One module of a model.

    Attributes:
      path: where it stands, such as `down0/conv1`.
      shape: of its output for one image, without the batch; None if that is no array.
      parameters: its own trained numbers and those below it.
      running_statistics: the same, not trained.
    """

    path: str
    shape: tuple[int, ...] | None
    parameters: int
    running_statistics: int


def of(
    model: Segmenter,
    size: tuple[int, int],
    *,
    channels: int = 3,
    memory: bool = False,
) -> Cost:
    """The cost of `model` at the smallest legal size that covers `size = (H, W)`.

    Nothing is computed; with `memory` a train step is compiled, which takes from
    seconds to minutes.
    """
    image = _image(model, size, channels)
    made = jax.eval_shape(model.init, jax.random.key(0), image)
    return Cost(
        parameters=init.count_parameters(made["params"]),
        running_statistics=init.count_parameters(made.get("batch_stats", {})),
        gmac=_gmac(model, made, image),
        size=image.shape[1:3],
        train_bytes=_train_bytes(model, image.shape) if memory else None,
    )


def facts(
    model: Segmenter, state: TrainState, batch: Mapping[str, Any]
) -> dict[str, Any]:
    """What the record of a run says: `gmac` of one image, and its `size`.

    Args:
      model: that is trained.
      state: shapes of its state.
      batch: of its training; of clips one frame counts.
    """
    *_, H, W, C = batch[IMAGE].shape
    image = _image(model, (H, W), C)
    variables = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), state.variables(use_ema=False)
    )
    gmac = _gmac(model, variables, image)
    return {"gmac": round(gmac, 6), "size": list(image.shape[1:3])}


def layers(
    model: Segmenter, size: tuple[int, int], depth: int = 2, channels: int = 3
) -> list[Layer]:
    """The modules of a model in the order of their calls, down to `depth` levels."""

    shapes = {}

    def record(call, args, kwargs, context):
        bound = context.module.scope is not None
        path = "/".join(context.module.path) if bound else ""
        if context.method_name != "__call__" or path in shapes or not path:
            return call(*args, **kwargs)
        shapes[path] = None  # a module stands before those that it calls
        output = call(*args, **kwargs)
        shapes[path] = getattr(output, "shape", (None,))[1:] or None
        return output

    image = _image(model, size, channels)
    with nn.intercept_methods(record):
        made = jax.eval_shape(model.init, jax.random.key(0), image)
    found = []
    for path, shape in shapes.items():
        if path.count("/") < depth:
            counts = (_below(made.get(k, {}), path) for k in ("params", "batch_stats"))
            found.append(Layer(path, shape, *counts))
    return [layer for layer in found if layer.parameters]


def peak_bytes(compiled: Any) -> int:
    """Memory of one device while a compiled program runs, by XLA's own analysis."""
    found = compiled.memory_analysis()
    return (
        found.argument_size_in_bytes
        + found.output_size_in_bytes
        + found.temp_size_in_bytes
        - found.alias_size_in_bytes
    )


def _gmac(model: Segmenter, variables: Any, image: jax.ShapeDtypeStruct) -> float:
    with portable():  # XLA cannot count within another library's calls
        forward = jax.jit(model.apply).lower(variables, image)
    return forward.cost_analysis()["flops"] / 2e9


def _image(
    model: Segmenter, size: tuple[int, int], channels: int
) -> jax.ShapeDtypeStruct:
    sides = (model.input_side(n) for n in size)
    return jax.ShapeDtypeStruct((1, *sides, channels), jnp.float32)


def _below(tree: Any, path: str) -> int:
    for name in path.split("/"):
        if not isinstance(tree, dict) or name not in tree:
            return 0
        tree = tree[name]
    return init.count_parameters(tree)


def _train_bytes(model: Segmenter, shape: tuple[int, ...]) -> int:
    task = "binary" if model.num_outputs == 1 else "multiclass"
    name = "binary_cross_entropy" if task == "binary" else "cross_entropy"
    tx = optax.adamw(1e-3)
    step = make_step(
        model,
        losses.make({name: {}}, task),
        tx,
        normalize=lambda image: image / jnp.float32(255),
        num_classes=max(2, model.num_outputs),
        task=task,
        seed=0,
        aux_weight=0.4,
    )
    state = jax.eval_shape(lambda: init.fresh(model, tx, seed=0, channels=shape[-1]))
    batch = {
        IMAGE: jax.ShapeDtypeStruct(shape, np.uint8),
        LABEL: jax.ShapeDtypeStruct(shape[:-1], np.uint8),
    }
    compiled = jax.jit(step, donate_argnums=0).lower(state, batch).compile()
    return peak_bytes(compiled)
