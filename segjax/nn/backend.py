"""What a layer is traced for, where that decides between equal forms."""

import contextlib
import contextvars
from collections.abc import Iterator

import jax

_PORTABLE = contextvars.ContextVar("portable", default=False)


def on_cpu() -> bool:
    """Whether what is traced now will run on a CPU, as far as the default tells.

    Forms differ in speed alone, so a wrong guess costs time and nothing else.
    """
    return jax.default_backend() == "cpu" and not _PORTABLE.get()


@contextlib.contextmanager
def portable() -> Iterator[None]:
    """Within, layers take XLA's own operations, whatever the backend.

    For programs that leave this machine, and for counting operations, which XLA cannot
    do inside another library's calls. What `jit` has traced before, it does not trace
    again: give it a new function.
    """
    token = _PORTABLE.set(True)
    try:
        yield
    finally:
        _PORTABLE.reset(token)
