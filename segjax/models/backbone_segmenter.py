"""What models on a backbone have in common."""

from typing import Any

from jaxtyping import Array, Float

from segjax.core.names import Names
from segjax.models import backbones, foreign
from segjax.models.segmenter import Segmenter
from segjax.nn.dtypes import compute_dtype


class BackboneSegmenter(Segmenter):
    """Base of the models whose encoder is a backbone, which stands under `backbone`.

    A subclass names it in `backbone`, and has the fields `backbone_width` and `dtype`.
    """

    @property
    def foreign(self) -> tuple[Names, ...]:
        """The backbone's names."""
        return foreign.alone(self.backbone)

    def encode(
        self, x: Float[Array, "B H W C"], train: bool, **options: Any
    ) -> dict[int, Float[Array, "B _ _ _"]]:
        """The backbone's features, by their stride; called once, from `__call__`.

        Args:
          x: the image.
          train: whether batch statistics are taken from `x`.
          options: fields of the backbone, beside its width and dtype.
        """
        dtype = compute_dtype(self.dtype)
        encoder = backbones.make(
            self.backbone,
            width=self.backbone_width,
            dtype=dtype,
            name="backbone",
            **options,
        )
        return encoder(x.astype(dtype), train)
