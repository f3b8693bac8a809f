"""BACKBONES: feature extractors by name, each of which any model takes.

A backbone is a flax module `(x, train) -> {stride: features}`; see `backbone.Backbone`.
Its parameters stand in a model under `backbone/`.
"""

from segjax.core.tables import Table
from segjax.models.backbones.backbone import Backbone

BACKBONES = Table(
    "backbone",
    {},
    given=("output_stride", "width", "norm", "dtype", "name", "parent"),
)


def make(name: str, **options) -> Backbone:
    """The backbone `name`; inside a model, give it `name="backbone"` in `options`.

    Raises:
      UserError: there is no such backbone.
    """
    return BACKBONES[name](**options)
