"""How the process of a run or a command is set up, before and after JAX wakes devices.

`prepare` comes before, as XLA reads its flags once. `keep_compiled` comes after, as it
depends on the devices. Both leave alone what the user has set.
"""

import hashlib
import os
import pathlib
import platform

import cv2
import jax
import jaxlib

from segjax.core import cache, heap

FEW_CORES = 8
"""Up to so many cores the operations of a program are best run one after another."""

CPUINFO = pathlib.Path("/proc/cpuinfo")

TESTED = ("0.10.2",)
"""Versions of jaxlib that know the flag; one that does not ends the process."""

FLAG, ORDER = "xla_cpu_scheduler_type", "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"


def prepare() -> None:
    """Set what must stand before JAX has a backend.

    Freed memory is kept (see `core.heap`). OpenCV works in the thread that calls it, as
    images are read by several, and its own would fight with XLA's.

    On few cores, XLA for CPUs is told to order operations for memory and not for
    running several at a time: most of them take all cores anyway. (It still begins what
    does not depend on what is running.)
    """
    heap.keep_freed()
    cv2.setNumThreads(0)
    flags = os.environ.get("XLA_FLAGS", "")
    if cores() <= FEW_CORES and jaxlib.__version__ in TESTED and FLAG not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --{FLAG}={ORDER}".strip()


def keep_compiled() -> str:
    """Let compiled programs be kept on disk for the next start; call it before any is.

    They go to `xla` in the folder that all runs share (see `core.cache`); those of a
    CPU to a folder of its own kind, for another node that reads the folder may have
    another, on which they would end.

    Returns:
      The folder, also if the user named it; empty if nothing is kept.
    """
    if not jax.config.jax_enable_compilation_cache:
        return ""
    if jax.config.jax_compilation_cache_dir is None:
        folder = cache.shared() / "xla"
        if jax.default_backend() == "cpu":
            folder /= _kind_of_cpu()
        jax.config.update("jax_compilation_cache_dir", str(folder))
    return jax.config.jax_compilation_cache_dir or ""


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _kind_of_cpu() -> str:
    """A word for all that a program is compiled for: features of the CPU, cores."""
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:
        lines = [f"model name: {platform.processor()} {platform.node()}"]
    words = ("model name", "flags", "Features", "CPU part")
    kind = sorted({line for line in lines if line.startswith(words)})
    text = "\n".join([platform.machine(), str(cores()), *kind])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
