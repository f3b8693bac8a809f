"""Convolutions: plain, atrous, grouped and depthwise, with norm and activation.

`convolve` has several forms that give the same values: XLA's own convolution, oneDNN's,
a matrix product, and sums over the taps of the kernel. Which one is taken is decided
there and nowhere else, by `benchmarks/blocks.py`; on a GPU or TPU it is XLA's own but
for depthwise kernels and for taps that never meet the image.
"""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from segjax.nn import onednn
from segjax.nn.backend import on_cpu
from segjax.nn.norm import NormName, norm

Sides = int | tuple[int, int]

Pads = tuple[tuple[int, int], tuple[int, int]]
"""Zeros above and below, left and right."""

SPARSE = 0.6
"""Share of the taps' pixels that lie in the image, below which the others are left out.

An atrous kernel on a small map reads zeros for the most part: rate 18 on 45 x 60 reads
59 % of its pixels inside.
"""


def convolve(
    x: Float[Array, "B H W C"],
    kernel: Float[Array, "kh kw I F"],
    *,
    stride: int = 1,
    rate: int = 1,
    padding: Sides | None = None,
    groups: int = 1,
    in_loop: bool = False,
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
      in_loop: whether this is the body of a scan, which a CPU compiles in another way.
    """
    kh, kw = kernel.shape[:2]
    if padding is None:
        padding = rate * (kh - 1) // 2, rate * (kw - 1) // 2
    rows, columns = (padding, padding) if isinstance(padding, int) else padding
    kernel, pads = _useful(x.shape[1:3], kernel, stride, rate, rows, columns)

    if onednn.takes(x, kernel, pads):
        return onednn.convolve(x, kernel, stride, rate, pads, groups)
    depthwise = groups == x.shape[-1] == kernel.shape[-1] > 1
    pointwise = groups == 1 and kernel.shape[:2] == (1, 1) and not np.any(pads)
    if depthwise or (groups > 1 and on_cpu()):
        return _by_taps(x, kernel, stride, rate, pads, groups)
    if pointwise and on_cpu():
        x, stride = x[:, ::stride, ::stride], 1
    if pointwise and on_cpu():
        return jnp.einsum("bhwc,cf->bhwf", x, kernel[0, 0])
    if stride == 1 < rate and on_cpu() and _inside(x, kernel, rate, pads) < SPARSE:
        return _by_overlaps(x, kernel, rate, pads)
    if in_loop and stride == rate == groups == 1 and on_cpu():
        return _in_loop(x, kernel, pads)
    return _by_xla(x, kernel, stride, rate, pads, groups)


def add_bias(
    y: Float[Array, "B h w F"], bias: Float[Array | np.ndarray, " F"]
) -> Float[Array, "B h w F"]:
    """Added in float32, or the bias's gradient would be a long sum in bfloat16."""
    return (y + bias).astype(y.dtype)


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
        x, kernel = nn.dtypes.promote_dtype(x, kernel, dtype=self.dtype)
        y = convolve(
            x,
            kernel,
            stride=self.stride,
            rate=self.rate,
            padding=self.padding,
            groups=self.groups,
        )
        return y if bias is None else add_bias(y, bias)


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
        return norm(
            x,
            self.norm,
            train=train,
            epsilon=self.epsilon,
            momentum=self.momentum,
            activation=self.activation,
            dtype=self.dtype,
        )


def _useful(
    size: tuple[int, int],
    kernel: Float[Array, "kh kw I F"],
    stride: int,
    rate: int,
    rows: int,
    columns: int,
) -> tuple[Float[Array, "lh lw I F"], Pads]:
    """The kernel less its outer taps that only ever see padding, and its padding."""
    kept, pads = [], []
    for n, k, pad in zip(size, kernel.shape[:2], (rows, columns), strict=True):
        last = stride * ((n + 2 * pad - rate * (k - 1) - 1) // stride)
        at = np.arange(k) * rate - pad  # of tap 0, 1 ... at the first output pixel
        seeing = np.flatnonzero((at + last >= 0) & (at < n))
        first, final = (seeing[0], seeing[-1]) if len(seeing) else (0, k - 1)
        kept.append(slice(int(first), int(final) + 1))
        # a tap less is `rate` zeros less; what lies beyond the last pixel stays unread
        pads.append((pad - rate * int(first), pad - rate * (k - 1 - int(final))))
    return kernel[kept[0], kept[1]], (pads[0], pads[1])


def _by_xla(
    x: Float[Array, "B H W C"],
    kernel: Float[Array, "kh kw I F"],
    stride: int,
    rate: int,
    pads: Pads,
    groups: int,
) -> Float[Array, "B h w F"]:
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        pads,
        rhs_dilation=(rate, rate),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _in_loop(
    x: Float[Array, "B H W C"], kernel: Float[Array, "kh kw C F"], pads: Pads
) -> Float[Array, "B h w F"]:
    """A convolution whose gradients are NHWC by HWIO too.

    For a CPU, XLA turns the axes of any other convolution so, but not in a loop: there
    it is computed by a plain sum, 10 to 30 times slower.
    """
    return _by_xla(x, kernel, 1, 1, pads, 1)


def _in_loop_forward(x, kernel, pads):
    return _in_loop(x, kernel, pads), (x, kernel)


def _in_loop_backward(pads, kept, gradient):
    x, kernel = kept
    turned = kernel[::-1, ::-1].swapaxes(2, 3)
    around = tuple(
        (k - 1 - before, k - 1 - after)
        for k, (before, after) in zip(kernel.shape[:2], pads, strict=True)
    )
    to_x = _by_xla(gradient, turned, 1, 1, around, 1)
    # channels in the place of the batch, the batch in that of the channels
    images, taps = x.transpose(3, 1, 2, 0), gradient.transpose(1, 2, 0, 3)
    to_kernel = _by_xla(images, taps, 1, 1, pads, 1)
    return to_x, to_kernel.transpose(1, 2, 0, 3)


_in_loop.defvjp(_in_loop_forward, _in_loop_backward)


def _by_taps(
    x: Float[Array, "B H W C"],
    kernel: Float[Array, "kh kw I F"],
    stride: int,
    rate: int,
    pads: Pads,
    groups: int,
) -> Float[Array, "B h w F"]:
    """A grouped convolution as a sum over taps, accumulated in float32.

    A depthwise tap is a multiply-add of a shifted image, and all taps fuse into one
    pass; the tap of a grouped kernel is a batch of matrix products.
    """
    dtype, (kh, kw, _, F), C = x.dtype, kernel.shape, x.shape[-1]
    zero = jnp.zeros((), jnp.float32)
    x = jax.lax.pad(
        x.astype(jnp.float32), zero, [(0, 0, 0), (*pads[0], 0), (*pads[1], 0), (0,) * 3]
    )
    kernel = kernel.astype(jnp.float32)
    # how far apart the first and the last pixel are that a tap sees
    down, across = (
        stride * ((n - rate * (k - 1) - 1) // stride)
        for n, k in zip(x.shape[1:3], (kh, kw), strict=True)
    )
    total = 0
    for i, j in np.ndindex(kh, kw):
        top, left = i * rate, j * rate
        view = x[:, top : top + down + 1 : stride, left : left + across + 1 : stride]
        if groups == C == F:
            total = total + view * kernel[i, j, 0]
        else:
            view = view.reshape(*view.shape[:3], groups, -1)
            tap = kernel[i, j].reshape(-1, groups, F // groups)
            total = total + jnp.einsum("bhwgi,igf->bhwgf", view, tap)
    return total.reshape(*total.shape[:3], F).astype(dtype)


def _inside(
    x: Float[Array, "B H W C"], kernel: Float[Array, "kh kw C F"], rate: int, pads: Pads
) -> float:
    """Share of the pixels that the taps read, at stride 1, that lie in the image."""
    share = 1.0
    for n, k, pad in zip(x.shape[1:3], kernel.shape[:2], pads, strict=True):
        spans = _spans(n, k, rate, pad)
        share *= sum(stop - start for start, stop, _ in spans)
        share /= max(1, k * (n + sum(pad) - rate * (k - 1)))
    return share


def _by_overlaps(
    x: Float[Array, "B H W C"], kernel: Float[Array, "kh kw C F"], rate: int, pads: Pads
) -> Float[Array, "B h w F"]:
    """An atrous convolution as matrix products of what each tap sees of the image."""
    dtype, sides = x.dtype, kernel.shape[:2]
    x, kernel = x.astype(jnp.float32), kernel.astype(jnp.float32)
    H, W = x.shape[1:3]
    h, w = (
        n + sum(pad) - rate * (k - 1)
        for n, k, pad in zip((H, W), sides, pads, strict=True)
    )
    total = 0
    for i, (top, bottom, down) in enumerate(_spans(H, sides[0], rate, pads[0])):
        for j, (left, right, across) in enumerate(_spans(W, sides[1], rate, pads[1])):
            seen = x[:, top + down : bottom + down, left + across : right + across]
            part = jnp.einsum("bhwc,cf->bhwf", seen, kernel[i, j])
            around = ((0, 0), (top, h - bottom), (left, w - right), (0, 0))
            total = total + jnp.pad(part, around)
    return total.astype(dtype)


def _spans(
    n: int, taps: int, rate: int, pad: tuple[int, int]
) -> list[tuple[int, int, int]]:
    """For each tap its output pixels `[start, stop)` in the image, and its offset."""
    size = n + sum(pad) - rate * (taps - 1)
    offsets = [i * rate - pad[0] for i in range(taps)]
    spans = [(max(0, -d), min(size, n - d), d) for d in offsets]
    return [(start, max(start, stop), d) for start, stop, d in spans]
