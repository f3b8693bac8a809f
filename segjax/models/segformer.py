"""SegFormer: a pyramid of attention, and a decoder of linear layers alone.

Source: Xie et al., SegFormer: Simple and Efficient Design for Semantic Segmentation
  with Transformers, 2021, arXiv 2105.15203, figure 2 and section 3.2.
Differs: the logits are enlarged from a quarter of the input's size to all of it, which
  the paper leaves to evaluation.
"""

from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.core.names import Names
from segjax.models.backbone_segmenter import BackboneSegmenter
from segjax.models.backbones.mit import TRANSFORMERS
from segjax.nn.conv import Conv, ConvNorm
from segjax.nn.dtypes import DtypeName, compute_dtype
from segjax.nn.norm import NormName
from segjax.nn.resample import resize

BACKBONE = tuple((a, f"backbone/{b}") for a, b in TRANSFORMERS.modules)

HEAD = (
    *(
        (rf"decode_head\.(?:linear_projections|linear_c)\.{i}\.proj", f"project{i + 1}")
        for i in range(4)
    ),
    (r"decode_head\.linear_fuse", "fuse/conv"),
    (r"decode_head\.batch_norm", "fuse/norm"),
    (r"decode_head\.classifier", "head"),
)


class SegFormer(BackboneSegmenter):
    """SegFormer-B0 to B2.

    Default size, 512x512x3 to 19 channels (B0):

    =========  =================  ===========
    stage      output             parameters
    =========  =================  ===========
    backbone   128 x 128 x 32       3,319,392
    project4   16 x 16 x 256           65,792
    project3   32 x 32 x 256           41,216
    project2   64 x 64 x 256           16,640
    project1   128 x 128 x 256          8,448
    fuse       128 x 128 x 256        262,656
    head       128 x 128 x 19           4,883
    total                           3,719,027
    =========  =================  ===========

    The backbone's row shows its finest features. The four projections are enlarged to
    a quarter of the input's size, joined, and fused. B1 has 13,682,131 parameters, B2
    27,361,235.

    Attributes:
      num_outputs: `K`, channels of the logits.
      backbone: `mit_b0`, `mit_b1` or `mit_b2`.
      backbone_width: multiplier of the backbone's channels; 1 is the paper's.
      blocks: blocks of the backbone's four stages; None is the paper's.
      width: channels of the decoder; None is the paper's, 256 of B0 and B1, 768 of B2.
      drop_path: chance to leave a residual out of an image in training, at the
        deepest block.
      dropout: share of the fused features dropped in training.
      norm: of `fuse`: `batch`, `group`, `layer` or `none`; the backbone's are layer
        norms always.
      dtype: `float32`, or `bfloat16` to compute in it; logits are float32.
    """

    num_outputs: int
    backbone: Literal["mit_b0", "mit_b1", "mit_b2"] = "mit_b0"
    backbone_width: float = 1.0
    blocks: tuple[int, int, int, int] | None = None
    width: int | None = None
    drop_path: float = 0.1
    dropout: float = 0.1
    norm: NormName = "batch"
    dtype: DtypeName = "float32"

    @property
    def stride(self) -> int:
        """Input sides must divide by it: so every stage's patches cover its grid."""
        return 32

    @property
    def foreign(self) -> tuple[Names, ...]:
        """transformers, with its decoder or the backbone alone."""
        whole = Names(project="transformers", modules=(*BACKBONE, *HEAD))
        return (whole, TRANSFORMERS.within("backbone"))

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
        width = self.width or (768 if self.backbone == "mit_b2" else 256)
        depth = {} if self.blocks is None else {"blocks": self.blocks}
        features = self.encode(x, train, drop_path=self.drop_path, **depth)
        finest = features[4].shape[1:3]
        joined = []
        for i in (4, 3, 2, 1):
            y = Conv(width, 1, dtype=dtype, name=f"project{i}")(features[2 ** (i + 1)])
            joined.append(resize(y, finest))
        x = jnp.concatenate(joined, axis=-1)
        x = ConvNorm(width, 1, norm=self.norm, dtype=dtype, name="fuse")(x, train)
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        logits = Conv(self.num_outputs, 1, name="head")(x.astype(jnp.float32))
        return resize(logits, size)
