"""Convolutions by oneDNN, the library for CPUs that PyTorch computes with, too.

XLA's own kernels for a CPU are slow, in the gradient by a kernel above all: 30 to 80
GFLOP/s where this machine gives 300. oneDNN (Intel, Apache-2.0) comes as a package for
Linux on x86-64; `onednn.cc` makes its convolution and both gradients into calls of an
XLA program, and `crew.cc` lets it work with XLA's threads. They are compiled once, by
the C++ compiler that is there, and kept in the folder of `core.cache`.

Only where one CPU is the only device, as XLA cannot split a call over several. Where
anything lacks, the other forms of `segjax.nn.conv` are taken, which give the same
values; `segjax doctor` says what lacks. SEGJAX_ONEDNN=0 switches it off.
"""

import ctypes
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import threading

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from segjax.core import cache
from segjax.nn.backend import on_cpu

SOURCES = tuple(
    pathlib.Path(__file__).with_name(name)
    for name in ("onednn.cc", "crew.cc", "crew.h")
)
LIBRARY = ("onednn-cpu-gomp", "libdnnl.so.3")
HEADERS = ("onednn-devel-cpu-gomp", "oneapi/dnnl/dnnl.hpp")
"""A distribution and the file that is wanted of it."""

COMPILERS = ("g++", "clang++", "c++")
CALLS = ("forward", "to_image", "to_kernel", "to_both")

_building = threading.Lock()
"""Two threads compile one after the other, and the second finds it done."""

Pads = tuple[tuple[int, int], tuple[int, int]]


@functools.cache
def absent() -> str:
    """Why this process does not use oneDNN, or nothing."""
    if why := _unwanted():
        return why
    if jax.default_backend() != "cpu" or jax.device_count() != 1:
        return f"{jax.device_count()} {jax.default_backend()} devices, not one CPU"
    return _load()


def takes(
    x: Float[Array, "B H W C"], kernel: Float[Array, "kh kw I F"], pads: Pads
) -> bool:
    """Whether what is traced now can be `convolve` of this file."""
    return (
        x.dtype == kernel.dtype == jnp.float32
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
    call = jax.ffi.ffi_call(
        f"segjax_{name}",
        [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes],
        vmap_method="sequential",
    )
    return call(*arrays, window=window)


def build_ahead() -> None:
    """Begin to compile the calls in a thread if a CPU will be the only kind of device.

    No device is touched. What goes wrong is said by `absent`, which tries again.
    """
    others = importlib.metadata.entry_points(group="jax_plugins")
    if not others and importlib.util.find_spec("libtpu") is None and not _unwanted():
        threading.Thread(target=_compiled, daemon=True).start()


def _unwanted() -> str:
    """Why no device could use oneDNN, or nothing."""
    if os.environ.get("SEGJAX_ONEDNN", "1") == "0":
        return "SEGJAX_ONEDNN=0"
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"not for {sys.platform} on {platform.machine()}"
    return ""


def _load() -> str:
    """Let XLA know the calls; returns why that is not possible, or nothing."""
    if isinstance(built := _compiled(), str):
        return built
    # Should OpenMP's own threads work after all (see crew.cc), they would wait for work
    # at the cost of XLA's.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        calls = ctypes.CDLL(str(built))
    except OSError as error:
        return f"{error}"
    for name in CALLS:
        handler = jax.ffi.pycapsule(getattr(calls, name))
        jax.ffi.register_ffi_target(f"segjax_{name}", handler, platform="cpu")
    return ""


def _compiled() -> pathlib.Path | str:
    """The compiled calls, or why there are none."""
    found = [_file(*wanted) for wanted in (LIBRARY, HEADERS)]
    if None in found:
        lacking = [
            d for (d, _), f in zip((LIBRARY, HEADERS), found, strict=True) if not f
        ]
        return f"{' and '.join(lacking)} not installed"
    library, header = found
    compilers = filter(None, map(shutil.which, (os.environ.get("CXX", ""), *COMPILERS)))
    if (compiler := next(compilers, None)) is None:
        return f"no C++ compiler: none of {', '.join(COMPILERS)}"
    try:
        with _building:
            return _build(compiler, library, header.parents[2])
    except subprocess.CalledProcessError as error:
        first = (error.stderr.strip() or "no word why").splitlines()[0]
        return f"{compiler} fails: {first}"
    except OSError as error:
        return f"{error}"


def _file(distribution: str, ending: str) -> pathlib.Path | None:
    """A file of an installed distribution; None if that is not installed."""
    try:
        files = importlib.metadata.files(distribution) or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    found = (pathlib.Path(f.locate()) for f in files if str(f).endswith(ending))
    return next((path.resolve() for path in found if path.exists()), None)


def _build(compiler: str, library: pathlib.Path, headers: pathlib.Path) -> pathlib.Path:
    """The compiled calls, from the cache or anew.

    Raises:
      CalledProcessError: the compiler refuses.
      OSError: there is no place to write.
    """
    command = [compiler, "-std=c++17", "-O2", "-shared", "-fPIC", "-w"]
    command += [f"-I{jax.ffi.include_dir()}", f"-I{headers}"]
    command += [str(source) for source in SOURCES if source.suffix == ".cc"]
    command += [str(library), f"-Wl,-rpath,{library.parent}"]
    key = hashlib.sha256(b"".join(source.read_bytes() for source in SOURCES))
    key.update("\0".join((*command, jax.lib.__version__)).encode())
    folder = cache.shared() / "onednn"
    built = folder / f"{key.hexdigest()[:32]}.so"
    if built.exists() and built.stat().st_uid == os.getuid():  # not another user's code
        return built
    folder.mkdir(parents=True, exist_ok=True)
    handle, new = tempfile.mkstemp(dir=folder, suffix=".so")
    os.close(handle)
    try:
        subprocess.run(
            [*command, "-o", new], check=True, capture_output=True, text=True
        )
        os.replace(new, built)
    finally:
        pathlib.Path(new).unlink(missing_ok=True)
    return built
