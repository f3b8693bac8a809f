"""Convolutions by oneDNN, the library for CPUs that PyTorch computes with, too.

XLA's own kernels for a CPU are slow, in the gradient by a kernel above all: 30 to 80
GFLOP/s where this machine gives 300; in bfloat16, which a CPU with AMX multiplies
several times as fast as float32, slower still. oneDNN (Intel, Apache-2.0) comes as a
package for Linux on x86-64; `onednn.cc` makes its convolution and both gradients into
calls of an XLA program, and `crew.cc` lets it work with XLA's threads (see
`core.native`).

Only where one CPU is the only device. Where anything lacks, the other forms of
`segjax.nn.conv` are taken, which give the same values; `segjax doctor` says what lacks.
SEGJAX_ONEDNN=0 switches it off.
"""

import ctypes
import functools
import importlib.metadata
import os
import pathlib
import platform
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from segjax.core import native
from segjax.nn.backend import on_cpu

SOURCES = tuple(
    pathlib.Path(__file__).with_name(name)
    for name in ("onednn.cc", "norm.cc", "norm.h", "crew.cc", "crew.h")
)
LIBRARY = ("onednn-cpu-gomp", "libdnnl.so.3")
HEADERS = ("onednn-devel-cpu-gomp", "oneapi/dnnl/dnnl.hpp")
"""A distribution and the file that is wanted of it."""

CALLS = ("forward", "to_image", "to_kernel", "to_both", "norm", "norm_back")
"""The last two are of `fused_norm.py`."""

FLAGS = (
    "-ftree-vectorize",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=off",
)
"""As `norm.cc` wants them."""

Pads = tuple[tuple[int, int], tuple[int, int]]


@functools.cache
def absent() -> str:
    """Why this process does not use oneDNN, or nothing."""
    return _unwanted() or native.many_devices() or _load()


def takes(
    x: Float[Array, "B H W C"], kernel: Float[Array, "kh kw I F"], pads: Pads
) -> bool:
    """Whether what is traced now can be `convolve` of this file."""
    return (
        x.dtype == kernel.dtype in (jnp.float32, jnp.bfloat16)
        and min(*pads[0], *pads[1]) >= 0
        and on_cpu()
        and not absent()
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4, 5))
def convolve(
    x: Float[Array, "B H W C"],
    kernel: Float[Array, "kh kw I F"],
    stride: int,
    rate: int,
    pads: Pads,
    groups: int,
) -> Float[Array, "B h w F"]:
    """A convolution and its gradients; the arguments as in `segjax.nn.conv`."""
    sides = zip(x.shape[1:3], kernel.shape[:2], pads, strict=True)
    size = [(n + sum(pad) - rate * (k - 1) - 1) // stride + 1 for n, k, pad in sides]
    shape = (x.shape[0], *size, kernel.shape[-1])
    return _call("forward", (shape,), (x, kernel), stride, rate, pads, groups)[0]


def _forward(x, kernel, stride, rate, pads, groups):
    y = convolve(x.value, kernel.value, stride, rate, pads, groups)
    return y, (x.value, kernel.value, x.perturbed, kernel.perturbed)


def _backward(stride, rate, pads, groups, kept, g):
    """Both gradients in one call; or the one that is wanted, as of an image's."""
    x, kernel, to_x, to_kernel = kept
    if isinstance(g, jax.custom_derivatives.SymbolicZero):
        g = jnp.zeros(g.shape, g.dtype)
    window = stride, rate, pads, groups
    if to_x and to_kernel:
        return _call("to_both", (x.shape, kernel.shape), (x, kernel, g), *window)
    if to_x:
        return *_call("to_image", (x.shape,), (kernel, g), *window), None
    return None, *_call("to_kernel", (kernel.shape,), (x, g), *window)


convolve.defvjp(_forward, _backward, symbolic_zeros=True)


def _call(name, shapes, arrays, stride, rate, pads, groups):
    window = np.asarray([stride, rate, *pads[0], *pads[1], groups], np.int64)
    dtype = inner = arrays[0].dtype
    if dtype == jnp.bfloat16 and not _multiplies_bfloat16():
        inner = jnp.float32
    call = jax.ffi.ffi_call(
        f"segjax_{name}",
        [jax.ShapeDtypeStruct(shape, inner) for shape in shapes],
        vmap_method="sequential",
    )
    results = call(*(array.astype(inner) for array in arrays), window=window)
    return [result.astype(dtype) for result in results]


def build_ahead() -> None:
    """As `native.ahead`."""
    if not _unwanted():
        native.ahead(_compiled)


def _unwanted() -> str:
    """Why no device could use oneDNN, or nothing."""
    if off := native.switched_off("SEGJAX_ONEDNN"):
        return off
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"not for {sys.platform} on {platform.machine()}"
    return ""


def _load() -> str:
    """Let XLA know the calls; returns why that is not possible, or nothing."""
    # Should OpenMP's own threads work after all (see crew.cc), they would wait for work
    # at the cost of XLA's.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return native.register(_compiled(), CALLS)


@functools.cache
def _multiplies_bfloat16() -> bool:
    """Whether this CPU does; on others oneDNN is slower in bfloat16 than in float32."""
    return bool(ctypes.CDLL(str(_compiled())).multiplies_bfloat16())


def _compiled() -> pathlib.Path | str:
    """The compiled calls, or why there are none."""
    found = [_file(*wanted) for wanted in (LIBRARY, HEADERS)]
    if None in found:
        lacking = [
            d for (d, _), f in zip((LIBRARY, HEADERS), found, strict=True) if not f
        ]
        return f"{' and '.join(lacking)} not installed"
    library, header = found
    words = [f"-I{header.parents[2]}", str(library), f"-Wl,-rpath,{library.parent}"]
    return native.compiled("onednn", SOURCES, [*FLAGS, *words])


def _file(distribution: str, ending: str) -> pathlib.Path | None:
    """A file of an installed distribution; None if that is not installed."""
    try:
        files = importlib.metadata.files(distribution) or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    found = (pathlib.Path(f.locate()) for f in files if str(f).endswith(ending))
    return next((path.resolve() for path in found if path.exists()), None)
