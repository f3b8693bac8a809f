"""MobileNet: a stack of separable convolutions.

Source: Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile
  Vision Applications, 2017, arXiv 1704.04861, table 1.
Differs: ReLU6 in place of ReLU and a batch norm with epsilon 1e-3, as its authors
  released it and as Keras has it. Padding is symmetric, as in PyTorch, where TensorFlow
  pads an even side at its end alone.
"""

import flax.linen as nn
from jaxtyping import Array, Float

from segjax.core.names import Names
from segjax.models.backbones.atrous import steps
from segjax.models.backbones.backbone import Backbone
from segjax.nn.conv import ConvNorm
from segjax.nn.separable import SeparableBlock

BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)
"""Output channels and stride of each block."""

EPSILON = 1e-3


def _timm() -> Names:
    """Blocks are counted within five groups."""
    rules = [(r"conv_stem", "stem/conv"), (r"bn1", "stem/norm")]
    number = 1
    for group, blocks in enumerate((1, 2, 2, 6, 2)):
        for i in range(blocks):
            there = rf"blocks\.{group}\.{i}"
            rules += [
                (rf"{there}\.conv_dw", f"block{number}/depth/conv"),
                (rf"{there}\.bn1", f"block{number}/depth/norm"),
                (rf"{there}\.conv_pw", f"block{number}/point/conv"),
                (rf"{there}\.bn2", f"block{number}/point/norm"),
            ]
            number += 1
    drop = (r"classifier\..*", r".*\.num_batches_tracked")
    return Names(project="timm", modules=tuple(rules), drop=drop)


def _transformers() -> Names:
    """Depthwise and 1x1 convolutions are counted through, from 0."""
    root = r"(?:mobilenet_v1\.)?"
    rules = []
    for a, b in (("convolution", "conv"), ("normalization", "norm")):
        rules.append((rf"{root}conv_stem\.{a}", f"stem/{b}"))
        for i in range(2 * len(BLOCKS)):
            half = "point" if i % 2 else "depth"
            path = f"block{i // 2 + 1}/{half}/{b}"
            rules.append((rf"{root}layer\.{i}\.{a}", path))
    drop = (r"classifier\..*", r".*\.num_batches_tracked")
    return Names(project="transformers", modules=tuple(rules), drop=drop)


class MobileNetV1(Backbone):
    """MobileNet without its classifier.

    Default size, 224x224x3; `blockN` is numbered as in Keras:

    =======  ================  ============
    stage    output            parameters
    =======  ================  ============
    stem     112 x 112 x 32             928
    block1   112 x 112 x 64           2,528
    block2   56 x 56 x 128            9,152
    block3   56 x 56 x 128           18,048
    block4   28 x 28 x 256           34,688
    block5   28 x 28 x 256           68,864
    block6   14 x 14 x 512          134,912
    block7   14 x 14 x 512          268,800
    block8   14 x 14 x 512          268,800
    block9   14 x 14 x 512          268,800
    block10  14 x 14 x 512          268,800
    block11  14 x 14 x 512          268,800
    block12  7 x 7 x 1024           531,968
    block13  7 x 7 x 1024         1,061,888
    total                         3,206,976
    =======  ================  ============

    With the 21,888 running statistics these are the 3,228,864 of Keras. The features
    are the last block's of each stride: `block1`, `block3`, `block5`, `block11`,
    `block13`.

    Attributes:
      blocks: number of blocks; fewer, such as 11, leave out the deepest features.
    """

    blocks: int = len(BLOCKS)

    foreign = (_timm(), _transformers())

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool = False
    ) -> dict[int, Array]:
        """Features of the last block of each stride."""
        style = dict(
            norm=self.norm, activation=nn.relu6, epsilon=EPSILON, dtype=self.dtype
        )
        x = ConvNorm(self.channels(32), 3, stride=2, **style, name="stem")(x, train)
        features = {}
        key = 2
        blocks = BLOCKS[: self.blocks]
        plan = steps([stride for _, stride in blocks], self.output_stride, start=2)
        for number, ((channels, stride), step) in enumerate(
            zip(blocks, plan, strict=True), start=1
        ):
            x = SeparableBlock(
                self.channels(channels),
                stride=step.stride,
                rate=step.rate,
                **style,
                name=f"block{number}",
            )(x, train)
            key *= stride
            features[key] = x
        return features
