"""What training and prediction ask of every model, beside its call."""

from typing import ClassVar

import flax.linen as nn
from jaxtyping import Array, Float

from segjax.core.errors import UserError, raise_problems
from segjax.core.names import Names
from segjax.models.ranges import range_problems


class Segmenter(nn.Module):
    """Base of all models: which sizes they take and what they lose at the border.

    A subclass defines `__call__(x, train) -> logits` and overrides what differs. A
    model whose fields are wrong is not made: `UserError` names all `problems`.
    """

    may_be_empty: ClassVar[tuple[str, ...]] = ()
    """Fields that hold numbers and may hold none."""

    def __post_init__(self):
        super().__post_init__()
        raise_problems(self.problems())

    def problems(self) -> list[str]:
        """What is wrong with the fields, as messages."""
        return range_problems(self)

    @property
    def stride(self) -> int:
        """Input sides must divide by it, once `margin` is taken off."""
        return 1

    @property
    def margin(self) -> int:
        """Pixels that the logits lose at each border; 0 for padded convolutions."""
        return 0

    @property
    def takes_clips(self) -> bool:
        """Whether `x` may be `(B, T, H, W, C)` too."""
        return False

    @property
    def sizes(self) -> None:
        """The only sizes of images that it takes: none, as all legal ones will do."""

    @property
    def foreign(self) -> tuple[Names, ...]:
        """What other projects call this model's arrays, or its backbone's."""
        return ()

    @property
    def frozen_paths(self) -> tuple[str, ...]:
        """Patterns of parameters and statistics that training must leave alone.

        They join those of the config's `optim.freeze`.
        """
        return ()

    def input_side(self, side: int) -> int:
        """The smallest legal input side whose logits cover `side` pixels."""
        return -(-side // self.stride) * self.stride

    def check_size(self, x: Array) -> None:
        """Refuse sides that the model cannot take, naming the nearest that it can.

        Raises:
          UserError: a side of `x` does not fit.
        """
        H, W = x.shape[-3:-1]
        if H % self.stride or W % self.stride:
            near = [max(1, round(n / self.stride)) * self.stride for n in (H, W)]
            raise UserError(
                f"{type(self).__name__}: input is {H}x{W}; both sides must divide by "
                f"{self.stride}. Resize, crop or pad to {near[0]}x{near[1]}."
            )

    def has_aux(self, train: bool) -> bool:
        """Whether auxiliary heads are computed: in training, and to initialise them."""
        return train or self.is_initializing()

    def sow_aux(self, name: str, logits: Float[Array, "B H W K"]) -> None:
        """Give the train step the logits of an auxiliary head, at the input's size."""
        if not self.is_initializing():
            self.sow("aux", name, logits, reduce_fn=lambda _, new: new)
