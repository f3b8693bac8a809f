"""Convolutions: plain, atrous, grouped and depthwise, with norm and activation."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from segjax.nn.norm import NormName, norm

Sides = int | tuple[int, int]


def convolve(
    x: Float[Array, "B H W C"],
    kernel: Float[Array, "kh kw I F"],
    *,
    stride: int = 1,
    rate: int = 1,
    padding: Sides | None = None,
    groups: int = 1,
) -> Float[Array, "B h w F"]:
    """Convolution of a channel-last image in the form that is quickest here.

    Args:
      x: the image.
      kernel: `I = C / groups` input channels an output channel.
      stride: step between output pixels.
      rate: step between the taps of the kernel (atrous convolution); 1 is dense.
      padding: zeros before and after the rows, and the columns; by default the
        symmetric `rate * (k - 1) / 2`, with which `h = ceil(H / stride)` for odd `k`.
      groups: blocks of channels that do not see each other; `C` is depthwise.
    """
    kh, kw = kernel.shape[:2]
    if padding is None:
        padding = rate * (kh - 1) // 2, rate * (kw - 1) // 2
    rows, columns = (padding, padding) if isinstance(padding, int) else padding
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        [(rows, rows), (columns, columns)],
        rhs_dilation=(rate, rate),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


class Conv(nn.Module):
    """`convolve` with parameters `kernel` and `bias`; He-initialised.

    Attributes:
      features: output channels `F`.
      kernel: side, or `(kh, kw)`.
      stride: step between output pixels.
      rate: step between the taps of the kernel.
      padding: zeros at each border; None keeps the size at stride 1.
      groups: blocks of channels; as many as input channels is depthwise.
      use_bias: whether a bias is added.
      kernel_init: initialiser of the kernel.
      dtype: dtype of the computation; parameters stay float32.

    Source: He et al., Delving Deep into Rectifiers, 2015, arXiv 1502.01852 (kernels).
    """

    features: int
    kernel: Sides = 3
    stride: int = 1
    rate: int = 1
    padding: Sides | None = None
    groups: int = 1
    use_bias: bool = True
    kernel_init: Callable = nn.initializers.he_normal()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B h w F"]:
        side = self.kernel
        sides = (side, side) if isinstance(side, int) else tuple(side)
        shape = (*sides, x.shape[-1] // self.groups, self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        bias = None
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = convolve(
            x,
            kernel,
            stride=self.stride,
            rate=self.rate,
            padding=self.padding,
            groups=self.groups,
        )
        return y if bias is None else y + bias


class ConvNorm(nn.Module):
    """Convolution (`conv`), norm (`norm`), activation.

    Attributes:
      features: output channels `F`; None keeps them, for a depthwise convolution.
      kernel: side, or `(kh, kw)`.
      stride: step between output pixels.
      rate: step between the taps of the kernel.
      padding: zeros at each border; None keeps the size at stride 1.
      groups: blocks of channels; -1 is depthwise.
      norm: `batch`, `group`, `layer` or `none`.
      activation: applied last; None for none.
      use_bias: whether the convolution has a bias; None: only where no norm follows.
      epsilon: of the norm.
      momentum: of the norm's running averages.
      dtype: dtype of the computation.
    """

    features: int | None
    kernel: Sides = 3
    stride: int = 1
    rate: int = 1
    padding: Sides | None = None
    groups: int = 1
    norm: NormName = "batch"
    activation: Callable | None = nn.relu
    use_bias: bool | None = None
    epsilon: float = 1e-5
    momentum: float = 0.9
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B h w F"]:
        C = x.shape[-1]
        x = Conv(
            self.features or C,
            self.kernel,
            stride=self.stride,
            rate=self.rate,
            padding=self.padding,
            groups=C if self.groups == -1 else self.groups,
            use_bias=self.norm == "none" if self.use_bias is None else self.use_bias,
            dtype=self.dtype,
            name="conv",
        )(x)
        x = norm(
            x,
            self.norm,
            train=train,
            epsilon=self.epsilon,
            momentum=self.momentum,
            dtype=self.dtype,
        )
        return self.activation(x) if self.activation else x
