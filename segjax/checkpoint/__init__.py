"""Checkpoints: stored by orbax, committed, verified and chosen by segjax."""

from segjax.checkpoint.leaves import digest
from segjax.checkpoint.manager import Checkpoints
from segjax.checkpoint.weights import (
    Ledger,
    Weights,
    format_ledger,
    init_from,
    read_weights,
)

__all__ = [
    "Checkpoints",
    "Ledger",
    "Weights",
    "digest",
    "format_ledger",
    "init_from",
    "read_weights",
]
