"""VGG: stages of 3x3 convolutions, a 2x2 max pooling behind each.

Source: Simonyan & Zisserman, Very Deep Convolutional Networks, 2014, arXiv 1409.1556,
  table 1, configurations A (VGG-11) and D (VGG-16). Atrous: Chen et al., DeepLab, 2014,
  arXiv 1412.7062, section 3.1.
Differs: no fully connected layers. Dilated, a pooling keeps its 2x2 window, spread by
  the rate, where DeepLab-LargeFOV widens it to 3x3: only so do the features, taken at
  every stride-th pixel, equal those of the undilated network. `vgg11_bn` and `vgg16_bn`
  have a norm behind every convolution, as torchvision has them.
"""

from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from segjax.core.names import Names
from segjax.models.backbones.atrous import max_pool_dense, steps
from segjax.models.backbones.backbone import Backbone
from segjax.nn.conv import ConvNorm
from segjax.nn.norm import NormName
from segjax.nn.pooling import max_pool_2x2


def _names(project: str, convolutions: tuple[int, ...], normed: bool) -> Names:
    """Layers are counted through: convolution, (norm,) ReLU; and the poolings."""
    rules = []
    index = 0
    for stage, count in enumerate(convolutions, 1):
        for i in range(1, count + 1):
            path = f"stage{stage}/conv{i}"
            rules.append((rf"features\.{index}", f"{path}/conv"))
            if normed:
                rules.append((rf"features\.{index + 1}", f"{path}/norm"))
            index += 3 if normed else 2
        index += 1
    drop = (r"(classifier|pre_logits|head)\..*", r".*\.num_batches_tracked")
    return Names(project=project, modules=tuple(rules), drop=drop)


class VGG(Backbone):
    """VGG of any depth; the default is VGG-16.

    Default size, 224x224x3:

    =======  =================  ============
    stage    output             parameters
    =======  =================  ============
    stage1   224 x 224 x 64           38,720
    stage2   112 x 112 x 128         221,440
    stage3   56 x 56 x 256         1,475,328
    stage4   28 x 28 x 512         5,899,776
    stage5   14 x 14 x 512         7,079,424
    total                         14,714,688
    =======  =================  ============

    The features at the strides 1, 2, 4, 8 and 16 are the stages, before their
    poolings; at stride 32 it is `stage5` pooled, of 7 x 7 x 512. A pooling drops the
    last row or column of an odd grid.

    Attributes:
      convolutions: convolutions of each stage.
      normed: whether `norm` stands behind each convolution. Without it the network is
        that of the paper and has no norm, whatever `norm` is.
    """

    convolutions: tuple[int, ...] = (2, 2, 3, 3, 3)
    normed: bool = False

    foreign = (_names("torchvision", (2, 2, 3, 3, 3), normed=False),)

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool = False
    ) -> dict[int, Array]:
        """Features of each stage and, at stride 32, behind the last pooling."""
        features = {}
        rate = 1
        poolings = steps((2,) * len(self.convolutions), self.output_stride)
        for i, (count, pooling) in enumerate(
            zip(self.convolutions, poolings, strict=True)
        ):
            x = VGGStage(
                features=self.channels(64 * min(2**i, 8)),
                convolutions=count,
                rate=rate,
                norm=self.norm if self.normed else "none",
                dtype=self.dtype,
                name=f"stage{i + 1}",
            )(x, train)
            features[2**i] = x
            dense = pooling.stride == 1
            x = max_pool_dense(x, (0, pooling.rate)) if dense else pool(x)
            rate = pooling.after
        features[2 ** len(self.convolutions)] = x
        return features


class VGG11(VGG):
    """VGG-11: 9,220,480 parameters."""

    convolutions: tuple[int, ...] = (1, 1, 2, 2, 2)

    foreign = (_names("torchvision", (1, 1, 2, 2, 2), normed=False),)


class VGG11Normed(VGG):
    """VGG-11 with a norm behind each convolution: 9,225,984 parameters."""

    convolutions: tuple[int, ...] = (1, 1, 2, 2, 2)
    normed: bool = True

    foreign = (_names("torchvision", (1, 1, 2, 2, 2), normed=True),)


class VGG16(VGG):
    """VGG-16: 14,714,688 parameters."""


class VGG16Normed(VGG):
    """VGG-16 with a norm behind each convolution: 14,723,136 parameters."""

    normed: bool = True

    foreign = (_names("torchvision", (2, 2, 3, 3, 3), normed=True),)


class VGGStage(nn.Module):
    """Convolutions 3x3 with bias, each with norm and ReLU."""

    features: int
    convolutions: int
    rate: int
    norm: NormName
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B H W F"]:
        for i in range(1, self.convolutions + 1):
            x = ConvNorm(
                self.features,
                3,
                rate=self.rate,
                norm=self.norm,
                use_bias=True,
                dtype=self.dtype,
                name=f"conv{i}",
            )(x, train)
        return x


def pool(x: Float[Array, "B H W C"]) -> Float[Array, "B h w C"]:
    """`max_pool_2x2` of the even part of a grid."""
    H, W = x.shape[1:3]
    return max_pool_2x2(x[:, : H // 2 * 2, : W // 2 * 2])
