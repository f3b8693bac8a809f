"""Shapes in signatures, by jaxtyping; where that is not installed they say nothing.

What travels inside an exported model (see `serve.bundle`) takes them from here, so that
it runs where jax alone is. All else imports jaxtyping itself.
"""

try:
    from jaxtyping import (
        Array,
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
    from jax import Array

    class Bool:
        """An array of any shape; the letters behind it are for the reader."""

        def __class_getitem__(cls, shape):
            return cls

    Float = Float32 = Int = Int32 = Int64 = Integer = Real = UInt8 = Bool

__all__ = [
    "Array",
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
