"""MiT, the Mix Transformer: attention on a pyramid of grids, without position codes.

Source: Xie et al., SegFormer, 2021, arXiv 2105.15203, section 3.1 and table 6 (B0-B2);
  sequence reduction: Wang et al., Pyramid Vision Transformer, 2021, arXiv 2102.12122;
  drop path: Huang et al., Stochastic Depth, 2016, arXiv 1603.09382.
Differs: epsilon of all layer norms is 1e-5, as in transformers (the authors' code has
  1e-6 in the blocks). Convolutions start as He et al. 2015 (arXiv 1502.01852).
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.core.errors import raise_problems
from segjax.core.names import Names
from segjax.models.backbones.backbone import Backbone
from segjax.nn.conv import Conv
from segjax.nn.norm import norm

REDUCTIONS = (8, 4, 2, 1)
"""Side of the patches that one key and value stand for, a stage."""

EXPANSION = 4
"""Channels inside the Mix-FFN, times those outside."""


def _rules() -> tuple[tuple[str, str], ...]:
    """The names of transformers, of version 5 and of the published files."""
    rules = []
    for i in range(4):
        new, old = rf"(?:segformer\.)?stages\.{i}", r"(?:segformer\.)?encoder"
        ours = f"stage{i + 1}"
        for embed in (rf"{new}\.patch_embeddings", rf"{old}\.patch_embeddings\.{i}"):
            rules += [
                (rf"{embed}\.proj", f"{ours}/embed/conv"),
                (rf"{embed}\.layer_norm", f"{ours}/embed/norm"),
            ]
        rules.append((rf"{new}\.layer_norm|{old}\.layer_norm\.{i}", f"{ours}/norm"))
        block = rf"(?:{new}\.blocks|{old}\.block\.{i})\.(\d+)"
        rules += [
            (rf"{block}\.(?:{theirs})", rf"{ours}/block\1/{path}")
            for theirs, path in (
                (r"layernorm_before|layer_norm_1", "norm1"),
                (r"attention\.(?:q_proj|self\.query)", "attention/query"),
                (r"attention\.(?:k_proj|self\.key)", "attention/key"),
                (r"attention\.(?:v_proj|self\.value)", "attention/value"),
                (
                    r"attention\.(?:sequence_reduction\.sequence_reduction|self\.sr)",
                    "attention/reduce/conv",
                ),
                (
                    r"attention\.(?:sequence_reduction|self)\.layer_norm",
                    "attention/reduce/norm",
                ),
                (r"attention\.(?:o_proj|output\.dense)", "attention/out"),
                (r"layernorm_after|layer_norm_2", "norm2"),
                (r"mlp\.(?:fc1|dense1)", "ffn/expand"),
                (r"mlp\.dwconv\.dwconv", "ffn/depthwise"),
                (r"mlp\.(?:fc2|dense2)", "ffn/project"),
            )
        ]
    return tuple(rules)


TRANSFORMERS = Names(
    project="transformers",
    modules=_rules(),
    drop=(r"decode_head\..*", r"classifier\..*", r".*\.num_batches_tracked"),
)


class MiT(Backbone):
    """Mix Transformer of any depth; the default is MiT-B0.

    Default size, 512x512x3:

    =======  =================  ===========
    stage    output             parameters
    =======  =================  ===========
    stage1   128 x 128 x 32         164,096
    stage2   64 x 64 x 64           255,296
    stage3   32 x 32 x 160          930,080
    stage4   16 x 16 x 256        1,969,920
    total                         3,319,392
    =======  =================  ===========

    The features are the four stages (strides 4 to 32), each after its layer norm. The
    scores of the attention take `(H W / 16) * (H W / 1024)` numbers in `stage1` and,
    a head, a quarter of that or less in each later stage: quadratic in the pixels,
    but a 64th of what attention of all to all would take.

    Attributes:
      norm: of the model around; the norms in here are layer norms whatever it says.
      head_width: channels of a head of the attention, before `width`.
      heads: heads of the four stages; `heads * head_width` are the channels.
      blocks: blocks of the four stages.
      drop_path: chance that a residual of the last block is left out of an image, in
        training; grows linearly from 0 at the first block.
    """

    head_width: int = 32
    heads: tuple[int, int, int, int] = (1, 2, 5, 8)
    blocks: tuple[int, int, int, int] = (2, 2, 2, 2)
    drop_path: float = 0.1

    foreign = (TRANSFORMERS,)

    def __post_init__(self):
        super().__post_init__()
        problems = []
        if self.output_stride != 32:
            problems.append(
                f"config.model.output_stride={self.output_stride}: is not possible "
                "with a transformer backbone, which cannot be dilated; 32 is allowed. "
                "Set 32, or take a convolutional backbone."
            )
        if not 0 <= self.drop_path < 1:
            problems.append(
                f"config.model.drop_path={self.drop_path}: is not a chance; 0 up to "
                "but without 1 is allowed."
            )
        raise_problems(problems)

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool = False
    ) -> dict[int, Array]:
        """Features after each stage; both sides must divide by 32."""
        features = {}
        before, last = 0, max(1, sum(self.blocks) - 1)
        for i, (heads, blocks) in enumerate(zip(self.heads, self.blocks, strict=True)):
            x = Stage(
                heads=heads,
                head_width=self.channels(self.head_width),
                kernel=7 if i == 0 else 3,
                stride=4 if i == 0 else 2,
                reduction=REDUCTIONS[i],
                drop=tuple(self.drop_path * (before + j) / last for j in range(blocks)),
                dtype=self.dtype,
                name=f"stage{i + 1}",
            )(x, train)
            before += blocks
            features[4 * 2**i] = x
        return features


class MiTB0(MiT):
    """MiT-B0: 3,319,392 parameters."""


class MiTB1(MiT):
    """MiT-B1: 13,151,424 parameters."""

    head_width: int = 64


class MiTB2(MiT):
    """MiT-B2: 24,196,288 parameters."""

    head_width: int = 64
    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)


class Stage(nn.Module):
    """Overlapping patches become a coarser grid; blocks of attention; layer norm.

    Attributes:
      heads: of the attention.
      head_width: channels of a head.
      kernel: side of a patch.
      stride: step between patches.
      reduction: of the keys and values.
      drop: a chance for each block.
    """

    heads: int
    head_width: int
    kernel: int
    stride: int
    reduction: int
    drop: tuple[float, ...]
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B h w F"]:
        x = Patches(
            self.heads * self.head_width,
            self.kernel,
            self.stride,
            dtype=self.dtype,
            name="embed",
        )(x)
        for j, rate in enumerate(self.drop):
            x = Block(
                self.heads, self.reduction, rate, dtype=self.dtype, name=f"block{j}"
            )(x, train)
        return layer_norm(x, self.dtype, "norm")


class Patches(nn.Module):
    """A strided convolution, overlapping unless `padding` is 0, and layer norm."""

    features: int
    kernel: int
    stride: int
    padding: int | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B h w F"]:
        x = Conv(
            self.features,
            self.kernel,
            stride=self.stride,
            padding=self.padding,
            dtype=self.dtype,
            name="conv",
        )(x)
        return layer_norm(x, self.dtype, "norm")


class Block(nn.Module):
    """Attention, then the Mix-FFN; each after a layer norm and added to its input."""

    heads: int
    reduction: int
    drop: float
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B H W C"]:
        def dropped(y):
            whole = (1, 2, 3)  # one decision an image
            return nn.Dropout(self.drop, whole, deterministic=not train)(y)

        y = layer_norm(x, self.dtype, "norm1")
        y = Attention(self.heads, self.reduction, self.dtype, name="attention")(y)
        x = x + dropped(y)
        y = layer_norm(x, self.dtype, "norm2")
        return x + dropped(MixFFN(self.dtype, name="ffn")(y))


class Attention(nn.Module):
    """Every pixel attends to patches of `reduction` by `reduction` pixels.

    Scores and softmax are float32 whatever `dtype` is.
    """

    heads: int
    reduction: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
        B, H, W, C = x.shape
        source = x
        if (side := self.reduction) > 1:
            reduce = Patches(C, side, side, 0, self.dtype, name="reduce")
            source = reduce(x)
        query, key, value = (
            linear(C, self.dtype, name)(grid).reshape(
                B, -1, self.heads, C // self.heads
            )
            for name, grid in (("query", x), ("key", source), ("value", source))
        )
        y = jax.nn.dot_product_attention(query, key, value, implementation="xla")
        return linear(C, self.dtype, "out")(y.reshape(B, H, W, C))


class MixFFN(nn.Module):
    """Two linear layers; a depthwise 3x3 between them sees where the border is."""

    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
        C = x.shape[-1]
        F = EXPANSION * C
        x = linear(F, self.dtype, "expand")(x)
        x = Conv(F, 3, groups=F, dtype=self.dtype, name="depthwise")(x)
        x = nn.gelu(x, approximate=False)
        return linear(C, self.dtype, "project")(x)


def linear(features: int, dtype: Any, name: str) -> nn.Dense:
    """A linear layer that starts as the paper's code does."""
    start = nn.initializers.truncated_normal(0.02)
    return nn.Dense(features, dtype=dtype, kernel_init=start, name=name)


def layer_norm(x: Array, dtype: Any, name: str) -> Array:
    """Layer norm inside a compact module."""
    return norm(x, "layer", train=False, name=name, dtype=dtype)
