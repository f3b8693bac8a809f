"""HRNetV2: branches of four resolutions side by side, which exchange all the time.

Source: Wang et al., Deep High-Resolution Representation Learning for Visual
  Recognition, 2019, arXiv 1908.07919, figures 2 and 4b and section 3; Sun et al.,
  High-Resolution Representations for Labeling Pixels and Regions, 2019, arXiv
  1904.04514 (the head V2).
Differs: a coarse branch is convolved 1x1 and then enlarged, not the other way round:
  the two commute, and this order is up to 64 times less work.
"""

from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.core.names import Names
from segjax.models.backbones.resnet import BasicBlock, Bottleneck
from segjax.models.segmenter import Segmenter
from segjax.nn.conv import Conv, ConvNorm
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.norm import NormName
from segjax.nn.resample import resize, upsample_nearest

Enlarge = Literal["bilinear", "nearest"]


def _rules() -> tuple[tuple[str, str], ...]:
    """The authors' names, which timm keeps; below `model.` in their checkpoints."""
    root, unit = r"(?:model\.)?", r"stage(\d)\.(\d)"
    ours = r"stage\1/unit\2"
    rules = [
        (rf"{root}conv([12])", r"stem\1/conv"),
        (rf"{root}bn([12])", r"stem\1/norm"),
    ]
    blocks = (
        (r"layer1\.(\d)", r"stage1/block\1", 2),
        (rf"{unit}\.branches\.(\d)\.(\d)", rf"{ours}/branch\3/block\4", 5),
    )
    for theirs, path, next_group in blocks:
        conv = rf"{path}/conv\{next_group}"
        rules += [
            (rf"{root}{theirs}\.conv(\d)", f"{conv}/conv"),
            (rf"{root}{theirs}\.bn(\d)", f"{conv}/norm"),
            (rf"{root}{theirs}\.downsample\.0", f"{path}/shortcut/conv"),
            (rf"{root}{theirs}\.downsample\.1", f"{path}/shortcut/norm"),
        ]
    fuse = rf"{root}{unit}\.fuse_layers\.(\d)\.(\d)"
    for i, part in enumerate(("conv", "norm")):
        rules += [
            (
                rf"{root}transition(\d)\.(\d)(?:\.0)?\.{i}",
                rf"transition\1/branch\2/{part}",
            ),
            (rf"{fuse}\.{i}", rf"{ours}/from\4_to\3/{part}"),
            (rf"{fuse}\.(\d)\.{i}", rf"{ours}/from\4_to\3_step\5/{part}"),
        ]
    return tuple((pattern, f"backbone/{path}") for pattern, path in rules)


DROPPED = r".*\.num_batches_tracked"

TIMM = Names(
    project="timm",
    modules=_rules(),
    drop=(r"(incre_modules|downsamp_modules|final_layer|classifier)\..*", DROPPED),
    new=(r"(mix|head)/.*",),
)

OFFICIAL = Names(
    project="official",
    modules=(
        *TIMM.modules,
        (r"(?:model\.)?last_layer\.0", "mix/conv"),
        (r"(?:model\.)?last_layer\.1", "mix/norm"),
        (r"(?:model\.)?last_layer\.3", "head"),
    ),
    drop=(DROPPED,),
)
"""Of the authors' HRNet-Semantic-Segmentation."""


