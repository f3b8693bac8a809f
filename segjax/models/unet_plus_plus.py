"""UNet++: a U-Net whose skips are dense and whose every depth has a decoder.

Source: Zhou, Siddiquee, Tajbakhsh & Liang, UNet++: A Nested U-Net Architecture for
  Medical Image Segmentation, 2018, arXiv 1807.10165, figure 1 and equation 1; widths
  and up-convolutions from the authors' Keras model.
Differs: a norm behind every convolution by default (`norm="none"` is theirs) and no
  dropout (0.5 behind each convolution in their model, not in the paper); the average
  of the heads is one of logits.
"""

from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.models.segmenter import Segmenter
from segjax.nn.conv import Conv
from segjax.nn.double_conv import DoubleConvNorm
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.norm import NormName
from segjax.nn.pooling import max_pool_2x2
from segjax.nn.upconv import UpConv2x2


class UNetPlusPlus(Segmenter):
    """UNet++ of any width and depth.

    Node `xI_J` lies `I` halvings down and `J` steps along the skip. It reads the node
    below and before it, grown (`xI_J_grow`), and all nodes before it on its own level.

    Default size, 512x512x3 to one output channel:

    =========  ===================  ============
    node       output               parameters
    =========  ===================  ============
    x0_0       512 x 512 x 32             10,208
    x1_0       256 x 256 x 64             55,552
    x2_0       128 x 128 x 128           221,696
    x3_0       64 x 64 x 256             885,760
    x4_0       32 x 32 x 512           3,540,992
    x0_1_grow  512 x 512 x 32              8,224
    x0_1       512 x 512 x 32             27,776
    x1_1_grow  256 x 256 x 64             32,832
    x1_1       256 x 256 x 64            110,848
    x2_1_grow  128 x 128 x 128           131,200
    x2_1       128 x 128 x 128           442,880
    x3_1_grow  64 x 64 x 256             524,544
    x3_1       64 x 64 x 256           1,770,496
    x0_2_grow  512 x 512 x 32              8,224
    x0_2       512 x 512 x 32             36,992
    x1_2_grow  256 x 256 x 64             32,832
    x1_2       256 x 256 x 64            147,712
    x2_2_grow  128 x 128 x 128           131,200
    x2_2       128 x 128 x 128           590,336
    x0_3_grow  512 x 512 x 32              8,224
    x0_3       512 x 512 x 32             46,208
    x1_3_grow  256 x 256 x 64             32,832
    x1_3       256 x 256 x 64            184,576
    x0_4_grow  512 x 512 x 32              8,224
    x0_4       512 x 512 x 32             55,424
    head1      512 x 512 x 1                  33
    head2      512 x 512 x 1                  33
    head3      512 x 512 x 1                  33
    head4      512 x 512 x 1                  33
    total                              9,045,924
    =========  ===================  ============

    A network of less depth is this one pruned: its nodes and heads are among these,
    and compute the same.

    Attributes:
      num_outputs: `K`, channels of the logits.
      width: channels of the first level; each level doubles them.
      depth: number of halvings.
      supervision: `last`: each node `x0_J` has a head that is trained and the last one
        answers (the paper's fast mode, unpruned); `average`: their mean answers (its
        accurate mode); `none`: the last node alone has a head.
      norm: `batch`, `group`, `layer` or `none`.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    width: int = 32
    depth: int = 4
    supervision: Literal["none", "last", "average"] = "last"
    norm: NormName = "batch"
    dtype: DtypeName = "float32"

    @property
    def stride(self) -> int:
        """Input sides must divide by it."""
        return 2**self.depth

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool = False
    ) -> Float[Array, "B H W K"]:
        """Logits of every pixel.

        Raises:
          UserError: a side of `x` does not divide by `stride`.
        """
        self.check_size(x)
        style = dict(norm=self.norm, dtype=compute_dtype(self.dtype))
        widths = [self.width * 2**i for i in range(self.depth + 1)]

        x = x.astype(style["dtype"])
        nodes = {}
        for i in range(self.depth + 1):
            x = max_pool_2x2(x) if i else x
            x = DoubleConvNorm(widths[i], **style, name=f"x{i}_0")(x, train)
            nodes[i, 0] = x
        for j in range(1, self.depth + 1):
            for i in range(self.depth + 1 - j):
                below = nodes[i + 1, j - 1]
                grown = UpConv2x2(widths[i], style["dtype"], name=f"x{i}_{j}_grow")(
                    below
                )
                before = [nodes[i, k] for k in reversed(range(j))]
                x = jnp.concatenate([grown, *before], axis=-1)
                x = DoubleConvNorm(widths[i], **style, name=f"x{i}_{j}")(x, train)
                nodes[i, j] = x
        return self._answer([nodes[0, j] for j in range(1, self.depth + 1)], train)

    def _answer(self, tops: list[Array], train: bool) -> Float[Array, "B H W K"]:
        """Heads of the nodes at the image's size: trained, and the one that answers."""
        trained = self.supervision != "none" and self.has_aux(train)
        average = self.supervision == "average"
        logits = []
        for j, x in enumerate(tops, 1):
            answers = average or j == len(tops)
            if not (answers or trained):
                continue
            head = Conv(self.num_outputs, 1, name=f"head{j}")
            logits.append(head(x.astype(jnp.float32)))
            if trained and (average or not answers):
                self.sow_aux(f"depth{j}", logits[-1])
        return sum(logits) / len(logits) if average else logits[-1]
