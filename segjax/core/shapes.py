"""Shapes in signatures, by jaxtyping; where that is not installed they say nothing.

What travels inside an exported model (see `serve.bundle`) takes them from here, so that
it runs where jax alone is. All else imports jaxtyping itself. `Array`, which is jax's,
is imported when it is asked for: programs that open pictures do without jax.
"""

from typing import Any

try:
    from jaxtyping import (
        Bool,
        Float,
        Float32,
        Int,
        Int32,
        Int64,
        Integer,
        Real,
        UInt8,
    )
except ModuleNotFoundError:

    class Bool:
        """An array of any shape; the letters behind it are for the reader."""

        def __class_getitem__(cls, shape):
            return cls

    Float = Float32 = Int = Int32 = Int64 = Integer = Real = UInt8 = Bool

__all__ = [
    "Bool",
    "Float",
    "Float32",
    "Int",
    "Int32",
    "Int64",
    "Integer",
    "Real",
    "UInt8",
]


def __getattr__(name: str) -> Any:
    if name == "Array":
        from jax import Array

        return Array
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
