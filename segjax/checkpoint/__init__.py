"""Checkpoints: stored by orbax, committed, verified and chosen by segjax."""

from segjax.checkpoint.leaves import digest
from segjax.checkpoint.ledger import Ledger, format_ledger
from segjax.checkpoint.manager import Checkpoints
from segjax.checkpoint.transfer import init_from
from segjax.checkpoint.weights import Weights, read_weights

__all__ = [
    "Checkpoints",
    "Ledger",
    "Weights",
    "digest",
    "format_ledger",
    "init_from",
    "read_weights",
]
