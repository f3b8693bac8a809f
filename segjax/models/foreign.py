"""What other projects call a whole model that stands on a backbone."""

import dataclasses

from segjax.core.names import Names
from segjax.models.backbones import BACKBONES

SMP_ENCODER = r"encoder\.(?:features\.)?"
"""What segmentation_models_pytorch writes before the backbone's names."""


def whole(backbone: str, heads: Names, there: str) -> tuple[Names, ...]:
    """The names of `heads` and of the backbone beside them; () if one is unknown.

    Args:
      backbone: name in `BACKBONES`, which stands under `backbone` here.
      heads: what the project calls the other parts, and all that it drops.
      there: regular expression of what stands before the backbone's names there. The
        backbone's names are `heads.project`'s own, or torchvision's, which most use.
    """
    known = {names.project: names for names in BACKBONES[backbone].foreign}
    names = known.get(heads.project) or known.get("torchvision")
    if names is None:
        return ()
    # a model's state dict lacks the word for a classifier's features
    bare = tuple((p.removeprefix(r"features\."), path) for p, path in names.modules)
    part = dataclasses.replace(names, modules=bare).nested(there, "backbone")
    return (
        dataclasses.replace(
            heads,
            modules=(*heads.modules, *part.modules),
            kinds=(*heads.kinds, *part.kinds),
        ),
    )


def alone(backbone: str) -> tuple[Names, ...]:
    """The names of the backbone's own arrays, for a model that holds it."""
    return tuple(names.within("backbone") for names in BACKBONES[backbone].foreign)