class HRNet(Segmenter):
    """HRNetV2 of any width; the default is W18.

    Default size, 512x1024x3 to 19 channels:

    =========  =================  ===========
    stage      output             parameters
    =========  =================  ===========
    backbone   128 x 256 x 18       9,562,260
    mix        128 x 256 x 270         73,710
    head       128 x 256 x 19           5,149
    total                           9,641,119
    =========  =================  ===========

    The backbone's row shows its finest branch; the others have 36, 72 and 144 channels
    on grids of 64 x 128, 32 x 64 and 16 x 32. `mix` sees all four, enlarged to the
    finest: 15 times `width` channels; its convolution has a bias, as in the authors'
    code, though a norm follows. W48 has 65,859,379 parameters.

    Attributes:
      num_outputs: `K`, channels of the logits.
      width: channels of the finest branch; each coarser one has twice as many. The
        paper's are 18, 32, 40 and 48.
      units: rounds of blocks and exchange in the stages of two, three, four branches.
      blocks: blocks of every branch in a unit, and of the first stage.
      stem: channels of the two strided convolutions that come first, and of the
        bottlenecks of the first stage.
      enlarge: how a coarse branch reaches a finer one: `bilinear`, the paper's for
        segmentation, or `nearest`, as in networks trained to classify.
      norm: `batch`, `group`, `layer` or `none`.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    width: int = 18
    units: tuple[int, int, int] = (1, 4, 3)
    blocks: int = 4
    stem: int = 64
    enlarge: Enlarge = "bilinear"
    norm: NormName = "batch"
    dtype: DtypeName = "float32"

    foreign = (OFFICIAL, TIMM)

    @property
    def stride(self) -> int:
        """Input sides must divide by it: so every branch halves exactly."""
        return 32

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool = False
    ) -> Float[Array, "B H W K"]:
        """Logits of every pixel.

        Raises:
          UserError: a side of `x` does not divide by `stride`.
        """
        self.check_size(x)
        size = x.shape[1:3]
        dtype = compute_dtype(self.dtype)
        branches = HighResolution(
            width=self.width,
            units=self.units,
            blocks=self.blocks,
            stem=self.stem,
            enlarge=self.enlarge,
            norm=self.norm,
            dtype=dtype,
            name="backbone",
        )(x.astype(dtype), train)
        finest = branches[0].shape[1:3]
        x = jnp.concatenate([resize(branch, finest) for branch in branches], axis=-1)
        x = ConvNorm(
            15 * self.width, 1, norm=self.norm, use_bias=True, dtype=dtype, name="mix"
        )(x, train)
        logits = Conv(self.num_outputs, 1, name="head")(x.astype(jnp.float32))
        return resize(logits, size)


class HighResolution(nn.Module):
    """The network below the head: four branches of strides 4, 8, 16 and 32."""

    width: int
    units: tuple[int, ...]
    blocks: int
    stem: int
    enlarge: Any
    norm: Any
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> list[Float[Array, "B _h _w _F"]]:
        style = dict(norm=self.norm, dtype=self.dtype)
        x = ConvNorm(self.stem, 3, stride=2, **style, name="stem1")(x, train)
        x = ConvNorm(self.stem, 3, stride=2, **style, name="stem2")(x, train)
        x = Blocks(self.stem, self.blocks, True, **style, name="stage1")(x, train)
        branches = [x]
        for i, units in enumerate(self.units):
            widths = tuple(self.width * 2**b for b in range(i + 2))
            branches = Transition(widths, **style, name=f"transition{i + 1}")(
                branches, train
            )
            branches = Stage(
                units, self.blocks, self.enlarge, **style, name=f"stage{i + 2}"
            )(branches, train)
        return branches


class Transition(nn.Module):
    """Give each branch its width, and open a coarser one from the coarsest."""

    widths: tuple[int, ...]
    norm: Any
    dtype: Any

    @nn.compact
    def __call__(self, branches: list[Array], train: bool) -> list[Array]:
        made = list(branches)
        for b, width in enumerate(self.widths):
            new = b == len(branches)
            source = branches[-1] if new else branches[b]
            if new or source.shape[-1] != width:
                made[b : b + 1] = [
                    ConvNorm(
                        width,
                        3,
                        stride=2 if new else 1,
                        norm=self.norm,
                        dtype=self.dtype,
                        name=f"branch{b}",
                    )(source, train)
                ]
        return made


class Stage(nn.Module):
    """Units that keep the number of branches and their shapes."""

    units: int
    blocks: int
    enlarge: Any
    norm: Any
    dtype: Any

    @nn.compact
    def __call__(self, branches: list[Array], train: bool) -> list[Array]:
        for i in range(self.units):
            branches = Unit(
                self.blocks, self.enlarge, self.norm, self.dtype, name=f"unit{i}"
            )(branches, train)
        return branches


class Unit(nn.Module):
    """Blocks on every branch, then each branch becomes the sum of all, and ReLU."""

    blocks: int
    enlarge: Any
    norm: Any
    dtype: Any

    @nn.compact
    def __call__(self, branches: list[Array], train: bool) -> list[Array]:
        style = dict(norm=self.norm, dtype=self.dtype)
        branches = [
            Blocks(x.shape[-1], self.blocks, False, **style, name=f"branch{b}")(
                x, train
            )
            for b, x in enumerate(branches)
        ]
        fused = []
        for i, target in enumerate(branches):
            total = None
            for j, x in enumerate(branches):
                if j > i:
                    x = self._up(x, target, f"from{j}_to{i}", train)
                elif j < i:
                    x = self._down(x, target, i - j, f"from{j}_to{i}", train)
                total = x if total is None else total + x
            fused.append(nn.relu(total))
        return fused

    def _up(self, x: Array, target: Array, name: str, train: bool) -> Array:
        x = ConvNorm(
            target.shape[-1],
            1,
            norm=self.norm,
            activation=None,
            dtype=self.dtype,
            name=name,
        )(x, train)
        if self.enlarge == "nearest":
            return upsample_nearest(x, target.shape[1] // x.shape[1])
        return resize(x, target.shape[1:3])

    def _down(
        self, x: Array, target: Array, steps: int, name: str, train: bool
    ) -> Array:
        """Strided convolutions; the last has the target's width and no ReLU."""
        for k in range(steps):
            last = k == steps - 1
            x = ConvNorm(
                target.shape[-1] if last else x.shape[-1],
                3,
                stride=2,
                norm=self.norm,
                activation=None if last else nn.relu,
                dtype=self.dtype,
                name=f"{name}_step{k}",
            )(x, train)
        return x


class Blocks(nn.Module):
    """Residual blocks of ResNet at one resolution."""

    features: int
    blocks: int
    bottleneck: bool
    norm: Any
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B H W F"]:
        block = Bottleneck if self.bottleneck else BasicBlock
        for j in range(self.blocks):
            x = block(
                features=self.features,
                stride=1,
                rate=1,
                after=1,
                projects=self.bottleneck and j == 0,
                norm=self.norm,
                dtype=self.dtype,
                name=f"block{j}",
            )(x, train)
        return x
