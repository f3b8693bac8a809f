"""Named random streams: each is a pure function of (seed, name, step).

Nothing random is carried or saved; resuming at a step gives the keys of that step.
"""

import zlib

import jax


def stream(seed: int, name: str, step=0) -> jax.Array:
    """The key of stream `name` at `step` (an int or a traced int32 scalar)."""
    key = jax.random.fold_in(
        jax.random.key(seed), zlib.crc32(name.encode()) & 0x7FFFFFFF
    )
    return jax.random.fold_in(key, step)
