"""Recurrent: any image model, and a ConvLSTM over what it sees in the frames.

Source: Shukla, Semantic Segmentation with Deep Learning (dissertation), 2023, section
  3.2: a CNN and a recurrent network behind it, trained with the CNN's weights fixed or
  end to end, of which the latter was the better. The layer: Shi et al. 2015, arXiv
  1506.04214.
Differs: what the memory adds is added to the logits of the image model, so that a
  trained image model is the place to start from.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.core import FrozenDict
from jaxtyping import Array, Bool, Float

from segjax.core.errors import raise_problems
from segjax.core.names import Names
from segjax.models.clip_segmenter import ClipSegmenter
from segjax.models.segmenter import Segmenter
from segjax.nn.conv import Conv
from segjax.nn.convlstm import Carry, ConvLSTM
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.frames import each_frame
from segjax.nn.resample import resize


class Recurrent(ClipSegmenter):
    """`image_model` on each frame, `memory` over them, `head` added to its logits.

    Default size, a clip of 512x512x3 to one output channel; the output is of a frame:

    ===========  ===================  ============
    stage        output               parameters
    ===========  ===================  ============
    image_model  512 x 512 x 1          31,043,521
    memory       128 x 128 x 32            110,720
    head         128 x 128 x 1                  33
    total                               31,154,274
    ===========  ===================  ============

    The parameters of the image model stand under `image_model/`, named as in a run of
    it alone: start from such a run by `init_from` and `init_under="image_model"`.

    Attributes:
      num_outputs: `K`, channels of the logits.
      model: name of the image model.
      model_options: its fields, as its own config section would have them.
      frozen: leave the image model as it is, batch statistics too, and train the rest;
        otherwise all is trained, end to end.
      sees: what goes into the memory: `features`, which the image model's `head`
        takes, or `logits`.
      width: channels of the memory.
      coarse: pixels a side that share a cell of the memory, at least; means are taken.
      outputs: `last`: the logits of the last frame. `all`: of every frame.
      peepholes: whether the gates see the cell.
      remat: compute the insides of the memory again in training; see `ConvLSTM`.
      dtype: `float32`, or `bfloat16` to compute in it; logits and cells are float32.
    """

    num_outputs: int
    model: str = "unet"
    model_options: Mapping[str, Any] | None = None
    frozen: bool = False
    sees: Literal["features", "logits"] = "features"
    width: int = 32
    coarse: int = 4
    outputs: Literal["last", "all"] = "last"
    peepholes: bool = False
    remat: bool = False
    dtype: DtypeName = "float32"

    def __post_init__(self):
        # a dict has no hash, by which jit knows a model again
        object.__setattr__(self, "model_options", FrozenDict(self.model_options or {}))
        super().__post_init__()

    def problems(self) -> list[str]:
        """What is wrong with the fields, and with those of the image model."""
        problems = super().problems()
        table, where = _models(), "config.model.model"
        if self.model not in table:
            return problems + table.problems(where, self.model, {})
        problems += table.problems(f"{where}_options", self.model, self.model_options)
        if not problems and self.image_model().takes_clips:
            problems.append(
                f"{where}={self.model!r}: remembers frames by itself; name a model "
                "of images, or use this one without the wrapper."
            )
        return problems

    @property
    def stride(self) -> int:
        """That of the image model."""
        return self.image_model().stride

    @property
    def margin(self) -> int:
        """That of the image model."""
        return self.image_model().margin

    @property
    def foreign(self) -> tuple[Names, ...]:
        """Names of the image model's arrays, under `image_model/`."""
        return tuple(n.within("image_model") for n in self.image_model().foreign)

    @property
    def frozen_paths(self) -> tuple[str, ...]:
        """The image model's parameters and statistics, if they are frozen."""
        return ("^image_model/",) if self.frozen else ()

    def input_side(self, side: int) -> int:
        """That of the image model."""
        return self.image_model().input_side(side)

    def check_size(self, x: Array) -> None:
        """Refuse the sides that the image model refuses."""
        self.image_model().check_size(x)

    def image_model(self, **more: Any) -> Segmenter:
        """The image model: with a `name`, within this one; otherwise by itself."""
        more = more or {"parent": None}
        options = {"dtype": self.dtype, **self.model_options}
        return _models()[self.model](num_outputs=self.num_outputs, **options, **more)

    @nn.compact
    def run(
        self,
        clip: Float[Array, "B T H W C"],
        train: bool,
        carry: Carry | None,
        reset: Bool[Array, "B T"] | None,
    ) -> tuple[Float[Array, "B t h w K"], Carry]:
        """Logits of the last frame or of all, and the carry of the memory."""
        image_model = self.image_model(name="image_model")
        learns = train and not self.frozen
        seen = []
        with nn.intercept_methods(_watch(image_model, clip.shape[1], seen)):
            logits = each_frame(lambda frames: image_model(frames, learns), clip)
        if self.sees == "logits":
            features = logits
        else:
            raise_problems([] if len(seen) == 1 else [_no_head(self.model, len(seen))])
            features = seen[0].reshape(*clip.shape[:2], *seen[0].shape[1:])
        if self.frozen:
            logits, features = map(jax.lax.stop_gradient, (logits, features))

        size, grid = logits.shape[2:4], features.shape[2:4]
        block = max(1, self.coarse * grid[0] // size[0])
        features = each_frame(lambda frames: block_means(frames, block), features)
        states, carry = ConvLSTM(
            self.width,
            peepholes=self.peepholes,
            remat=self.remat,
            dtype=compute_dtype(self.dtype),
            name="memory",
        )(features, carry, reset)
        if self.outputs == "last":
            states, logits = carry[1][:, None], logits[:, -1:]
        small = nn.initializers.variance_scaling(1e-2, "fan_in", "truncated_normal")
        head = Conv(self.num_outputs, 1, kernel_init=small, name="head")

        covered = [
            -(-n * cells * block // whole)  # a partial block reaches over the border
            for n, cells, whole in zip(size, states.shape[2:4], grid, strict=True)
        ]

        def to_logits(frames: Array) -> Array:
            coarse = head(frames.astype(jnp.float32))
            return resize(coarse, tuple(covered))[:, : size[0], : size[1]]

        return logits + each_frame(to_logits, states), carry


def block_means(x: Float[Array, "B H W C"], block: int) -> Float[Array, "B h w C"]:
    """Means of `block x block` pixels; a last, partial block repeats the border."""
    if block == 1:
        return x
    B, H, W, C = x.shape
    h, w = -(-H // block), -(-W // block)
    x = jnp.pad(x, ((0, 0), (0, h * block - H), (0, w * block - W), (0, 0)), "edge")
    return x.reshape(B, h, block, w, block, C).mean((2, 4))


def _watch(image_model: Segmenter, T: int, seen: list[Array]) -> Callable:
    """Interceptor: note what `head` takes; auxiliary heads answer the last frame."""

    def intercept(call, args, kwargs, context):
        module, method = context.module, context.method_name
        if method == "sow_aux" and module is image_model:
            name, logits = args
            args = name, logits[T - 1 :: T]
        if method == "__call__" and module.path == (*image_model.path, "head"):
            seen.append(args[0])
        return call(*args, **kwargs)

    return intercept


def _no_head(model: str, times: int) -> str:
    return (
        f"config.model.sees='features': {model} has {times} layers named head, and one "
        "is needed. Use sees='logits'."
    )


def _models():
    from segjax.models import MODELS  # which holds this file's class, too

    return MODELS
