"""What models of clips have in common: an image is a clip of one frame, or a stream."""

from typing import Any

from jaxtyping import Array, Bool, Float

from segjax.models.segmenter import Segmenter


class ClipSegmenter(Segmenter):
    """Base of the models that remember frames.

    A subclass defines `run(clip, train, carry, reset) -> (logits, carry)`, whose logits
    are of the last frame, `(B, 1, H, W, K)`, or of all, as its field `outputs` says.
    """

    @property
    def takes_clips(self) -> bool:
        """Yes: `x` may be `(B, T, H, W, C)`."""
        return True

    def __call__(
        self, x: Float[Array, "B ... H W C"], train: bool = False
    ) -> Float[Array, "B ... h w K"]:
        """Logits of an image, of a clip's last frame, or of all its frames.

        Raises:
          UserError: a side of `x` is not legal.
        """
        return self.stream(x, None, None, train)[0]

    def stream(
        self,
        x: Float[Array, "B ... H W C"],
        carry: Any = None,
        reset: Bool[Array, "B T"] | None = None,
        train: bool = False,
    ) -> tuple[Float[Array, "B ... h w K"], Any]:
        """The same for the next frames of a stream, and the carry to go on from.

        In pieces or whole, a clip gives the same: `model.apply(variables, frames,
        carry, method="stream")`.

        Args:
          x: one frame, or some.
          carry: of the frames before; None at the start.
          reset: where a frame is the first of a new clip.
          train: whether batch statistics are taken from `x`.

        Raises:
          UserError: a side of `x` is not legal, or `carry` is of another size.
        """
        self.check_size(x)
        image = x.ndim == 4
        logits, carry = self.run(x[:, None] if image else x, train, carry, reset)
        return (logits[:, -1] if image or self.outputs == "last" else logits), carry

    def run(self, clip: Array, train: bool, carry: Any, reset: Any) -> tuple:
        """Logits of the last frame or of all, and the carry; defined by subclasses."""
        raise NotImplementedError(f"{type(self).__name__} lacks the method run.")
