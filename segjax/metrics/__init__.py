"""Metrics: integer confusion counts, and the scores that are made of them."""

from segjax.metrics.confusion import count, empty, merge, update
from segjax.metrics.per_class import table
from segjax.metrics.scores import CONVENTIONS, METRICS, summary

__all__ = [
    "CONVENTIONS",
    "METRICS",
    "count",
    "empty",
    "merge",
    "summary",
    "table",
    "update",
]
