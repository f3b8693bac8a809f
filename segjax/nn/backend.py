"""What a layer is traced for, where that decides between equal forms."""

import contextlib

import jax

_PORTABLE = jax.make_user_context(default_value=False)


def on_cpu() -> bool:
    """Whether what is traced now will run on a CPU, as far as the default tells.

    Forms differ in speed alone, so a wrong guess costs time and nothing else.
    """
    return jax.default_backend() == "cpu" and not _PORTABLE.value


def portable() -> contextlib.AbstractContextManager[None]:
    """Within, layers take XLA's own operations, whatever the backend.

    For programs that leave this machine, and for counting operations, which XLA cannot
    do inside another library's calls. `jit` traces its functions anew within.
    """
    return _PORTABLE(True)
