"""How often JAX has compiled which function in this process.

A run compiles its step once and the prediction once for each padded size of image; what
is compiled more often costs seconds each time, and nobody sees it.
"""

from collections import Counter

import jax

_EVENT = "/jax/core/compile/backend_compile_duration"  # also of a program that was kept
_COUNTS: Counter[str] = Counter()


def counts() -> Counter[str]:
    """Name of the function -> how often it was compiled, or read from disk, so far.

    Counted is from the first import of this module on.
    """
    return Counter(_COUNTS)


def _listen(event: str, seconds: float, fun_name: str = "", **_: object) -> None:
    del seconds
    if event == _EVENT:
        _COUNTS[fun_name.removeprefix("jit(").removesuffix(")")] += 1


jax.monitoring.register_event_duration_secs_listener(_listen)
