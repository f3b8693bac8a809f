"""Convolutions by oneDNN, the library for CPUs that jaxlib has inside.

XLA's own kernels for a CPU are slow, in the gradient by a kernel above all: 30 to 80
GFLOP/s where this machine gives 300. The same build of jaxlib holds oneDNN (Intel,
Apache-2.0), which PyTorch computes with, and its runtime answers to the calls
`__onednn$convolution` and `__onednn$matmul`, though it rewrites nothing to them. Here
they are called as XLA's own rewrite would (openxla/xla, onednn_contraction_rewriter).

They are no public interface: arguments in another version's form end the process. So
they are used with the versions of jaxlib in `TESTED` alone, on x86-64, where one CPU is
the only device (XLA cannot split a call over several). Elsewhere the other forms of
`segjax.nn.conv` are taken, which give the same values. SEGJAX_ONEDNN=0 switches them
off, and `segjax doctor` tells whether they are used.
"""

import functools
import json
import os
import platform

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
from jaxtyping import Array, Float

from segjax.nn.backend import on_cpu
from segjax.nn.resample import depth_to_space

TESTED = ("0.10.2",)
"""Versions of jaxlib with which the tests of this file passed."""

LONG = 256
"""Pixels, over the larger side of a product, from which its sum is long."""

Pads = tuple[tuple[int, int], tuple[int, int]]


@functools.cache
def absent() -> str:
    """Why this process cannot call oneDNN, or nothing."""
    if os.environ.get("SEGJAX_ONEDNN", "1") == "0":
        return "SEGJAX_ONEDNN=0"
    if platform.machine() not in ("x86_64", "AMD64"):
        return f"not for {platform.machine()}"
    if jaxlib.__version__ not in TESTED:
        return f"jaxlib {jaxlib.__version__} is not one of {', '.join(TESTED)}"
    if jax.default_backend() != "cpu" or jax.device_count() != 1:
        return f"{jax.device_count()} {jax.default_backend()} devices, not one CPU"
    return ""


