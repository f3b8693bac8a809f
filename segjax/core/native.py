"""C++ of this project as calls of XLA programs on a CPU.

It is compiled once, by the C++ compiler that is there, and kept in the folder of
`core.cache`. Whoever has such calls has another form for where they lack.
"""

import collections
import ctypes
import hashlib
import importlib.metadata
import importlib.util
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence

import jax

from segjax.core import cache

COMPILERS = ("g++", "clang++", "c++")

_building: dict[str, threading.Lock] = collections.defaultdict(threading.Lock)
"""Two threads compile one thing after the other, and the second finds it done."""


def switched_off(variable: str) -> str:
    """`VARIABLE=0`, if the environment says so; else nothing."""
    return f"{variable}=0" if os.environ.get(variable, "1") == "0" else ""


def many_devices() -> str:
    """Why this process has not one CPU as its only device, or nothing.

    XLA cannot split a call over several.
    """
    if jax.default_backend() != "cpu" or jax.device_count() != 1:
        return f"{jax.device_count()} {jax.default_backend()} devices, not one CPU"
    return ""


def register(built: pathlib.Path | str, calls: Iterable[str]) -> str:
    """Let XLA know calls as `segjax_NAME`; why that is not possible, or nothing.

    Args:
      built: as of `compiled`.
      calls: names of handlers in it.
    """
    if isinstance(built, str):
        return built
    try:
        library = ctypes.CDLL(str(built))
    except OSError as error:
        return f"{error}"
    for name in calls:
        handler = jax.ffi.pycapsule(getattr(library, name))
        jax.ffi.register_ffi_target(f"segjax_{name}", handler, platform="cpu")
    return ""


def ahead(build: Callable[[], object]) -> None:
    """Begin to build in a thread if a CPU will be the only kind of device.

    No device is touched. What goes wrong is for the next call of `build` to say.
    """
    others = importlib.metadata.entry_points(group="jax_plugins")
    if not others and importlib.util.find_spec("libtpu") is None:
        threading.Thread(target=build, daemon=True).start()


def compiled(
    name: str, sources: Sequence[pathlib.Path], words: Sequence[str] = ()
) -> pathlib.Path | str:
    """The library of some sources, from the cache or anew, or why there is none.

    Args:
      name: of its folder in the cache.
      sources: those that end in `.cc` are compiled; the others are read by them.
      words: more of the compiler's command, behind the sources.
    """
    compilers = filter(None, map(shutil.which, (os.environ.get("CXX", ""), *COMPILERS)))
    if (compiler := next(compilers, None)) is None:
        return f"no C++ compiler: none of {', '.join(COMPILERS)}"
    command = [compiler, "-std=c++17", "-O1", "-shared", "-fPIC", "-w"]
    command += [f"-I{jax.ffi.include_dir()}"]
    command += [str(source) for source in sources if source.suffix == ".cc"]
    command += words
    try:
        with _building[name]:
            return _build(name, sources, command)
    except subprocess.CalledProcessError as error:
        first = (error.stderr.strip() or "no word why").splitlines()[0]
        return f"{compiler} fails: {first}"
    except OSError as error:
        return f"{error}"


def _build(name: str, sources, command: list[str]) -> pathlib.Path:
    """The library.

    Raises:
      CalledProcessError: the compiler refuses.
      OSError: there is no place to write.
    """
    key = hashlib.sha256(b"".join(source.read_bytes() for source in sources))
    key.update("\0".join((*command, jax.lib.__version__)).encode())
    folder = cache.shared() / name
    built = folder / f"{key.hexdigest()[:32]}.so"
    if built.exists() and built.stat().st_uid == os.getuid():  # not another user's code
        return built
    folder.mkdir(parents=True, exist_ok=True)
    handle, new = tempfile.mkstemp(dir=folder, suffix=".so")
    os.close(handle)
    last = ["nice"] if shutil.which("nice") else []  # others of a start wait for less
    try:
        subprocess.run(
            [*last, *command, "-o", new], check=True, capture_output=True, text=True
        )
        os.replace(new, built)
    finally:
        pathlib.Path(new).unlink(missing_ok=True)
    return built
