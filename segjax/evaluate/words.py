"""The tables of an evaluation, as text."""

from segjax.core.info import DatasetInfo
from segjax.evaluate.split import Evaluation
from segjax.metrics import measures, per_class


def tables(result: Evaluation, info: DatasetInfo) -> str:
    """Classes with the rule of their means, what is to be known, what was measured."""
    names = info.class_names
    table = per_class.table(result.per_image, names, result.convention)
    own = measures.tables(result.measures, result.results, names)
    return "\n\n".join(["\n".join(filter(None, [table, info.note])), *own])
