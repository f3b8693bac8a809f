"""ConvLSTM-U-Net: a U-Net whose stages remember the frames before.

Source: Shukla, Semantic Segmentation with Deep Learning (dissertation), 2023, section
  4.2: ConvLSTM layers in the encoder and decoder blocks of a U-Net; the network as in
  Ronneberger et al. 2015, arXiv 1505.04597, the layer as in Shi et al. 2015, arXiv
  1506.04214. That the memory helps most outside the bottleneck is from Pfeuffer et al.
  2019, arXiv 1905.01058.
Differs: the dissertation gives no widths or places; here a ConvLSTM of the stage's
  width stands behind its two convolutions, in all stages but the bottom one, and 32
  channels are the first. Batch norm is over the frames of all clips, outside the
  recurrence.
"""

from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from segjax.core.tables import unknown
from segjax.models.clip_segmenter import ClipSegmenter
from segjax.models.unet import DoubleConv
from segjax.nn.conv import Conv
from segjax.nn.convlstm import Carry, ConvLSTM
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.frames import each_frame
from segjax.nn.norm import NormName
from segjax.nn.pooling import max_pool_2x2
from segjax.nn.upconv import UpConv2x2

Clip = Float[Array, "_ _ _ _ _"]
Places = Literal["encoder", "decoder", "both", "bottom"]


class ConvLSTMUNet(ClipSegmenter):
    """U-Net with a ConvLSTM, `*_memory`, behind the convolutions of its stages.

    Default size, a clip of 512x512x3 to one output channel; the output is of a frame:

    ============  ===================  ============
    stage         output               parameters
    ============  ===================  ============
    down0         512 x 512 x 32             10,272
    down0_memory  512 x 512 x 32             73,856
    down1         256 x 256 x 64             55,680
    down1_memory  256 x 256 x 64            295,168
    down2         128 x 128 x 128           221,952
    down2_memory  128 x 128 x 128         1,180,160
    down3         64 x 64 x 256             886,272
    down3_memory  64 x 64 x 256           4,719,616
    bottom        32 x 32 x 512           3,542,016
    up3_grow      64 x 64 x 256             524,544
    up3           64 x 64 x 256           1,771,008
    up3_memory    64 x 64 x 256           4,719,616
    up2_grow      128 x 128 x 128           131,200
    up2           128 x 128 x 128           443,136
    up2_memory    128 x 128 x 128         1,180,160
    up1_grow      256 x 256 x 64             32,832
    up1           256 x 256 x 64            110,976
    up1_memory    256 x 256 x 64            295,168
    up0_grow      512 x 512 x 32              8,224
    up0           512 x 512 x 32             27,840
    up0_memory    512 x 512 x 32             73,856
    head          512 x 512 x 1                  33
    total                              20,303,585
    ============  ===================  ============

    Batch norm adds 5,888 running statistics, which are not trained.

    An image is a clip of one frame. Its logits do not depend on the kernels of the
    states nor on the forget gates, for there is nothing to remember: the network is a
    U-Net whose stages end in the gated convolution `s(o) tanh(s(i) tanh(g))`, or, with
    `residual`, in that plus what came into it.

    Attributes:
      num_outputs: `K`, channels of the logits.
      width: channels of the first stage; each stage doubles them.
      depth: number of halvings.
      recurrent: which stages remember: `encoder` (`down*`), `decoder` (`up*`), `both`,
        `bottom`, or the names of stages.
      outputs: `last`: the logits of the last frame; stages behind the last memory see
        no other. `all`: of every frame.
      residual: add the memory to the stage's features in place of replacing them:
        the weights of an image U-Net then keep their meaning, and names.
      peepholes: whether the gates see the cell.
      remat: compute the insides of the memories again in training rather than keep
        them; see `ConvLSTM`.
      norm: `batch`, `group`, `layer` or `none`, of the convolutions.
      dtype: `float32`, or `bfloat16` to compute in it; logits and cells are float32.
    """

    num_outputs: int
    width: int = 32
    depth: int = 4
    recurrent: Places | tuple[str, ...] = "both"
    outputs: Literal["last", "all"] = "last"
    residual: bool = False
    peepholes: bool = False
    remat: bool = False
    norm: NormName = "batch"
    dtype: DtypeName = "float32"

    def problems(self) -> list[str]:
        """What is wrong with the fields, as messages."""
        problems = super().problems()
        if not problems and not self.memories:
            problems.append(
                "config.model.recurrent=(): no stage remembers. Name stages, or use "
                "the model unet."
            )
        return problems + [
            unknown("stage", name, self.stages, f"config.model.recurrent={name!r}")
            for name in self.memories
            if name not in self.stages
        ]

    @property
    def stride(self) -> int:
        """Input sides must divide by it."""
        return 2**self.depth

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages, in the order of the data."""
        down = [f"down{level}" for level in range(self.depth)]
        up = [f"up{level}" for level in reversed(range(self.depth))]
        return (*down, "bottom", *up)

    @property
    def memories(self) -> tuple[str, ...]:
        """Names of the stages that remember."""
        starts = {"encoder": "down", "decoder": "up", "both": ("down", "up")}
        if not isinstance(self.recurrent, str):
            return tuple(self.recurrent)
        start = starts.get(self.recurrent, self.recurrent)
        return tuple(n for n in self.stages if n.startswith(start)) or (self.recurrent,)

    @nn.compact
    def run(
        self,
        clip: Float[Array, "B T H W C"],
        train: bool,
        carry: dict[str, Carry] | None,
        reset: Bool[Array, "B T"] | None,
    ) -> tuple[Float[Array, "B t H W K"], dict[str, Carry]]:
        """Logits of the last frame or of all, and the carry of each memory."""
        dtype = compute_dtype(self.dtype)
        x = clip.astype(dtype)
        widths = [self.width * 2**level for level in range(self.depth + 1)]
        last = max(self.memories, key=self.stages.index)
        one = self.outputs == "last"
        carries = {}

        def stage(name: str, features: int, x: Clip) -> Clip:
            block = DoubleConv(features, self.norm, dtype, name=name)
            x = each_frame(lambda frames: block(frames, train), x)
            if name not in self.memories:
                return x
            h, carries[name] = ConvLSTM(
                features,
                peepholes=self.peepholes,
                remat=self.remat,
                dtype=dtype,
                name=f"{name}_memory",
            )(x, carry[name] if carry else None, reset)
            if name == last and one:  # the frames before have done their part
                x, h = x[:, -1:], carries[name][1][:, None]
            return x + h if self.residual else h

        skips = []
        for level, features in enumerate(widths[:-1]):
            x = stage(f"down{level}", features, x)
            skips.append(x)
            x = each_frame(max_pool_2x2, x)
        x = stage("bottom", widths[-1], x)
        for level in reversed(range(self.depth)):
            grow = UpConv2x2(widths[level], dtype, name=f"up{level}_grow")
            x = each_frame(grow, x)
            skip = skips[level][:, -x.shape[1] :]
            x = jnp.concatenate([skip, x], axis=-1)
            x = stage(f"up{level}", widths[level], x)
        head = Conv(self.num_outputs, 1, name="head")
        return each_frame(head, x.astype(jnp.float32)), carries
