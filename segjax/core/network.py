"""What prediction asks of a network, whoever made it."""

from typing import Any, Protocol, runtime_checkable

from segjax.core.shapes import Array, Float


@runtime_checkable
class Network(Protocol):
    """A model of `segjax.models`, or one that was exported and loaded again.

    Attributes:
      stride: input sides must divide by it, once `margin` is taken off.
      margin: pixels that the logits lose at each border.
      takes_clips: whether images may be `(B, T, H, W, C)` too.
      sizes: `(height, width)` of the only images that it takes; None for all sizes
        whose sides are legal.
    """

    stride: int
    margin: int
    takes_clips: bool
    sizes: tuple[tuple[int, int], ...] | None

    def input_side(self, side: int) -> int:
        """The smallest legal input side whose logits cover `side` pixels."""

    def apply(self, variables: Any, *args: Any, **kwargs: Any) -> Float[Array, "..."]:
        """Logits `(B, h, w, K)`, or `(B, T, h, w, K)`, of normalised images."""