def takes(
    x: Float[Array, "B H W C"],
    kernel: Float[Array, "kh kw I F"],
    stride: int,
    rate: int,
    pads: Pads,
) -> bool:
    """Whether what is traced now can be `convolve` of this file."""
    return (
        x.dtype == kernel.dtype == jnp.float32
        and x.shape[-1] == kernel.shape[2]
        and (stride == 1 or rate == 1)
        and min(*pads[0], *pads[1]) >= 0
        and on_cpu()
        and not absent()
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def convolve(
    x: Float[Array, "B H W C"],
    kernel: Float[Array, "kh kw C F"],
    stride: int,
    rate: int,
    pads: Pads,
) -> Float[Array, "B h w F"]:
    """A convolution and its gradients; the arguments as in `segjax.nn.conv`."""
    return _convolution(x, kernel, stride, rate, pads)


def _forward(x, kernel, stride, rate, pads):
    return _convolution(x, kernel, stride, rate, pads), (x, kernel)


def _backward(stride, rate, pads, kept, g):
    x, kernel = kept
    x, g = jax.lax.optimization_barrier((x, g))  # or XLA makes them anew in each copy
    kh, kw, C, F = kernel.shape
    to_x = _to_dense if stride == 1 else _to_strided
    if rate > 1:
        to_kernel = _by_taps
    elif stride > 1 or kh * kw * C < (kw * C + kh * F) / 2:  # less to copy
        to_kernel = _by_patches
    else:
        to_kernel = _by_shifts
    return (
        to_x(x.shape, kernel, g, stride, rate, pads),
        to_kernel(x, kernel.shape, g, stride, rate, pads),
    )


convolve.defvjp(_forward, _backward)


def _to_dense(shape, kernel, g, stride, rate, pads):
    """Gradient by the image of a convolution of stride 1: a convolution of `g`."""
    around = tuple(
        (rate * (k - 1) - before, rate * (k - 1) - after)
        for k, (before, after) in zip(kernel.shape[:2], pads, strict=True)
    )
    kept = tuple((max(0, before), max(0, after)) for before, after in around)
    y = _convolution(g, kernel[::-1, ::-1], 1, rate, kept, turned=True)
    return _framed(y, *((min(0, b), min(0, a)) for b, a in around))


def _to_strided(shape, kernel, g, stride, rate, pads):
    """The same at a stride: each pixel of `g` gives blocks of `stride^2` pixels.

    Pixel `stride u + a` of the image among its zeros is the sum over `m` of `g[u - m]`
    times tap `stride m + a`: a convolution to `stride^2 C` channels, then unfolded.
    """
    (H, W), (kh, kw, C, F), s = shape[1:3], kernel.shape, stride
    n = [-(-k // s) for k in (kh, kw)]
    blocks = jnp.pad(kernel, ((0, n[0] * s - kh), (0, n[1] * s - kw), (0, 0), (0, 0)))
    blocks = blocks.reshape(n[0], s, n[1], s, C, F)[::-1, :, ::-1]
    blocks = blocks.transpose(0, 2, 1, 3, 4, 5).reshape(*n, s * s * C, F)
    around = (n[0] - 1,) * 2, (n[1] - 1,) * 2
    y = depth_to_space(_convolution(g, blocks, 1, 1, around, turned=True), s)
    (top, _), (left, _) = pads
    return _framed(y, (-top, H + top - y.shape[1]), (-left, W + left - y.shape[2]))


def _by_shifts(x, shape, g, stride, rate, pads):
    """Gradient by a dense kernel at stride 1, as one matrix product.

    The image is shifted by the kernel's columns and `g` by its rows, so that each is
    copied as often as the kernel is wide or high, and not `kh kw` times.
    """
    (kh, kw, C, F), (W, w) = shape, (x.shape[2], g.shape[2])
    rows, (left, _) = pads
    x = _beside([_framed(x, rows, (left - j, w + j - left - W)) for j in range(kw)])
    g = _beside([_framed(g, (i, kh - 1 - i), (0, 0)) for i in range(kh)])
    y = _product(x.reshape(-1, kw * C), g.reshape(-1, kh * F))
    return y.reshape(kw, C, kh, F).transpose(2, 0, 1, 3)


def _by_patches(x, shape, g, stride, rate, pads):
    """The same at a stride: the patch of each output pixel is copied."""
    (kh, kw, C, F), (h, w) = shape, g.shape[1:3]
    x = _framed(x, *pads)
    down, across = stride * (h - 1) + 1, stride * (w - 1) + 1
    patches = [
        x[:, i : i + down : stride, j : j + across : stride]
        for i, j in np.ndindex(kh, kw)
    ]
    patches = jnp.concatenate(patches, -1).reshape(-1, kh * kw * C)
    return _product(patches, g.reshape(-1, F)).reshape(shape)


def _by_taps(x, shape, g, stride, rate, pads):
    """The same at a rate: a product a tap, of the pixels that it sees of the image."""
    (kh, kw, C, F), sides = shape, zip(x.shape[1:3], g.shape[1:3], pads, strict=True)
    sides, taps = list(sides), []
    for tap in np.ndindex(kh, kw):
        spans = []
        for k, (n, size, (before, _)) in zip(tap, sides, strict=True):
            offset = k * rate - before
            first, stop = max(0, -offset), min(size, n - offset)
            spans.append((slice(first + offset, stop + offset), slice(first, stop)))
        (rows, out_rows), (columns, out_columns) = spans
        if rows.stop <= rows.start or columns.stop <= columns.start:
            taps.append(jnp.zeros((C, F), x.dtype))
            continue
        image, gradient = x[:, rows, columns], g[:, out_rows, out_columns]
        taps.append(_product(image.reshape(-1, C), gradient.reshape(-1, F)))
    return jnp.stack(taps).reshape(shape)


def _beside(images):
    """Images, one behind the other along the channels.

    A sum of images among zeros: for a few images, XLA compiles it 2 to 4 times as quick
    for a CPU as a concatenation.
    """
    C, n = images[0].shape[-1], len(images)
    edges = [[(0, 0, 0)] * 3 + [(i * C, (n - 1 - i) * C, 0)] for i in range(n)]
    zero = jnp.zeros((), images[0].dtype)
    return sum(jax.lax.pad(x, zero, e) for x, e in zip(images, edges, strict=True))


def _framed(x, rows, columns):
    """Zeros around the image; negative numbers cut it."""
    edges = ((0, 0, 0), (*rows, 0), (*columns, 0), (0, 0, 0))
    return jax.lax.pad(x, jnp.zeros((), x.dtype), edges)


def _convolution(x, kernel, stride, rate, pads, turned=False):
    """The call; the kernel is `(kh, kw, C, F)`, or `(kh, kw, F, C)` if it is turned."""
    sides = zip(x.shape[1:3], kernel.shape[:2], pads, strict=True)
    size = [(n + sum(pad) - rate * (k - 1) - 1) // stride + 1 for n, k, pad in sides]
    inputs, outputs = (3, 2) if turned else (2, 3)
    image = {"batch_dim": 0, "feature_dim": 3, "spatial_dims": [1, 2]}
    taps = {
        "input_feature_dim": inputs,
        "output_feature_dim": outputs,
        "spatial_dims": [0, 1],
    }
    window = {
        "pad_left": [before for before, _ in pads],
        "pad_right": [after for _, after in pads],
        "strides": [stride, stride],
        "window_dilations": [rate, rate],  # 1 is dense
    }
    options = {
        "dims": 4,
        "feature_groups": 1,
        "input": {"data": image},
        "kernel": {"filter": taps},
        "output": {"data": image},
        "window": window,
    }
    shape = (x.shape[0], *size, kernel.shape[outputs])
    return _call("convolution", {"onednn_conv_config": options}, shape, x, kernel)


def _product(a, b):
    """The call: `a.T @ b` of `(P, C)` and `(P, F)`.

    A long sum of a small product is one of two halves, a core each.
    """
    options = {"onednn_matmul_config": {"transpose_a": True}}
    (P, C), F = a.shape, b.shape[1]
    parts = 2 if P % 2 == 0 and LONG * max(C, F) < P else 1
    a, b = a.reshape(parts, -1, C), b.reshape(parts, -1, F)
    return _call("matmul", options, (parts, C, F), a, b).sum(0)


def _call(name, options, shape, *operands):
    call = jax.ffi.ffi_call(
        f"__onednn${name}",
        jax.ShapeDtypeStruct(shape, operands[0].dtype),
        custom_call_api_version=1,
        legacy_backend_config=json.dumps(options),
        vmap_method="sequential",
    )
    return call(*operands)
